-- Chained lines. Each is a JSON object that ends in its number and its MAC; the MAC is keyed and taken over the MAC of
-- the line before and the line's own text, so that who changes, drops, moves or adds a line without the key is found out.
-- HMAC-SHA256 (RFC 2104), truncated to 144 bits. src/audit/chain.ts reads the same.
local crypto = require "core.crypto"
local crypto_gcm = require "core.crypto_gcm"
local ffi = require "ffi"
local home = require "core.home"

local encode64 = ngx.encode_base64
local copy = ffi.copy
local sub, match = string.sub, string.match

local BYTES = 18 -- of a MAC: 24 characters without padding
local ENDING = '^(.*),"seq":(%d+),"mac":"([%w+/]+)"}$'

-- Lines of requests are put together here: as strings each of them would be made, hashed and collected three times.
local ROOM = 4096
local room = ffi.new("char[?]", ROOM)

local M = {}
local master

--- 32 bytes for one purpose and one file.
local function key(purpose, name)
  local secret = home.secrets.auditSecret
  if not secret then error("secrets.json holds no auditSecret", 0) end
  master = master or crypto.hmac_sha256(secret)
  return master(purpose .. ":" .. name)
end

--- @return a chain at its start: `seq` and `mac` are those of the last line that was taken
function M.new(name)
  return { hmac = crypto.hmac_sha256(key("chain", name)), seq = 0, mac = "" }
end

--- @param text a JSON object without its closing brace
--- @return the whole line and its MAC; hand that to `M.took` once the line stands in the file
function M.line(chain, text)
  text = text .. ',"seq":' .. chain.seq + 1
  local mac = encode64(sub(chain.hmac(chain.mac, text), 1, BYTES))
  return text .. ',"mac":"' .. mac .. '"}\n', mac
end

local function put(at, text)
  copy(room + at, text, #text)
  return at + #text
end

--- As M.line, but in memory that holds until the next call.
--- @return what to write, its size, and the MAC
function M.bytes(chain, text)
  if #text > ROOM - 128 then
    local line, mac = M.line(chain, text)
    return line, #line, mac
  end
  local size = put(put(put(0, text), ',"seq":'), chain.seq + 1 .. "")
  local mac = encode64(sub(chain.hmac(chain.mac, room, size), 1, BYTES))
  size = put(put(put(size, ',"mac":"'), mac), '"}\n')
  return room, size, mac
end

function M.took(chain, mac)
  chain.seq, chain.mac = chain.seq + 1, mac
end

--- @return number and MAC of a whole line, or nil
function M.ending(line)
  local _, seq, mac = match(line, ENDING)
  if seq then return tonumber(seq), mac end
end

--- Whether the line is the chain's next; then the chain goes on to it.
function M.follows(chain, line)
  local text, seq, mac = match(line, ENDING)
  if not text or tonumber(seq) ~= chain.seq + 1 then return false end
  local _, wanted = M.line(chain, text)
  if not crypto.equal(wanted, mac) then return false end
  M.took(chain, mac)
  return true
end

--- A function that seals texts of one purpose and one file: seal(what it belongs to, text) -> bytes.
function M.sealer(purpose, name)
  local secret = key(purpose, name)
  return function(belongs, text)
    return crypto_gcm.seal(secret, name .. ":" .. belongs, text)
  end
end

return M
