-- Limits in this instance's shared memory: true over its workers. Every change is one atomic incr that is undone where
-- it went too far, so that workers which race refuse one too many, never one too few.
local sys = require "core.sys"

local dict = ngx.shared.gateway_limits

local WINDOW = 60000 -- ms
local DAYS = 172800 -- seconds that a day's count is kept
local SHOWN = 120 -- seconds that a worker's count of open requests holds without being shown again
local SLACK = 1 -- seconds

local M = {}
-- This worker's number among all that ever were, and its open requests by key. Others read them from the dictionary.
local me, mine = nil, {}
local workers, newest = {}, nil

--- Adds to a bucket: the time at which it is full again.
local function raise(key, now, ms)
  local after = dict:incr(key, ms, now, SLACK) or now
  -- It was full already when we came.
  if after - ms < now then after = dict:incr(key, now - (after - ms), now, SLACK) or now end
  if after <= now then
    dict:delete(key)
    return now
  end
  dict:expire(key, (after - now) / 1000 + SLACK)
  return after
end

local rate, day, open = {}, {}, {}
local kinds = { rate = rate, day = day, open = open }

function rate.take(bound, cost, now)
  local limit = bound.share
  local ms = cost * WINDOW / limit
  local back, wait = raise(bound.key, now, ms) - now, 0
  if back > WINDOW + 0.001 then
    wait = back - WINDOW
    raise(bound.key, now, -ms)
    back = back - ms
  end
  return limit - back * limit / WINDOW, back, wait
end

function rate.add(bound, more, now)
  if more == 0 or (more < 0 and not dict:get(bound.key)) then return end
  raise(bound.key, now, more * WINDOW / bound.share)
end

function day.take(bound, cost, _, date)
  local key = bound.key .. date
  local held = dict:incr(key, cost, 0, DAYS) or 0
  if held <= bound.share then return bound.share - held, -1, 0 end
  dict:incr(key, -cost)
  return bound.share - held + cost, -1, -1
end

function day.add(bound, more, _, date)
  if more ~= 0 then dict:incr(bound.key .. date, more, 0, DAYS) end
end

--- Those workers that are alive. A new one is seen at once, for it raises the number, which is read too often to be what
--- a full dictionary throws out.
local function alive()
  local now = dict:get "workers" or newest or 0
  if now ~= newest then
    for id = (newest or 0) + 1, now do workers[#workers + 1] = id end
    newest = now
  end
  return workers
end

local function show(key)
  local count = mine[key]
  if count > 0 then
    dict:set("open:" .. me .. key, count, SHOWN)
  else
    mine[key] = nil
    dict:delete("open:" .. me .. key)
  end
end

local function count(key)
  local sum = 0
  for _, id in ipairs(alive()) do sum = sum + (dict:get("open:" .. id .. key) or 0) end
  return sum
end

function open.take(bound)
  local key = bound.key
  mine[key] = (mine[key] or 0) + 1
  show(key)
  local held = count(key)
  if held <= bound.share then return bound.share - held, -1, 0 end
  open.add(bound, -1)
  return bound.share - held + 1, -1, -1
end

function open.add(bound)
  mine[bound.key] = mine[bound.key] - 1
  show(bound.key)
end

--- @param bounds of core.limit_plan; @param costs for each of them; @param date 'YYYY-MM-DD'
--- @param now ms of a clock that never jumps
--- @return whether all was taken (else nothing is), and for each bound { left, back, wait } as core.limit_scripts has it
function M.take(bounds, costs, now, date)
  local fits, out = true, {}
  for i = 1, #bounds do
    local left, back, wait = kinds[bounds[i].kind].take(bounds[i], costs[i], now, date)
    out[i] = { left = math.max(0, math.floor(left + 0.001)), back = math.ceil(back), wait = math.ceil(wait) }
    if wait ~= 0 then fits = false end
  end
  if fits then return true, out end
  for i = 1, #bounds do
    if out[i].wait == 0 then kinds[bounds[i].kind].add(bounds[i], -costs[i], now, date) end
  end
  return false, out
end

--- @param more for each bound the difference to what was taken; open requests are ended
function M.settle(bounds, more, now, date)
  for i = 1, #bounds do kinds[bounds[i].kind].add(bounds[i], more[i], now, date) end
end

--- A worker that was killed is not asked any more: its open requests are gone with it.
local function bury()
  local left = {}
  for _, id in ipairs(alive()) do
    local pid = dict:get("worker:" .. id)
    if pid and sys.alive(pid) then left[#left + 1] = id end
  end
  workers = left
  for key in pairs(mine) do show(key) end
end

--- In each worker.
function M.work()
  me = dict:incr("workers", 1, 0)
  dict:set("worker:" .. me, ngx.worker.pid())
  assert(ngx.timer.every(1, function(premature)
    if not premature then bury() end
  end))
end

return M
