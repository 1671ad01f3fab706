-- Gives the peer's load back when the request is over.
local peers = require "core.peers"

local function done(req)
  if req.holding then peers.leave(req, not req.first and ngx.status >= 500) end
end

return { done = done, engine = true }
