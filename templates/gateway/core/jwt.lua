-- Access tokens as compact JWS (RFC 7515) with HS256 and nothing else. A header is never read: it is compared, as text,
-- with the headers that we write ourselves, so that no other algorithm, type or key can be talked into (RFC 8725, 3.1).
local cjson = require "cjson.safe"
local crypto = require "core.crypto"
local ffi = require "ffi"

ffi.cdef "int RAND_bytes(unsigned char *buf, int num);"

local bytes = ffi.new "unsigned char[16]"

local M = {}

--- Base64url without padding (RFC 4648, 5).
local function encode(text)
  return (ngx.encode_base64(text, true):gsub("[+/]", { ["+"] = "-", ["/"] = "_" }))
end

local function decode(text)
  return ngx.decode_base64((text:gsub("[-_]", { ["-"] = "+", ["_"] = "/" }) .. ("="):rep(-#text % 4)))
end

M.decode_base64url = decode

--- 128 random bits, as text.
function M.random()
  assert(ffi.C.RAND_bytes(bytes, 16) == 1)
  return encode(ffi.string(bytes, 16))
end

--- @param kid a plain word
--- @param secret the key's bytes
function M.signer(kid, secret)
  return {
    kid = kid,
    header = encode('{"alg":"HS256","typ":"at+jwt","kid":"' .. kid .. '"}'),
    mac = crypto.hmac_sha256(secret),
  }
end

function M.sign(signer, claims)
  local text = signer.header .. "." .. encode(cjson.encode(claims))
  return text .. "." .. encode(signer.mac(text))
end

--- @param by_header signers by the header they write
--- @return the claims and the signer, or nil when it was not one of these who signed just this
function M.verify(text, by_header)
  local header, payload, signature = text:match "^([%w_-]+)%.([%w_-]+)%.([%w_-]+)$"
  local signer = header and by_header[header]
  if not signer then return nil end
  -- The signature is compared as it is written: its last character has spare bits that decoding would drop.
  local signed = text:sub(1, #header + 1 + #payload)
  if not crypto.equal(encode(signer.mac(signed)), signature) then return nil end
  local claims = cjson.decode(decode(payload))
  if type(claims) ~= "table" then return nil end
  return claims, signer
end

return M
