-- The memory that a line of the audit log is put together in. As strings, each of its parts would be made, hashed and
-- collected; here nothing is made. One line at a time: from `begin` on until it is written nobody may yield.
local digits = require "core.digits"
local ffi = require "ffi"

local copy = ffi.copy

local most = 4096 -- bytes; only prompts and answers need more
local bytes = ffi.new("char[?]", most)
local size = 0

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

--- A number as Lua writes it.
function M.number(n)
  local from, count = digits.of(n)
  if not from then return M.text(n .. "") end
  copy(M.leave(count), from, count)
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
