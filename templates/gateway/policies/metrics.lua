-- Counts for Prometheus. Labels are bounded: route, the models and versions of the settings, the status class.
local metrics = require "core.metrics"
local clock = require("core.sys").clock

local LATENCY = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300 }

metrics.counter("gateway_requests_total", "Requests by route, model, version and status.")
metrics.counter("gateway_outcomes_total", "How answers ended: complete, cut or refused.")
metrics.counter("gateway_attempts_total", "Tries sent to engines.")
metrics.counter("gateway_tokens_total", "Tokens the engines said they used.")
metrics.histogram("gateway_request_seconds", "From the request's head to the last byte.", LATENCY)
metrics.histogram("gateway_first_byte_seconds", "From the request's head to the first byte of the answer.", LATENCY)

-- The label texts of each version, route and status, made once: they are few, and the same for every request.
local made = setmetatable({}, { __mode = "k" })
local nobody = {}

local function labels(req)
  local owner = req.version or nobody
  local routes = made[owner]
  if not routes then
    routes = {}
    made[owner] = routes
  end
  local texts = routes[req.route]
  if not texts then
    local model, version = req.model and req.version and req.model.id or "", req.version and req.version.name or ""
    local base = 'route="' .. req.route .. '",model="' .. model .. '",version="' .. version .. '"'
    texts = {
      base = base,
      status = {},
      prompt = base .. ',kind="prompt"',
      completion = base .. ',kind="completion"',
      complete = base .. ',outcome="complete"',
      cut = base .. ',outcome="cut"',
      refused = base .. ',outcome="refused"',
    }
    routes[req.route] = texts
  end
  return texts
end

local function of_status(texts, status)
  local text = texts.status[status]
  if not text then
    text = texts.base .. ',status="' .. status .. '"'
    texts.status[status] = text
  end
  return text
end

local function done(req)
  local texts = labels(req)
  metrics.add("gateway_requests_total", of_status(texts, ngx.status), 1)
  metrics.add("gateway_outcomes_total", texts[req.outcome], 1)
  if req.attempts == 0 then return end
  metrics.add("gateway_attempts_total", texts.base, req.attempts)
  metrics.observe("gateway_request_seconds", texts.base, (tonumber(clock.ngx_current_msec) - req.started) / 1000)
  if req.first then metrics.observe("gateway_first_byte_seconds", texts.base, req.first / 1000) end
  if req.prompt_tokens then
    metrics.add("gateway_tokens_total", texts.prompt, req.prompt_tokens)
    metrics.add("gateway_tokens_total", texts.completion, req.completion_tokens or 0)
  end
end

return { done = done }
