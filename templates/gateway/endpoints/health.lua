-- GET /health: this process answers. No more is told to the world.
local reply = require "core.reply"

return function()
  return reply.json(200, '{"status":"ok"}')
end
