-- gRPC's frames, and as much of protobuf as SGLang's messages of OpenAI's JSON need:
--   OpenAIRequest { bytes json_body = 1; map<string, string> trace_headers = 2; }
--   OpenAIStreamChunk { bytes json_chunk = 1; bool finished = 2; }
--   OpenAIResponse { bytes json_body = 1; int32 status_code = 2; }
-- https://github.com/sgl-project/sglang/blob/main/proto/sglang/runtime/v1/sglang.proto
-- https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md https://protobuf.dev/programming-guides/encoding/
local bit = require "bit"

local band, rshift = bit.band, bit.rshift
local byte, char, sub = string.byte, string.char, string.sub

local JSON, TRACE, TOLD = 1, 2, 2

-- Bytes of one message: above all that an engine has to say, below what would fill a worker's memory.
local M = { LONGEST = 64 * 1024 * 1024 }

local function varint(n)
  local out = ""
  while n > 127 do
    out = out .. char(n % 128 + 128)
    n = math.floor(n / 128)
  end
  return out .. char(n)
end

local function field(number, text)
  return char(number * 8 + 2) .. varint(#text) .. text
end

--- @param trace headers by name, for the engine's own traces
--- @return one framed OpenAIRequest
function M.request(json, trace)
  local message = field(JSON, json)
  for name, value in pairs(trace) do message = message .. field(TRACE, field(1, name) .. field(2, value)) end
  local n = #message
  return char(0, band(rshift(n, 24), 255), band(rshift(n, 16), 255), band(rshift(n, 8), 255), band(n, 255)) .. message
end

--- @return the number and the position after it; nothing when it has no end
local function number(text, at)
  local value, scale = 0, 1
  for i = at, at + 9 do
    local b = byte(text, i)
    if not b then return nil end
    value = value + (b % 128) * scale
    if b < 128 then return value, i + 1 end
    scale = scale * 128
  end
end

--- The position after a field's value; nothing where the bytes are no message. For text its own beginning, too.
local function after(wire, text, at)
  if wire == 0 then return select(2, number(text, at)) end
  if wire == 1 then return at + 8 end
  if wire == 5 then return at + 4 end
  if wire ~= 2 then return nil end
  local size, from = number(text, at)
  return from and from + size, from
end

--- @return its JSON ("" when there is none) and its other field (finished, or a status; 0 when there is none); nil when
--- the bytes are no message
function M.message(text)
  local json, told, at = "", 0, 1
  while at <= #text do
    local tag, start = number(text, at)
    if not tag then return nil end
    local wire, of = tag % 8, math.floor(tag / 8)
    local to, from = after(wire, text, start)
    if of == 0 or not to or to > #text + 1 then return nil end
    if of == JSON and wire == 2 then json = sub(text, from, to - 1) end
    if of == TOLD and wire == 0 then told = number(text, start) end
    at = to
  end
  return json, told
end

--- Takes the frame at a position of the text.
--- @return its message and where the next one begins; nil and the bytes it needs when it is not whole yet; false when it
--- never can be: compressed, which nobody asked for, or longer than any answer
function M.frame(text, at)
  local compressed, a, b, c, d = byte(text, at, at + 4)
  if compressed and compressed ~= 0 then return false end
  if not d then return nil, 5 end
  local size = ((a * 256 + b) * 256 + c) * 256 + d
  if size > M.LONGEST then return false end
  if #text < at + 4 + size then return nil, 5 + size end
  return sub(text, at + 5, at + 4 + size), at + 5 + size
end

--- `grpc-message` as it was before it was made printable.
function M.words(text)
  return (text:gsub("%%(%x%x)", function(hex) return char(tonumber(hex, 16)) end))
end

return M
