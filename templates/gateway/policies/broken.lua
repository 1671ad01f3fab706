-- A stream that its engine breaks off ends with an error event instead of a dead connection. nginx shows the break as
-- an empty piece that is not the last, after the engine's answer was over (before that, the response time is "-").
local reply = require "core.reply"

local event = "data: " .. reply.error_body(reply.refusal(502, "stream_broken", "The engine broke the stream off.")) .. "\n\n"

local function chunk(req, data, last)
  if #data > 0 or last or not req.stream or ngx.status ~= 200 then return end
  if ngx.var.upstream_response_time == "-" then return end
  ngx.arg[2] = true
  return event
end

return { chunk = chunk, engine = true }
