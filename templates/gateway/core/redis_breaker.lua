-- A breaker for each Redis node, shared by all workers. One answer that comes too late opens it, and so do some refused
-- or broken connections within a window. While it is open nobody asks the node; a timer pings it, so that no request
-- ever pays for the probe. The mark expires by itself, in case the worker that owns the probe has died, or stopped to
-- ask: a node that nobody wants any more (other settings are in force) is not pinged for ever.
local sys = require "core.sys"

local dict = ngx.shared.gateway_redis
local msec = sys.msec

local LEASE = 3 -- times the cool-down
local FORGOTTEN = 10000 -- ms

local M = {}

--- @param identity tells apart the same node under other settings, e.g. with another password
--- @param options failures, windowS, coolDownS
function M.new(name, identity, options)
  local key = identity .. " " .. name
  return { name = name, open_key = "open:" .. key, count_key = "failures:" .. key, options = options, asked = 0 }
end

function M.allows(breaker)
  breaker.asked = msec()
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
  if premature or msec() - breaker.asked > FORGOTTEN then return end
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
