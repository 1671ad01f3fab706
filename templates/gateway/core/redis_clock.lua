-- How long an exchange with Redis may still take. nginx takes the time once for all events of a turn, and counts timers
-- from there; a turn may be long when many callers come at once. So the end is set by the real time, and what is left is
-- told by nginx's: its timer then runs out at the true end. And nginx tells events before timers, so a step that succeeds
-- past the end was kept waiting by this worker, busy with others, and not by Redis: then, once, the budget is given anew.
local ffi = require "ffi"
local sys = require "core.sys"

ffi.cdef [[
struct gateway_timespec { long sec; long nsec; };
int gateway_clock(int id, struct gateway_timespec *out) __asm__("clock_gettime");
]]

local C = ffi.C
local msec = sys.msec
local MONOTONIC = 1 -- as nginx's own
local FAR = 60000 -- ms: then nginx was built with another clock
local out = ffi.new "struct gateway_timespec"

local M = {}

local function real()
  C.gateway_clock(MONOTONIC, out)
  local now, turn = tonumber(out.sec) * 1000 + tonumber(out.nsec) / 1e6, msec()
  return math.abs(now - turn) < FAR and now or turn
end

--- @param budget in ms
function M.start(budget)
  return { till = real() + budget, spare = budget }
end

--- @return whole ms, counted as nginx counts, or nil when the time is over
function M.left(clock)
  local left = clock.till - msec()
  if left >= 1 then return left - left % 1 end
  local spare = clock.spare
  if not spare then return nil end
  clock.till, clock.spare = real() + spare, nil
  return M.left(clock)
end

return M
