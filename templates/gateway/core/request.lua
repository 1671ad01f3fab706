-- The state of a request, kept by the address of nginx's own request: unlike ngx.ctx it survives the redirect to an
-- error page. Fields are set by the policy that owns them:
--   id route engine started pointer   from the start (ms, sys.msec; nginx's own request)
--   key tenant                policies.key
--   doc fields stream given   policies.body (core.json; its fields' values; the document as the caller wrote it)
--   model                     policies.model (the compiled model)
--   version                   policies.version
--   peer holding attempts tried   core.balancer (the peer asked last; whether we count on its load)
--   first bytes whole prompt_tokens completion_tokens   policies.usage
--   unserved degraded version_probe   core.degrade (why no version may be asked; what was done instead)
--   sent waits peer_probe peer_told version_told   core.breakers (waits: until the first byte)
--   broke engine_failed       policies.breaker
--   cache cached ours         policies.cache (its verdict; what it holds for the request; we answer, not an engine)
--   taken unasked             policies.limits, policies.unasked (what limits hold for it; an event that is not whole yet)
--   slot body heard           core.in_hand, policies.body, policies.audit (where it is listed; what was asked and answered)
--   cloud asked_before        policies.cloud, policies.across (the cloud has been asked; tries before the way it goes now)
--   grpc part                 core.grpc (its codec's state; the address of the subrequest that asks the engine)
--   comments                  core.comments (what a stream sent last; false for what is none)
--   refusal                   core.reply
local ffi = require "ffi"
local base = require "resty.core.base"
local clear = require "table.clear"
local new = require "table.new"
local sys = require "core.sys"

local get_request = base.get_request
local uintptr = ffi.typeof "uintptr_t"
local live = {}
-- Those that are over, emptied: a third of what a request left to the collector was its own table.
local spare, spares = {}, 0
local SPARES = 1024

local M = {}

local function address(pointer)
  return tonumber(ffi.cast(uintptr, pointer))
end

function M.open(route, engine)
  local req
  if spares > 0 then
    req, spares = spare[spares], spares - 1
  else
    -- Room for all fields: an ordinary request has 35 of them, and a table that grows is made twice.
    req = new(0, 64)
  end
  req.route, req.engine, req.started = route, engine, sys.msec()
  req.attempts, req.asked_before, req.bytes = 0, 0, 0
  req.pointer = get_request()
  live[address(req.pointer)] = req
  return req
end

--- Those in hand, by address.
function M.all()
  return live
end

--- nil for a request that nginx itself refused before our first phase.
function M.current()
  return live[address(get_request())]
end

--- The subrequest in hand is a part of it, until it is closed.
function M.lend(req)
  -- Of a try before: it is over, and its address is its own no longer.
  if req.part then live[req.part] = nil end
  req.part = address(get_request())
  live[req.part] = req
end

--- Nobody holds it any more: nginx ends what still ran for a request before it lets us log it.
function M.recycle(req)
  if spares == SPARES then return end
  clear(req)
  spares = spares + 1
  spare[spares] = req
end

function M.close()
  local key = address(get_request())
  local req = live[key]
  live[key] = nil
  if req and req.part then live[req.part] = nil end
  return req
end

return M
