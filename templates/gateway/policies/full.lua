-- A bound on what the engines are given at once: beyond it a request is refused now, rather than left to wait in a queue
-- that only grows. Counted over this instance's workers.
local metrics = require "core.metrics"
local reply = require "core.reply"

metrics.counter("gateway_full_total", "Requests refused because every engine of the version was full.")

local full = reply.refusal(429, "engine_overloaded", "All engines are busy now. Please try again in a moment.", nil, {
  ["Retry-After"] = 1,
})

local function access(req, settings)
  local bound = settings.limits and settings.limits.perEngine
  if not bound then return end
  local load, peers = 0, req.version.peers
  for i = 1, #peers do load = load + peers[i].load + peers[i].elsewhere end
  -- Each instance its share, and never so little that nothing goes through.
  if load < math.max(1, math.floor(bound * #peers / settings.limits.instances)) then return end
  metrics.add("gateway_full_total", 'model="' .. req.model.id .. '",version="' .. req.version.name .. '"', 1)
  return full
end

return { access = access, engine = true }
