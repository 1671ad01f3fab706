-- The words of an audit line. What is the same for every request of a key, a model, a version or a peer is encoded once
-- and kept beside it; the rest needs no escaping: numbers, and words that were checked or are our own.
local encode = require("cjson").encode
local in_hand = require "core.in_hand"
local room = require "core.audit_room"
local clock = require("core.sys").clock

local M = {}

local NO_KEY = ',"key":null,"tenant":null'

local text, number = room.text, room.number

--- @param name with what stands before its value
local function word(name, value)
  text(name)
  if not value then return text "null" end
  text '"'
  text(value)
  text '"'
end

local function count(name, value)
  text(name)
  if not value then return text "null" end
  number(value)
end

--- Requests of one tick share the text of their time.
local at, shown
local function time()
  local now = ngx.now()
  if now ~= at then
    at, shown = now, string.format("%.3f", now)
  end
  return shown
end

local function key_text(key)
  key.line = ',"key":' .. encode(key.id) .. ',"tenant":' .. encode(key.tenant)
  return key.line
end

local function name_text(one, name, value)
  one.line = ',"' .. name .. '":' .. encode(value)
  return one.line
end

local function model_text(model)
  return model.line or name_text(model, "model", model.id)
end

local function version_text(version)
  return version.line or name_text(version, "version", version.name)
end

--- What is known of a request before an engine is asked, for the list of those in hand.
function M.tell(req)
  local key, model, version = req.key, req.model, req.version
  in_hand.tell(
    req,
    key and (key.line or key_text(key)) or "",
    model and model_text(model) or "",
    version and version_text(version) or ""
  )
end

--- Puts the line of a request that has ended into core.audit_room, without its closing brace.
function M.of(req)
  local key, model, version, peer = req.key, req.model, req.version, req.peer
  room.begin()
  text '{"id":"'
  text(req.id)
  text '","time":'
  text(time())
  text(key and (key.line or key_text(key)) or NO_KEY)
  text ',"route":"'
  text(req.route)
  text '"'
  text(model and model_text(model) or ',"model":null')
  text(version and version_text(version) or ',"version":null')
  text(peer and (peer.line or name_text(peer, "peer", peer.address)) or ',"peer":null')
  count(',"attempts":', req.attempts)
  word(',"cache":', req.cache)
  word(',"degraded":', req.degraded)
  count(',"status":', ngx.status)
  word(',"code":', req.refusal and req.refusal.code)
  text ',"outcome":"'
  text(req.outcome)
  text(req.stream and '","stream":true' or '","stream":false')
  count(',"bytes_in":', req.body_bytes or 0)
  count(',"bytes_out":', req.bytes)
  count(',"prompt_tokens":', req.prompt_tokens)
  count(',"completion_tokens":', req.completion_tokens)
  count(',"first_ms":', req.first)
  count(',"total_ms":', tonumber(clock.ngx_current_msec) - req.started)
end

--- As M.of, for a request whose worker is gone: how far it had come is not known, only that its caller saw it break off.
--- @param listed what the list of those in hand says of it
--- @param cut why it was cut
function M.of_gone(listed, started, cut)
  room.begin()
  text(listed)
  text ',"time":'
  text(time())
  text(string.format(',"started":%.3f,"status":null,"outcome":"cut","cut":"%s"', started, cut))
end

return M
