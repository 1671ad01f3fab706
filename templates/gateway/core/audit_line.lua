-- The words of an audit line. What is the same for every request of a key, a model, a version or a peer is encoded once
-- and kept beside it; the rest needs no escaping: numbers, and words that were checked or are our own.
local encode = require("cjson").encode
local in_hand = require "core.in_hand"
local sys = require "core.sys"

local M = {}

local NO_KEY = ',"key":null,"tenant":null'

local function text(value)
  return value and '"' .. value .. '"' or "null"
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

--- @return the line of a request that has ended, without its closing brace
function M.of(req)
  local key, model, version, peer = req.key, req.model, req.version, req.peer
  return '{"id":"' .. req.id
    .. '","time":' .. time()
    .. (key and (key.line or key_text(key)) or NO_KEY)
    .. ',"route":"' .. req.route .. '"'
    .. (model and model_text(model) or ',"model":null')
    .. (version and version_text(version) or ',"version":null')
    .. (peer and (peer.line or name_text(peer, "peer", peer.address)) or ',"peer":null')
    .. ',"attempts":' .. req.attempts
    .. ',"cache":' .. text(req.cache)
    .. ',"degraded":' .. text(req.degraded)
    .. ',"status":' .. ngx.status
    .. ',"code":' .. text(req.refusal and req.refusal.code)
    .. ',"outcome":"' .. req.outcome
    .. '","stream":' .. (req.stream and "true" or "false")
    .. ',"bytes_in":' .. (req.body_bytes or 0)
    .. ',"bytes_out":' .. req.bytes
    .. ',"prompt_tokens":' .. (req.prompt_tokens or "null")
    .. ',"completion_tokens":' .. (req.completion_tokens or "null")
    .. ',"first_ms":' .. (req.first or "null")
    .. ',"total_ms":' .. (sys.msec() - req.started)
end

--- The line of a request whose worker is gone: how far it had come is not known, only that its caller saw it break off.
--- @param listed what the list of those in hand says of it
--- @param cut why it was cut
function M.of_gone(listed, started, cut)
  local line = listed .. ',"time":' .. time() .. ',"started":' .. string.format("%.3f", started)
    .. ',"status":null,"outcome":"cut","cut":"' .. cut .. '"'
  return line
end

return M
