-- The state of a request, kept by the address of nginx's own request: unlike ngx.ctx it survives the redirect to an
-- error page.
local ffi = require "ffi"
local base = require "resty.core.base"
local new = require "table.new"
local clock = require("core.sys").clock

-- Every field, by the policy that owns it.
local fields = {
  "id", "route", "engine", "started", "pointer", "now", -- from the start: ms; nginx's own request; settings
  "key", "tenant", -- policies.key
  "doc", "fields", "stream", "given", "body_bytes", -- policies.body: core.json; its values; the document as the caller wrote it
  "model", -- policies.model: the compiled model
  "version", -- policies.version
  "peer", "holding", "attempts", "tried", -- core.balancer: the peer asked last; whether we count on its load
  "first", "bytes", "whole", "finished", "prompt_tokens", "completion_tokens", -- policies.usage
  "unserved", "degraded", "version_probe", -- core.degrade: why no version may be asked; what was done instead
  "sent", "waits", "peer_probe", "peer_told", "version_told", -- core.breakers; waits: until the first byte
  "broke", "engine_failed", -- policies.breaker
  "cache", "cached", "ours", -- policies.cache: its verdict; what it holds for it; we answer, not an engine
  "taken", "unasked", -- policies.limits, policies.unasked: what limits hold; an event not whole yet
  "slot", "body", "heard", -- core.in_hand, policies.body, policies.audit: where it is listed; contents
  "cloud", "asked_before", -- policies.cloud: it has been asked; tries before that
  "grpc", "part", -- core.grpc: its codec's state; the address of the subrequest that asks
  "generated", -- policies.generate
  "comments", -- core.comments: what a stream sent last; false for what is none
  "refusal", "outcome", -- core.reply, core.outcome
}

local get_request = base.get_request
local uintptr = ffi.typeof "uintptr_t"
local live = {}
-- Those that are over, empty: a third of what a request left to the collector was its own table.
local spare, spares = {}, 0
local SPARES = 1024

local lines = {}
for i, name in ipairs(fields) do lines[i] = "req." .. name .. " = nil" end
--- Field by field: their places in the table stay, and to find them costs a request nothing. table.clear would forget
--- them, and each field be put in its place anew (1 us).
local empty = assert(loadstring("return function(req) " .. table.concat(lines, " ") .. " end", "=empty"))()

--- With a place for each field, the same in all.
local function made()
  local req = new(0, 2 * #fields)
  for i = 1, #fields do req[fields[i]] = false end
  empty(req)
  return req
end

local M = {}

local function address(pointer)
  return tonumber(ffi.cast(uintptr, pointer))
end

function M.open(route, engine)
  local req
  if spares > 0 then
    req, spares = spare[spares], spares - 1
  else
    req = made()
  end
  req.route, req.engine, req.started = route, engine, tonumber(clock.ngx_current_msec)
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
  empty(req)
  -- A field that has no place here goes to nobody else.
  if next(req) ~= nil then return end
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
