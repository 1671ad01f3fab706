-- The slot of a key: CRC16 (XMODEM: polynomial 0x1021, start 0) modulo 16384, over the hash tag when there is one.
-- https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model
local bit = require "bit"

local band, bxor, lshift, rshift = bit.band, bit.bxor, bit.lshift, bit.rshift
local byte, find, sub = string.byte, string.find, string.sub

local crc_of = {}
for i = 0, 255 do
  local crc = lshift(i, 8)
  for _ = 1, 8 do
    crc = band(crc, 0x8000) ~= 0 and bxor(lshift(crc, 1), 0x1021) or lshift(crc, 1)
    crc = band(crc, 0xffff)
  end
  crc_of[i] = crc
end

--- What lies between the first `{` and the first `}` after it, when it is not empty.
local function tag(key)
  local open = find(key, "{", 1, true)
  local close = open and find(key, "}", open + 1, true)
  return close and close > open + 1 and sub(key, open + 1, close - 1) or key
end

--- @return 0 to 16383
return function(key)
  local text, crc = tag(key), 0
  for i = 1, #text do
    crc = bxor(band(lshift(crc, 8), 0xffff), crc_of[bxor(rshift(crc, 8), byte(text, i))])
  end
  return band(crc, 16383)
end
