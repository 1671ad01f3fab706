-- Limits in this instance's shared memory: true over its workers. Every change is one atomic incr that is undone where
-- it went too far, so that workers which race refuse one too many, never one too few. What is given back goes with this
-- worker's next take of the same bound, or within a second.
local plans = require "core.limit_plan"
local sys = require "core.sys"

local dict = ngx.shared.gateway_limits
local ceil, floor, max = math.ceil, math.floor, math.max

local WINDOW = 60000 -- ms
local DAYS = 172800 -- seconds that a day's count is kept
local KEPT = 75000 -- ms that a bucket is kept after it was full, longer than a window
local RENEWED = 10000 -- ms before that a bucket is kept for longer
local SHOWN = 120 -- seconds that a worker's count of open requests holds without being shown again

local M = {}
-- By key: what is given back and not yet said, in ms of a bucket or tokens of a day.
local owed = {}
-- This worker's number among all that ever were, and its open requests by key. Others read them from the dictionary.
local me, mine = nil, {}
local workers, newest, looked = {}, nil, nil

local function owes(key)
  local amount = owed[key]
  if not amount then return 0 end
  owed[key] = nil
  return amount
end

--- Sees to it that a bucket outlives what it holds. `bound.till`: until when it is kept at least.
local function keep(bound, now, after)
  if (bound.till or 0) >= max(now + KEPT - RENEWED, after) then return end
  bound.till = max(now, after) + KEPT
  dict:expire(bound.near, (bound.till - now) / 1000)
end

--- Gives back, then adds to a bucket: the time at which it is full again.
local function raise(bound, now, ms, back)
  local after = dict:incr(bound.near, ms + back, now, KEPT / 1000) or now
  -- It was full already when we came.
  if after - ms < now then after = dict:incr(bound.near, now + ms - after, now, KEPT / 1000) or now end
  keep(bound, now, after)
  return after
end

local rate, day, open = {}, {}, {}
local kinds = { rate = rate, day = day, open = open }

function rate.take(bound, cost, now)
  local limit = bound.share
  local ms = cost * WINDOW / limit
  local back, wait = raise(bound, now, ms, owes(bound.near)) - now, 0
  if back > WINDOW + 0.001 then
    wait = back - WINDOW
    dict:incr(bound.near, -ms)
    back = back - ms
  end
  return limit - back * limit / WINDOW, back, wait
end

function rate.add(bound, more, now)
  local ms = more * WINDOW / bound.share
  if ms > 0 then return raise(bound, now, ms, 0) end
  if ms < 0 then owed[bound.near] = (owed[bound.near] or 0) + ms end
end

--- The same name for all requests of a day.
local function key_of(bound, date)
  if bound.date ~= date then bound.date, bound.dated = date, plans.near(bound.key .. date) end
  return bound.dated
end

function day.take(bound, cost, _, date)
  local key = key_of(bound, date)
  local held = dict:incr(key, cost + owes(key), 0, DAYS) or 0
  if held <= bound.share then return bound.share - held, -1, 0 end
  dict:incr(key, -cost)
  return bound.share - held + cost, -1, -1
end

function day.add(bound, more, _, date)
  local key = key_of(bound, date)
  if more > 0 then dict:incr(key, more, 0, DAYS) end
  if more < 0 then owed[key] = (owed[key] or 0) + more end
end

--- Those workers that are alive. A new one is seen within a millisecond, for it raises the number, which is read too
--- often to be what a full dictionary throws out.
local function alive(now)
  if now == looked then return workers end
  looked = now
  local last = dict:get "workers" or newest or 0
  if last ~= newest then
    for id = (newest or 0) + 1, last do workers[#workers + 1] = id end
    newest = last
  end
  return workers
end

local function show(one)
  dict:set(one.name, one.count, SHOWN)
end

local function own(key)
  local one = mine[key]
  if not one then
    one = { name = me .. "open" .. key, count = 0 }
    mine[key] = one
  end
  return one
end

local function elsewhere(key, now)
  local list, sum = alive(now), 0
  if #list == 1 then return 0 end
  for i = 1, #list do
    if list[i] ~= me then sum = sum + (dict:get(list[i] .. "open" .. key) or 0) end
  end
  return sum
end

function open.take(bound, _, now)
  local one = own(bound.near)
  one.count = one.count + 1
  show(one)
  local held = one.count + elsewhere(bound.near, now)
  if held <= bound.share then return bound.share - held, -1, 0 end
  open.add(bound)
  return bound.share - held + 1, -1, -1
end

function open.add(bound)
  local one = own(bound.near)
  one.count = one.count - 1
  show(one)
end

--- @param plan of core.limit_plan; @param costs for each of its bounds; @param date 'YYYY-MM-DD'
--- @param now ms of a clock that never jumps
--- @return whether all was taken (else nothing is), and what core.limit_scripts tells of each bound: plan.out
function M.take(plan, costs, now, date)
  local fits, out = true, plan.out
  local left, back, wait = out.left, out.back, out.wait
  for i = 1, #plan do
    local bound = plan[i]
    local rest, full, more = kinds[bound.kind].take(bound, costs[i], now, date)
    left[i], back[i], wait[i] = max(0, floor(rest + 0.001)), ceil(full), ceil(more)
    if more ~= 0 then fits = false end
  end
  if fits then return true, out end
  for i = 1, #plan do
    if wait[i] == 0 then kinds[plan[i].kind].add(plan[i], -costs[i], now, date) end
  end
  return false, out
end

--- @param more for each bound the difference to what was taken; open requests are ended
function M.settle(plan, more, now, date)
  for i = 1, #plan do kinds[plan[i].kind].add(plan[i], more[i], now, date) end
end

--- What nobody came for.
local function give_back()
  local all = owed
  owed = {}
  for key, amount in pairs(all) do dict:incr(key, amount) end
end

--- A worker that was killed is not asked any more: its open requests are gone with it.
local function bury()
  local left = {}
  for _, id in ipairs(alive(-1)) do
    local pid = dict:get("worker:" .. id)
    if pid and sys.alive(pid) then left[#left + 1] = id end
  end
  workers = left
  for key, one in pairs(mine) do
    if one.count > 0 then
      show(one)
    else
      mine[key] = nil
      dict:delete(one.name)
    end
  end
end

--- In each worker.
function M.work()
  me = dict:incr("workers", 1, 0)
  dict:set("worker:" .. me, ngx.worker.pid())
  assert(ngx.timer.every(1, function(premature)
    give_back()
    if not premature then bury() end
  end))
end

return M
