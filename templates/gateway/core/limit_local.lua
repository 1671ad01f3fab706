-- Limits in this instance's shared memory: true over its workers. Every change is one atomic incr that is undone where
-- it went too far, so that workers which race refuse one too many, never one too few. A worker that is busy takes more
-- there than a request needs, while more than half of a limit is left, and spends that without asking again; with what
-- requests give back it is this worker's room, which goes back with its next question, or within a second. So shared
-- memory always knows of what was spent, and of room besides: at most a 64th of the limit over all workers.
local code = require "core.limit_code"
local plans = require "core.limit_plan"
local sys = require "core.sys"

local dict = ngx.shared.gateway_limits
local floor, max, min = math.floor, math.max, math.min

local WINDOW = 60000 -- ms
local DAYS = 172800 -- seconds that a day's count is kept
local KEPT = 75000 -- ms that a bucket is kept after it was full, longer than a window
local RENEWED = 10000 -- ms before that a bucket is kept for longer
local SHOWN = 120 -- seconds that a worker's count of open requests holds without being shown again
local LASTS = 100 -- ms for which room is asked
local PART = 64 -- of a limit at the most, all workers' room together

local M = {}
-- By key: this worker's room and what it spent since it asked, in ms of a bucket or tokens of a day; when it asked (ms),
-- and what shared memory said then: the time at which the bucket is full, or a day's tokens.
local held = {}
-- This worker's number among all that ever were, and its open requests by key. Others read them from the dictionary.
local me, mine = nil, {}
local workers, newest, looked = {}, nil, nil

local function known(key)
  local one = held[key]
  if not one then
    one = { room = 0, spent = 0, asked = 0, said = 0 }
    held[key] = one
  end
  return one
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

