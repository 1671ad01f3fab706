-- GET /health: this process answers. No more is told to the world.
local method = require "policies.method"
local reply = require "core.reply"

return function(req)
  local refusal = method.access(req)
  if refusal then return reply.refuse(req, refusal) end
  return reply.json(200, '{"status":"ok"}')
end
