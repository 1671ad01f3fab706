-- The one method a route allows; RFC 9110 wants Allow in the refusal.
local reply = require "core.reply"
local routes = require "core.routes"

local function access(req)
  local allowed = routes[req.route].methods
  if ngx.req.get_method() ~= allowed then
    return reply.refusal(405, "method_not_allowed", "Only " .. allowed .. " is allowed here.", nil, { Allow = allowed })
  end
end

return { access = access }
