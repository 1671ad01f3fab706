-- Which peer a try goes to: least load of two, never one that was tried, at most three tries, and none after a byte of
-- the answer was sent (nginx's own rule). proxy_next_upstream_timeout keeps slow failures from being tried again.
local balancer = require "ngx.balancer"
local peers = require "core.peers"

local TRIES = 3

local M = {}

function M.pick(req)
  local before = req.peer
  if before then
    local _, status = balancer.get_last_failure()
    peers.leave(before, status or 502)
    req.peer = nil
  end
  -- nginx adds a try of its own for a kept connection that was reset: count here.
  if req.attempts >= TRIES then return ngx.exit(ngx.ERROR) end
  local peer = peers.choose(req.version, req.tried)
  -- A lone peer may be asked again only when nginx does so for a kept connection that had gone stale.
  if not peer and before and #req.version.peers == 1 then peer = before end
  if not peer then return ngx.exit(ngx.ERROR) end
  req.attempts = req.attempts + 1
  req.peer = peer
  req.tried = req.tried or {}
  req.tried[peer] = true
  peers.enter(peer)
  if req.attempts == 1 then
    local more = math.min(TRIES - 1, #req.version.peers - 1)
    if more > 0 then balancer.set_more_tries(more) end
  end
  local ok, err = balancer.set_current_peer(peer.host, peer.port)
  if not ok then
    ngx.log(ngx.ERR, "peer ", peer.address, ": ", err)
    return ngx.exit(ngx.ERROR)
  end
end

return M
