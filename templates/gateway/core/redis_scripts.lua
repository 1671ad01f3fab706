-- Scripts that run inside Redis, for counters that are true over all instances. All keys of one call must share a hash
-- tag, e.g. {tenant}, so that they also work in a cluster.
local crypto = require "core.crypto"

--- KEYS: counters; ARGV: for each of them the amount to add, the cap, and the seconds a new counter lives.
--- All are raised or none: { 1 } or { 0, the first counter that is full, what it holds, ms until it starts anew },
--- followed in the first case by what each holds now.
local take = [[
for i = 1, #KEYS do
  local held = tonumber(redis.call('GET', KEYS[i]) or 0)
  if held + tonumber(ARGV[3 * i - 2]) > tonumber(ARGV[3 * i - 1]) then
    return { 0, i, held, redis.call('PTTL', KEYS[i]) }
  end
end
local out = { 1 }
for i = 1, #KEYS do
  out[i + 1] = redis.call('INCRBY', KEYS[i], ARGV[3 * i - 2])
  if redis.call('PTTL', KEYS[i]) < 0 then redis.call('EXPIRE', KEYS[i], ARGV[3 * i]) end
end
return out
]]

--- KEYS[1]: a counter; ARGV: the amount (may be negative) and the seconds a new counter lives. What it holds now.
local add = [[
local held = redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return held
]]

local function script(source)
  return { source = source, sha = crypto.hex(ngx.sha1_bin(source)) }
end

return { take = script(take), add = script(add), script = script }
