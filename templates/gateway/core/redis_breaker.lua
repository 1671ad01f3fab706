-- A breaker for each Redis node, shared by all workers. One answer that comes too late opens it, and so do some refused
-- or broken connections within a window. While it is open nobody asks the node; a timer pings it, so that no request
-- ever pays for the probe. The mark expires by itself, in case the worker that owns the probe has died.
local dict = ngx.shared.gateway_redis

local LEASE = 3 -- times the cool-down

local M = {}

--- @param options failures, windowS, coolDownS
function M.new(name, options)
  return { name = name, open_key = "open:" .. name, count_key = "failures:" .. name, options = options }
end

function M.allows(breaker)
  return not dict:get(breaker.open_key)
end

local probe

local function hold(breaker)
  dict:set(breaker.open_key, true, LEASE * breaker.options.coolDownS)
end

local function later(breaker, ping)
  local ok, err = ngx.timer.at(breaker.options.coolDownS, probe, breaker, ping)
  if not ok then ngx.log(ngx.WARN, "redis ", breaker.name, ": no probe: ", err) end
end

function probe(premature, breaker, ping)
  if premature then return end
  if ping() then
    dict:delete(breaker.open_key)
    return ngx.log(ngx.WARN, "redis ", breaker.name, " answers again")
  end
  hold(breaker)
  later(breaker, ping)
end

--- @param slow the node took the request and did not answer in time
--- @param ping() -> whether the node is well
function M.failed(breaker, slow, why, ping)
  local options = breaker.options
  local count = slow and options.failures or dict:incr(breaker.count_key, 1, 0, options.windowS)
  if (count or options.failures) < options.failures then return end
  if not dict:add(breaker.open_key, true, LEASE * options.coolDownS) then return end
  dict:delete(breaker.count_key)
  ngx.log(ngx.WARN, "redis ", breaker.name, " is left alone for a while: ", why)
  later(breaker, ping)
end

return M
