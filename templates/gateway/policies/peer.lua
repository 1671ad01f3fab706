-- Gives the peer's load back when the request is over.
local peers = require "core.peers"

local function done(req)
  if not req.holding then return end
  local failed = not req.first and ngx.status >= 500 and ngx.status
  peers.leave(req.peer, failed or nil)
end

return { done = done, engine = true }
