-- nginx's variables, written from memory: a text that differs from request to request is no string of Lua's, which would be
-- made, hashed and collected for 0.3 us.
local base = require "resty.core.base"
local digits = require "core.digits"
local ffi = require "ffi"
require "resty.core.var"

local C = ffi.C
local copy, ceil, floor = ffi.copy, math.ceil, math.floor
local get_request = base.get_request

local NAME, ERROR = 64, 256
local room = ffi.new "unsigned char[32]"
local lowered = ffi.new("unsigned char[?]", NAME + ERROR)
local error_size = ffi.new "size_t[1]"

local M = {}

--- @param name of a variable that nginx.conf sets, in lower case
local function put(name, from, size)
  error_size[0] = ERROR
  local code = C.ngx_http_lua_ffi_var_set(get_request(), name, #name, lowered, from, size, lowered + NAME, error_size)
  if code ~= 0 then error(ffi.string(lowered + NAME, error_size[0]), 0) end
end

function M.text(name, text)
  return put(name, text, #text)
end

function M.whole(name, n)
  local from, count = digits.of(n)
  if not from then return M.text(name, n .. "") end
  return put(name, from, count)
end

local function short(name, n, unit)
  local from, count = digits.of(n)
  copy(room, from, count)
  copy(room + count, unit, #unit)
  return put(name, room, count + #unit)
end

-- Of a day's limits it is the same for a second.
local longest, shown
local function long(s)
  if s == longest then return shown end
  local text = floor(s % 3600 / 60) .. "m" .. s % 60 .. "s"
  longest, shown = s, s < 3600 and text or floor(s / 3600) .. "h" .. text
  return shown
end

--- As OpenAI writes it: 20ms, 1s, 6m0s, 1h0m0s.
function M.duration(name, ms)
  if ms < 1000 then return short(name, ms, "ms") end
  local s = ceil(ms / 1000)
  if s < 60 then return short(name, s, "s") end
  return M.text(name, long(s))
end

return M