--- This worker's part of a limit that may be room.
local function part(limit)
  return limit / PART / max(#workers, 1)
end

--- Room to ask for: what LASTS ms took before, twice as much where it was gone sooner.
--- @param taken of the limit, in the same unit
local function more_of(one, now, taken, limit)
  local spent, lasted = one.spent, now - one.asked
  one.spent, one.asked = 0, now
  if taken > limit / 2 then return 0 end
  return min(spent * min(2, LASTS / max(lasted, 1)), part(limit))
end

--- Sees to it that a bucket outlives what it holds. `bound.till`: until when it is kept at least.
local function keep(bound, now, after)
  if (bound.till or 0) >= max(now + KEPT - RENEWED, after) then return end
  bound.till = max(now, after) + KEPT
  dict:expire(bound.near, (bound.till - now) / 1000)
end

--- Gives back, then adds to a bucket: the time at which it is full again.
local function raise(bound, now, ms, back)
  local after = dict:incr(bound.near, ms - back, now, KEPT / 1000) or now
  -- It was full already when we came.
  if after - ms < now then after = dict:incr(bound.near, now + ms - after, now, KEPT / 1000) or now end
  keep(bound, now, after)
  return after
end

local rate, day, open = {}, {}, {}
local kinds = { rate = rate, day = day, open = open }

--- A bucket fills, whoever holds room of it: of what is left to fill each worker has its share.
--- @return whether the room was enough
local function spend(one, now, ms)
  if one.room > part(WINDOW) then return false end
  local rest = min(one.room, (one.said - now) / max(#workers, 1))
  if ms > rest then return false end
  one.room = rest - ms
  return true
end

--- @return ms too many: then nothing is taken
local function ask(bound, one, now, ms)
  alive(now)
  local more = more_of(one, now, one.said - now + ms, WINDOW)
  one.said, one.room = raise(bound, now, ms + more, one.room), more
  if one.said - now <= WINDOW + 0.001 then return 0 end
  one.said, one.room = dict:incr(bound.near, -more) or now, 0
  local over = one.said - now - WINDOW
  if over <= 0.001 then return 0 end
  one.said = dict:incr(bound.near, -ms) or now
  return over
end

function rate.take(bound, cost, now)
  local one, limit, wait = known(bound.near), bound.share, 0
  local ms = cost * WINDOW / limit
  if not spend(one, now, ms) then wait = ask(bound, one, now, ms) end
  one.spent = one.spent + ms
  local back = one.said - now - one.room
  return limit - back * limit / WINDOW, back, wait
end

function rate.add(bound, more, now)
  local one, ms = known(bound.near), more * WINDOW / bound.share
  if ms <= 0 then
    one.room = one.room - ms
  elseif not spend(one, now, ms) then
    one.said, one.room = raise(bound, now, ms, one.room), 0
  end
end

--- The same name for all requests of a day.
local function key_of(bound, date)
  if bound.date ~= date then bound.date, bound.dated = date, plans.near(bound.key .. date) end
  return bound.dated
end

--- Room and more become the day's.
local function count(key, one, more)
  one.said = dict:incr(key, more - one.room, 0, DAYS) or 0
  one.room = 0
end

function day.take(bound, cost, now, date)
  local key, limit = key_of(bound, date), bound.share
  local one = known(key)
  if cost <= one.room then
    one.room = one.room - cost
  else
    alive(now)
    local more = floor(more_of(one, now, one.said + cost, limit))
    count(key, one, cost + more)
    one.room = more
    if one.said > limit then count(key, one, 0) end
    if one.said > limit then
      count(key, one, -cost)
      return limit - one.said, -1, -1
    end
  end
  one.spent = one.spent + cost
  return limit - one.said + one.room, -1, 0
end

function day.add(bound, more, _, date)
  local key = key_of(bound, date)
  local one = known(key)
  if more <= one.room then one.room = one.room - more else count(key, one, more) end
end

--- Others count what is shown, which is never less than what is open.
local function show(one, count)
  one.shown = count
  dict:set(one.name, count, SHOWN)
end

local function own(key)
  local one = mine[key]
  if not one then
    one = { name = me .. "open" .. key, count = 0, shown = 0 }
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

--- @return what others show, beside whom the worker may show so many; nil when it may not
local function shows(one, key, now, count, limit)
  show(one, count)
  local others = elsewhere(key, now)
  return count + others <= limit and others or nil
end

function open.take(bound, _, now)
  local one, limit = own(bound.near), bound.share
  local count = one.count + 1
  if count > one.shown then
    local before, more = one.shown, floor(part(limit))
    local others = shows(one, bound.near, now, count + more, limit) or more > 0 and shows(one, bound.near, now, count, limit)
    if not others then
      show(one, before)
      return 0, -1, -1
    end
    one.others = others
  end
  one.count = count
  return limit - count - one.others, -1, 0
end

function open.add(bound)
  local one = own(bound.near)
  one.count = one.count - 1
  local more = floor(part(bound.share))
  if one.shown > one.count + 2 * more then show(one, one.count + more) end
end

--- @param plan of core.limit_plan; @param costs for each of its bounds; @param date 'YYYY-MM-DD'
--- @param now ms of a clock that never jumps
--- @return whether all was taken (else nothing is), and what core.limit_scripts tells of each bound: plan.out
function M.take(plan, costs, now, date)
  local out = plan.out
  if code.of(plan, kinds).take(plan, costs, now, date) then return true, out end
  for i = 1, #plan do
    if out.wait[i] == 0 then kinds[plan[i].kind].add(plan[i], -costs[i], now, date) end
  end
  return false, out
end

--- @param more for each bound the difference to what was taken; open requests are ended
function M.settle(plan, more, now, date)
  code.of(plan, kinds).settle(plan, more, now, date)
end

--- What nobody came for.
local function give_back()
  local all = held
  held = {}
  for key, one in pairs(all) do
    if one.room ~= 0 then dict:incr(key, -one.room) end
  end
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
      show(one, one.count)
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
