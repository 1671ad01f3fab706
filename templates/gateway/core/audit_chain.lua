-- Chained lines. Each is a JSON object that ends in its number and its MAC; the MAC is keyed and taken over the MAC of
-- the line before and the line's own text, so that who changes, drops, moves or adds a line without the key is found out.
-- HMAC-SHA256 (RFC 2104), truncated to 144 bits. src/audit/chain.ts reads the same.
local crypto = require "core.crypto"
local crypto_gcm = require "core.crypto_gcm"
local ffi = require "ffi"
local home = require "core.home"
local room = require "core.audit_room"

local copy, match = ffi.copy, string.match

local BYTES, SHOWN = 18, 24 -- of a MAC, and its characters: without padding
local ENDING = '^(.*),"seq":(%d+),"mac":"([%w+/]+)"}$'

local M = {}
local master

--- 32 bytes for one purpose and one file.
local function key(purpose, name)
  local secret = home.secrets.auditSecret
  if not secret then error("secrets.json holds no auditSecret", 0) end
  master = master or crypto.hmac_sha256(secret)
  return master(purpose .. ":" .. name)
end

--- @return a chain at its start: `seq` is that of the last line that was taken, `M.mac` its MAC
function M.new(name)
  local memory = ffi.new "struct { char mac[24], next[24]; }"
  return { key = crypto.hmac_key(key("chain", name)), seq = 0, memory = memory, size = 0 }
end

--- MAC of the last line that was taken; "" at the start.
function M.mac(chain)
  return ffi.string(chain.memory.mac, chain.size)
end

--- Where a chain stands that others wrote.
function M.set(chain, seq, mac)
  copy(chain.memory.mac, mac, #mac)
  chain.seq, chain.size = seq, #mac
end

--- Makes the text in core.audit_room, a JSON object without its closing brace, the chain's next line. Call `M.took` once
--- that stands in the file.
function M.finish(chain)
  local memory = chain.memory
  room.text ',"seq":'
  room.number(chain.seq + 1)
  local bytes, size = room.got()
  crypto.hmac(chain.key, memory.mac, chain.size, bytes, size)
  room.text ',"mac":"'
  local at = room.leave(SHOWN + 3)
  crypto.encode64(at, crypto.digest, BYTES)
  copy(memory.next, at, SHOWN)
  at[SHOWN], at[SHOWN + 1], at[SHOWN + 2] = 34, 125, 10 -- "}, and the end of the line
end

--- @param text a JSON object without its closing brace
--- @return the whole line
function M.line(chain, text)
  room.begin()
  room.text(text)
  M.finish(chain)
  return room.string()
end

function M.took(chain)
  local memory = chain.memory
  copy(memory.mac, memory.next, SHOWN)
  chain.seq, chain.size = chain.seq + 1, SHOWN
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
  M.line(chain, text)
  if not crypto.equal(ffi.string(chain.memory.next, SHOWN), mac) then return false end
  M.took(chain)
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
