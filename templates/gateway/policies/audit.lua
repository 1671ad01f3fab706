-- One JSON line a request, written at once: a line is in the kernel before the next request of this worker begins.
local audit = require "core.audit"
local encode = require("cjson").encode
local sys = require "core.sys"

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

-- What is the same for every request of a key, a model, a version or a peer is encoded once and kept beside it.
local NO_KEY = ',"key":null,"tenant":null'

local function key_text(key)
  key.line = ',"key":' .. encode(key.id) .. ',"tenant":' .. encode(key.tenant)
  return key.line
end

local function name_text(one, name, value)
  one.line = ',"' .. name .. '":' .. encode(value)
  return one.line
end

--- The rest needs no escaping: numbers, and words that were checked or are our own.
local function line(req)
  local key, model, version, peer = req.key, req.model, req.version, req.peer
  return '{"id":"' .. req.id
    .. '","time":' .. time()
    .. (key and (key.line or key_text(key)) or NO_KEY)
    .. ',"route":"' .. req.route .. '"'
    .. (model and (model.line or name_text(model, "model", model.id)) or ',"model":null')
    .. (version and (version.line or name_text(version, "version", version.name)) or ',"version":null')
    .. (peer and (peer.line or name_text(peer, "peer", peer.address)) or ',"peer":null')
    .. ',"attempts":' .. req.attempts
    .. ',"cache":' .. text(req.cache)
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
    .. "}\n"
end

local function done(req)
  audit.write(line(req))
end

return { done = done }
