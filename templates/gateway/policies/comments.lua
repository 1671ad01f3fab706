-- Which streams get comments while they are silent: those of engines that have opened an answer of events.
local comments = require "core.comments"

local function compile(settings)
  local seconds = settings.keepAliveS
  if seconds ~= nil and (type(seconds) ~= "number" or seconds < 1) then error("keepAliveS is no number, 1 at the least", 0) end
  settings.keep_alive = seconds
end

local function is_stream()
  local kind = ngx.header["Content-Type"]
  return ngx.status == 200 and type(kind) == "string" and kind:sub(1, 17) == "text/event-stream" and not ngx.header["Content-Length"]
end

local function chunk(req, data, last)
  if not req.stream then return end
  if req.comments == nil then
    if not req.now.keep_alive or not is_stream() then
      req.comments = false
      return
    end
    comments.open(req)
  end
  if not req.comments then return end
  if #data > 0 then comments.said(req, data) end
  -- broken.lua may have ended it in this very piece.
  if last or ngx.arg[2] then req.comments.over = true end
end

return { compile = compile, chunk = chunk, engine = true }
