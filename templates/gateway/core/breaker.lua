-- A circuit breaker by name, for all workers. Closed: answers and failures are counted in slices of a window, and when
-- enough were asked and too many failed it opens. Open: nobody is let through, for a time that doubles with each probe
-- that fails. After that it is half-open: one request at a time goes through as a probe, and its end decides.
--
-- In the dictionary (`dict`: ngx.shared's get, set, add, incr, delete), times in ms of a clock all workers share:
--   a NAME SLICE, b NAME SLICE   all and bad that were counted; NAME is 8 bytes, for names are hashed byte by byte
--   open NAME      until when nobody is let through; there until a probe closes it
--   level NAME     probes that failed in a row
--   probe NAME     who probes; with a lease, so that a worker that dies takes no probe along
--   epoch          grows with every change, so that workers need not look at what did not change
local floor, min = math.floor, math.min

local SLICES = 10
local LEASE = 3 -- s; who probes renews it more often

local M = {}

--- @param options see BreakerOptions in src/gateway/breaker.ts
function M.new(dict, name, options)
  local short = ngx.md5_bin(name):sub(1, 8)
  return {
    dict = dict,
    name = name,
    short = short,
    options = options,
    slice = options.windowS * 1000 / SLICES,
    open_key = "open " .. short,
    level_key = "level " .. short,
    probe_key = "probe " .. short,
  }
end

local function changed(breaker)
  breaker.dict:incr("epoch", 1, 0)
end

local function all_key(breaker, at)
  return "a" .. breaker.short .. at
end

local function bad_key(breaker, at)
  return "b" .. breaker.short .. at
end

--- Names of this slice are the same for many requests: made once.
local function slice(breaker, now)
  local at = floor(now / breaker.slice)
  if at ~= breaker.at then
    breaker.at = at
    breaker.all_key, breaker.bad_key = all_key(breaker, at), bad_key(breaker, at)
  end
  return at
end

local function count(breaker, key)
  breaker.dict:incr(key, 1, 0, breaker.options.windowS + 1)
end

--- Requests and failures of the window up to now.
local function counts(breaker, now)
  local last, all, bad = slice(breaker, now), 0, 0
  for at = last - SLICES + 1, last do
    all = all + (breaker.dict:get(all_key(breaker, at)) or 0)
    bad = bad + (breaker.dict:get(bad_key(breaker, at)) or 0)
  end
  return all, bad
end

local function forget(breaker, now)
  local last = slice(breaker, now)
  for at = last - SLICES + 1, last do
    breaker.dict:delete(all_key(breaker, at))
    breaker.dict:delete(bad_key(breaker, at))
  end
end

local function open_ms(options, level)
  return 1000 * min(options.longestS, options.openS * 2 ^ level)
end

--- @return until when it is open, or nil when it is closed
function M.open_until(breaker)
  return breaker.dict:get(breaker.open_key)
end

--- @param holder a word for whoever probes
--- @return whether this one probes
function M.take(breaker, holder)
  return (breaker.dict:add(breaker.probe_key, holder, LEASE))
end

--- A probe that is still under way.
function M.renew(breaker, holder)
  if breaker.dict:get(breaker.probe_key) == holder then breaker.dict:set(breaker.probe_key, holder, LEASE) end
end

--- The probe ended without a verdict: its caller left.
function M.release(breaker, holder)
  if breaker.dict:get(breaker.probe_key) == holder then breaker.dict:delete(breaker.probe_key) end
end

--- A request that was let through while it was closed went well.
function M.good(breaker, now)
  slice(breaker, now)
  count(breaker, breaker.all_key)
end

--- A request that was let through while it was closed failed.
--- @return true when that has opened it
function M.bad(breaker, now)
  local options = breaker.options
  if M.open_until(breaker) then return false end
  slice(breaker, now)
  count(breaker, breaker.all_key)
  count(breaker, breaker.bad_key)
  local all, bad = counts(breaker, now)
  if all < options.minimum or bad < options.rate * all then return false end
  if not breaker.dict:add(breaker.open_key, now + open_ms(options, 0)) then return false end
  breaker.dict:set(breaker.level_key, 0)
  changed(breaker)
  return true
end

--- The probe went well: closed, and what was counted before is over.
function M.recovered(breaker, now, holder)
  if breaker.dict:get(breaker.probe_key) ~= holder then return false end
  forget(breaker, now)
  breaker.dict:delete(breaker.open_key)
  breaker.dict:delete(breaker.level_key)
  breaker.dict:delete(breaker.probe_key)
  changed(breaker)
  return true
end

--- The probe failed: open again, for longer.
function M.relapsed(breaker, now, holder)
  if breaker.dict:get(breaker.probe_key) ~= holder then return false end
  local level = breaker.dict:incr(breaker.level_key, 1, 0)
  breaker.dict:set(breaker.open_key, now + open_ms(breaker.options, level))
  breaker.dict:delete(breaker.probe_key)
  changed(breaker)
  return true
end

--- @return 'closed', 'open' or 'half-open'
function M.state(breaker, now)
  local till = M.open_until(breaker)
  return not till and "closed" or now < till and "open" or "half-open"
end

return M
