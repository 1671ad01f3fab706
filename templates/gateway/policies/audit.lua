-- One JSON line a request, written at once: a line is in the kernel before the next request of this worker begins.
local audit = require "core.audit"
local sys = require "core.sys"

local function text(value)
  return value and '"' .. value .. '"' or "null"
end

local function number(value)
  return value or "null"
end

--- Every piece comes from our settings or from a checked word, so that nothing needs escaping.
local function line(req)
  local key, model, version, peer = req.key, req.model, req.version, req.peer
  return '{"id":' .. text(req.id)
    .. ',"time":' .. string.format("%.3f", ngx.now())
    .. ',"key":' .. text(key and key.id)
    .. ',"tenant":' .. text(req.tenant)
    .. ',"route":' .. text(req.route)
    .. ',"model":' .. text(model and model.id)
    .. ',"version":' .. text(version and version.name)
    .. ',"peer":' .. text(peer and peer.address)
    .. ',"attempts":' .. req.attempts
    .. ',"cache":' .. text(req.cache)
    .. ',"status":' .. ngx.status
    .. ',"code":' .. text(req.refusal and req.refusal.code)
    .. ',"outcome":' .. text(req.outcome)
    .. ',"stream":' .. (req.stream and "true" or "false")
    .. ',"bytes_in":' .. (req.body_bytes or 0)
    .. ',"bytes_out":' .. req.bytes
    .. ',"prompt_tokens":' .. number(req.prompt_tokens)
    .. ',"completion_tokens":' .. number(req.completion_tokens)
    .. ',"first_ms":' .. number(req.first)
    .. ',"total_ms":' .. (sys.msec() - req.started)
    .. "}\n"
end

local function done(req)
  audit.write(line(req))
end

return { done = done }
