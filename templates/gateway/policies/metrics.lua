-- Counts for Prometheus. Labels are bounded: route, the models and versions of the settings, the status class.
local metrics = require "core.metrics"
local sys = require "core.sys"

local LATENCY = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300 }

metrics.counter("gateway_requests_total", "Requests by route, model, version and status.")
metrics.counter("gateway_outcomes_total", "How answers ended: complete, cut or refused.")
metrics.counter("gateway_attempts_total", "Tries sent to engines.")
metrics.counter("gateway_tokens_total", "Tokens the engines said they used.")
metrics.histogram("gateway_request_seconds", "From the request's head to the last byte.", LATENCY)
metrics.histogram("gateway_first_byte_seconds", "From the request's head to the first byte of the answer.", LATENCY)

local function labels(req)
  local model = req.model and req.model.id or ""
  local version = req.version and req.version.name or ""
  return 'route="' .. req.route .. '",model="' .. model .. '",version="' .. version .. '"'
end

local function done(req)
  local base = labels(req)
  metrics.add("gateway_requests_total", base .. ',status="' .. ngx.status .. '"', 1)
  metrics.add("gateway_outcomes_total", base .. ',outcome="' .. req.outcome .. '"', 1)
  if req.attempts == 0 then return end
  metrics.add("gateway_attempts_total", base, req.attempts)
  metrics.observe("gateway_request_seconds", base, (sys.msec() - req.started) / 1000)
  if req.first then metrics.observe("gateway_first_byte_seconds", base, req.first / 1000) end
  if req.prompt_tokens then
    metrics.add("gateway_tokens_total", base .. ',kind="prompt"', req.prompt_tokens)
    metrics.add("gateway_tokens_total", base .. ',kind="completion"', req.completion_tokens or 0)
  end
end

return { done = done }
