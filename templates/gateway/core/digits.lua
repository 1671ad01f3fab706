-- Whole numbers as digits in memory. No string is made, and there is no branch on how long they are: each would be a
-- trace of its own.
local ffi = require "ffi"

local floor, rshift = math.floor, bit.rshift

-- Two digits each, and a number's sixteen.
local pair = ffi.new "uint16_t[100]"
for i = 0, 99 do ffi.copy(pair + i, string.format("%02d", i), 2) end
local digits = ffi.new "uint16_t[8]"
local last = ffi.cast("char *", digits) + 16

local M = {}

--- Eight digits of a number below 1e8. Its factors are doubles above 1e-4 and 1e-2, never below: whole stays whole.
local function write(n, at)
  local upper = floor(n * 1e-4)
  local lower = n - upper * 1e4
  local first, third = floor(upper * 1e-2), floor(lower * 1e-2)
  digits[at], digits[at + 1] = pair[first], pair[upper - first * 100]
  digits[at + 2], digits[at + 3] = pair[third], pair[lower - third * 100]
end

--- How many digits it has; 0 has none. 9 - n and its like are below 0 for what has a digit more.
local function length(n)
  return rshift(-n, 31) + rshift(9 - n, 31) + rshift(99 - n, 31) + rshift(999 - n, 31) + rshift(9999 - n, 31)
    + rshift(99999 - n, 31) + rshift(999999 - n, 31) + rshift(9999999 - n, 31)
end

--- @return where its digits begin, until the next call, and how many they are; nil for what is not whole, below 0, or
--- 1e14 and more, which Lua writes otherwise
function M.of(n)
  if not (n >= 0 and n < 1e14 and n == floor(n)) then return nil end
  local upper = floor(n * 1e-8)
  local lower = n - upper * 1e8
  write(upper, 0)
  write(lower, 4)
  local long = rshift(-upper, 31)
  local count = long * (8 + length(upper)) + (1 - long) * (length(lower) + rshift(lower - 1, 31))
  return last - count, count
end

return M
