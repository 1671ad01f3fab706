-- One flight for equal requests, over all workers of a gateway: the first goes to the engine, the others wait for its
-- answer, for a bounded time. Who leads holds a mark in shared memory under its worker's id; when it ends without an
-- answer, or its worker dies, those who wait go themselves, all of them at once: an engine that fails is not tried by
-- one after the other with everybody waiting.
local sys = require "core.sys"

local dict = ngx.shared.gateway_flights
local msec = sys.msec

local LEASE_S = 600 -- longest answer; a worker that died is noticed before
local SHORTEST, LONGEST = 0.002, 0.1 -- seconds between two looks

local M = {}

--- Whether the caller goes first.
function M.lead(key)
  return (dict:add(key, ngx.worker.pid(), LEASE_S))
end

--- Looks up seldom as time goes by: an eighth of what has passed is lost at most.
--- @param found() -> the answer once it is there
--- @return the answer, or nil when the leader gave none or the time is over
function M.follow(key, limit_ms, found)
  local from = msec()
  dict:incr("waiting " .. key, 1, 0, LEASE_S)
  local answer
  while true do
    local leader = dict:get(key)
    answer = found()
    local passed = msec() - from
    if answer or passed >= limit_ms or not leader or not sys.alive(leader) then break end
    ngx.sleep(math.min(LONGEST, math.max(SHORTEST, passed / 8000), (limit_ms - passed) / 1000))
  end
  dict:incr("waiting " .. key, -1)
  return answer
end

--- Whether somebody waits.
function M.wanted(key)
  return (dict:get("waiting " .. key) or 0) > 0
end

--- By the leader, once, from any phase.
function M.land(key)
  dict:delete(key)
end

return M
