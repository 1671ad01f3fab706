-- How long LuaJIT's collector rests between two cycles. A cycle marks all that lives (2 MB, 0.4 ms) and then sweeps what
-- has come since, so that its burst grows with its rest: at 400 % requests of one KiB waited 3 ms longer at the p99, at
-- half load. But bodies of 32 KiB make the default of 200 % a cycle every 60 requests: a tenth of their CPU time.
local LARGE = 8 * 1024 -- bytes of a body, on average
local LOOK = 1 -- s

local M = {}
local bytes, bodies = 0, 0

function M.saw(size)
  bytes, bodies = bytes + size, bodies + 1
end

local function look()
  collectgarbage("setpause", bodies > 0 and bytes / bodies > LARGE and 400 or 200)
  bytes, bodies = 0, 0
end

--- In each worker. A cycle's work is spread over three times as many allocations as by default.
function M.work()
  collectgarbage("setstepmul", 60)
  assert(ngx.timer.every(LOOK, look))
end

return M
