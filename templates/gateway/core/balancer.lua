-- Which peer a try goes to: least load of two, never one that was tried, at most three tries, and none after a byte of
-- the answer was sent (nginx's own rule). When none of the version is left, another version's, where that is allowed. proxy_next_upstream_timeout keeps slow failures from being tried again.
local balancer = require "ngx.balancer"
local breakers = require "core.breakers"
local degrade = require "core.degrade"
local peers = require "core.peers"

-- Ends the request with 502 on every build; ngx.exit(504) or ngx.ERROR would make it 500 on a plain nginx.
local NO_MORE = -3

local M = { TRIES = 3 }

--- The peer that was asked before gave no answer: its load goes back.
function M.give_back(req)
  peers.leave(req, true)
  if req.now.breaker then breakers.failed(req) end
end

local function next_peer(req)
  local here = req.attempts - req.asked_before
  -- nginx adds a try of its own for a kept connection that was reset: count here. The cloud's tries are not the engines'.
  if (req.cloud and here or req.attempts) >= M.TRIES then return nil end
  local guarded = req.now.breaker and req
  local peer = peers.choose(req.version, req.tried, guarded)
  if peer then return peer end
  if req.attempts > 0 and degrade.move(req, false) then return peers.choose(req.version, req.tried, guarded) end
  -- A lone peer is asked again, once: its kept connection may have gone stale.
  return #req.version.peers == 1 and here == 1 and req.peer or nil
end

function M.pick(req)
  if req.holding then M.give_back(req) end
  local peer = next_peer(req)
  if not peer then return ngx.exit(NO_MORE) end
  if req.attempts == req.asked_before then
    local more = req.version.tries - 1
    -- A try more than there are peers ends here, and not with the 502 of the last of them: somebody else may answer.
    if (req.now.last_resort or req.version.across) and not req.cloud then more = math.max(2, more + 1) end
    if more > 0 then
      req.tried = req.tried or {}
      balancer.set_more_tries(more)
    end
  end
  if req.tried then req.tried[peer] = true end
  req.attempts = req.attempts + 1
  req.peer = peer
  req.holding = true
  peers.enter(peer)
  if req.now.breaker then breakers.sent(req) end
  local ok, err = balancer.set_current_peer(peer.host, peer.port)
  if not ok then
    ngx.log(ngx.ERR, "peer ", peer.address, ": ", err)
    return ngx.exit(NO_MORE)
  end
end

return M
