-- What core.limit_local does in one instance's memory, inside Redis and so over all instances. The keys of one call share
-- a hash tag. A rate is a bucket that holds a minute's worth and is filled evenly (GCRA): its key holds the time, in ms
-- of Redis' clock, at which the bucket is full again.
--   https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm (virtual scheduling)
-- `open` is a sorted set of leases: a member for each request, scored by when it lapses unless it is renewed.
local scripts = require "core.redis_scripts"

local head = [[
local WINDOW = 60000
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000 + t[2] / 1000
end
local member, lease = ARGV[2], tonumber(ARGV[3])
local function number(key) return tonumber(redis.call('GET', key) or '') end
local function full_at(key) return math.max(number(key) or now, now) end
local function put(key, at)
  if at <= now then return redis.call('DEL', key) end
  redis.call('SET', key, string.format('%.4f', at), 'PX', math.ceil(at - now) + 1000)
end
]]

--- ARGV: now (empty: Redis' own clock), member, lease in ms, and for each key its kind, limit and cost.
--- Everything is taken or nothing. { taken 0 | 1, for each key: what is left, ms until all of it is there again (-1: not
--- known here), ms until the cost fits (0: it does; -1: not known here) }
local take = head .. [[
local out, new, fits = { 1 }, {}, true
for i = 1, #KEYS do
  local key, kind, limit, cost = KEYS[i], ARGV[3 * i + 1], tonumber(ARGV[3 * i + 2]), tonumber(ARGV[3 * i + 3])
  local left, back, wait = 0, -1, 0
  if kind == 'rate' then
    local before = full_at(key)
    local after = before + cost * WINDOW / limit
    if after - now > WINDOW + 0.001 then wait = after - now - WINDOW end
    new[i] = { kind, key, after }
    back = (wait > 0 and before or after) - now
    left = limit - back * limit / WINDOW
  elseif kind == 'day' then
    local held = number(key) or 0
    if held + cost > limit then wait = -1 end
    new[i] = { kind, key, cost }
    left = limit - held - (wait == 0 and cost or 0)
  else
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    local held = redis.call('ZCARD', key)
    if held >= limit then wait = -1 end
    new[i] = { kind, key }
    left = limit - held - (wait == 0 and 1 or 0)
  end
  if wait ~= 0 then fits = false end
  out[3 * i - 1], out[3 * i], out[3 * i + 1] = math.max(0, math.floor(left + 0.001)), math.ceil(back), math.ceil(wait)
end
if not fits then
  out[1] = 0
  return out
end
for _, one in ipairs(new) do
  local kind, key, value = one[1], one[2], one[3]
  if kind == 'rate' then
    put(key, value)
  elseif kind == 'day' then
    redis.call('INCRBY', key, value)
    redis.call('EXPIRE', key, 172800)
  else
    redis.call('ZADD', key, now + lease, member)
    redis.call('PEXPIRE', key, lease + 1000)
  end
end
return out
]]

--- ARGV as above, with the difference to what was taken in place of the cost. Ends the leases.
local settle = head .. [[
for i = 1, #KEYS do
  local key, kind, limit, more = KEYS[i], ARGV[3 * i + 1], tonumber(ARGV[3 * i + 2]), tonumber(ARGV[3 * i + 3])
  if kind == 'open' then
    redis.call('ZREM', key, member)
  elseif more ~= 0 and kind == 'rate' then
    put(key, full_at(key) + more * WINDOW / limit)
  elseif more ~= 0 then
    redis.call('INCRBY', key, more)
    redis.call('EXPIRE', key, 172800)
  end
end
return 1
]]

--- ARGV: now, a member, lease. A lease that had lapsed (we were away for long) is taken up again.
local renew = head .. [[
for i = 1, #KEYS do
  redis.call('ZADD', KEYS[i], now + lease, member)
  redis.call('PEXPIRE', KEYS[i], lease + 1000)
end
return 1
]]

return { take = scripts.script(take), settle = scripts.script(settle), renew = scripts.script(renew) }
