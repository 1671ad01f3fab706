-- The memory that a line of the audit log is put together in. As strings, each of its parts would be made, hashed and
-- collected; here nothing is made. One line at a time: from `begin` on until it is written nobody may yield.
local ffi = require "ffi"

local copy, floor, rshift = ffi.copy, math.floor, bit.rshift

local most = 4096 -- bytes; only prompts and answers need more
local bytes = ffi.new("char[?]", most)
local size = 0

-- Two digits each, and a number's ten.
local pair = ffi.new "uint16_t[100]"
for i = 0, 99 do copy(pair + i, string.format("%02d", i), 2) end
local digits = ffi.new "uint16_t[5]"
local last = ffi.cast("char *", digits) + 10

local M = {}

function M.begin()
  size = 0
end

local function grow(kept)
  while most < size do most = most * 2 end
  local larger = ffi.new("char[?]", most)
  copy(larger, bytes, kept)
  bytes = larger
end

--- Room for so many bytes at the end. @return where it begins
function M.leave(count)
  local at = size
  size = at + count
  if size > most then grow(at) end
  return bytes + at
end

function M.text(text)
  local at = size
  size = at + #text
  if size > most then grow(at) end
  copy(bytes + at, text, #text)
end

--- A number as Lua writes it. Whole ones without a branch on how long they are: each would be a trace of its own.
function M.number(n)
  if not (n >= 0 and n < 1e9 and n == floor(n)) then return M.text(n .. "") end
  local upper = floor(n * 1e-4)
  local first = floor(upper * 1e-4)
  local middle, lower = upper - first * 1e4, n - upper * 1e4
  local third, fifth = floor(middle * 1e-2), floor(lower * 1e-2)
  digits[0], digits[1], digits[2] = pair[first], pair[third], pair[middle - third * 100]
  digits[3], digits[4] = pair[fifth], pair[lower - fifth * 100]
  -- 9 - n and its like are below 0 for what has a digit more.
  local count = 1 + rshift(9 - n, 31) + rshift(99 - n, 31) + rshift(999 - n, 31) + rshift(9999 - n, 31)
    + rshift(99999 - n, 31) + rshift(999999 - n, 31) + rshift(9999999 - n, 31) + rshift(99999999 - n, 31)
  copy(M.leave(count), last - count, count)
end

--- @return what stands there now, and its size; it holds until the next change
function M.got()
  return bytes, size
end

--- The same as a string. @param count of its first bytes; all when left out
function M.string(count)
  return ffi.string(bytes, count or size)
end

return M
