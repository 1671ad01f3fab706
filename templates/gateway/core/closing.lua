-- A reload is coming (src/gateway/tls.ts says so in a file): answers tell callers to open another connection next time.
-- nginx before 1.27.4 closes the connections that callers keep when a worker ends, and what is on its way along one is
-- lost. Who comes by kept connections all the time has none of them any more when the reload comes.
local home = require "core.home"

local TICK = 0.2 -- s
local LONGEST = 10 -- s: what nobody took back is over by itself

local M = { now = false }

local before -- what stood there when this worker began: the reload was its own

local function look(premature)
  if premature then return end
  local text = home.read "closing"
  local till = text ~= before and tonumber(text) or nil
  M.now = till ~= nil and till > ngx.time() and till <= ngx.time() + LONGEST
end

function M.work()
  if ngx.config.nginx_version >= 1027004 then return end
  before = home.read "closing"
  assert(ngx.timer.every(TICK, look))
end

return M
