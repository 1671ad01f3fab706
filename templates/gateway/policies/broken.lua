-- A stream that its engine breaks off ends with an error event instead of a dead connection. nginx shows the break as
-- an empty piece that is not the last, after the engine's answer was over (before that, the last try's response time is "-").
local event = require("core.outcome").broken_event

local M = { engine = true }

--- Whether the engine's answer is not over yet: of several tries' times ("0.001, -") the last counts.
function M.under_way()
  local times = ngx.var.upstream_response_time
  return times ~= nil and times:sub(-1) == "-"
end

function M.chunk(req, data, last)
  if #data > 0 or last or not req.stream or ngx.status ~= 200 then return end
  if M.under_way() then return end
  ngx.arg[2] = true
  return event
end

return M
