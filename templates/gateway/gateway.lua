-- The entry of each of nginx's phases. What a request goes through is listed in core/pipeline.lua.
require "core.compiler"
require "resty.core"
local audit = require "core.audit"
local admin = require "endpoints.admin"
local balancer = require "core.balancer"
local breakers = require "core.breakers"
local closing = require "core.closing"
local collector = require "core.collector"
local grpc = require "core.grpc"
local comments = require "core.comments"
local home = require "core.home"
local heard = require("policies.audit").heard
local id = require "policies.id"
local limit_local = require "core.limit_local"
local limit_redis = require "core.limit_redis"
local openapi = require "endpoints.openapi"
local metrics = require "core.metrics"
local names = require "core.names"
local outcome = require "core.outcome"
local peers = require "core.peers"
local reply = require "core.reply"
local request = require "core.request"
local routes = require "core.routes"
local settings = require "core.settings"
local token_keys = require "core.token_keys"

local endpoints = {
  models = require "endpoints.models",
  health = require "endpoints.health",
  token = require "endpoints.oauth",
  openapi = openapi.serve,
}

local M = { admin = admin.serve, metrics = admin.metrics }

--- In the master. `options.user`: whom the workers run as, when the master is root; `options.connections`: of a worker;
--- `options.cloud`: whether nginx.conf has a way to a cloud.
function M.init(options)
  home.open(ngx.config.prefix(), options.user, options.cloud)
  openapi.load()
  token_keys.load()
  settings.load()
  audit.init(options.connections)
end

--- In each worker.
function M.work()
  collector.work()
  settings.work()
  closing.work()
  names.work(settings)
  peers.work()
  breakers.work()
  metrics.work()
  audit.work(function() return settings.current().audit_options end)
  comments.work()
  limit_local.work()
  limit_redis.work()
end

--- A worker ends.
M.stop = audit.stop

--- One revision of the settings holds for a request's whole life.
local function open(route, engine)
  local req = request.open(route, engine)
  req.now = settings.current()
  if closing.now then ngx.header["Connection"] = "close" end
  return req
end

--- A refusal ends the request inside reply.refuse.
local function admit(req, access)
  local refusal = access(req, req.now)
  if refusal then return reply.refuse(req, refusal) end
end

--- A route that an engine answers.
function M.access(route)
  local req = open(route, true)
  admit(req, req.now.access)
  ngx.var.gateway_authorization = home.engine_authorization
  if req.version.protocol == "grpc" then return grpc.send(req) end
end

function M.balance()
  return balancer.pick(request.current())
end

--- A route that the gateway answers from what it knows.
function M.serve(route)
  local req = open(route, false)
  if not routes[route].open then admit(req, req.now.access_own) end
  return endpoints[route](req, req.now)
end

--- The head of an answer whose body may have another size than the engine's.
function M.resized()
  local req = request.current()
  if req and req.route == "generate" and ngx.status == 200 then ngx.header.content_length = nil end
end

--- Each piece of an engine's answer on its way to the caller.
function M.chunk()
  local req = request.current()
  if not req or req.refusal or comments.due(req) then return end
  if not req.ours and req.attempts > 0 then
    local other = req.now.chunk(req, ngx.arg[1], ngx.arg[2])
    if other then ngx.arg[1] = other end
  end
  if req.now.audit_content then heard(req, ngx.arg[1]) end
end

--- nginx itself refused, or no engine answered: the same error shape.
--- @param status what it was for, where nginx no longer says so
function M.refused(status)
  status = status or ngx.status
  local req = request.current() or open("none", false)
  if not req.id then id.access(req) end
  -- 505 is nginx's too, and of a request that got no further.
  if status >= 502 and req.version then
    if grpc.again(req, status) then return grpc.stream() end
    if req.now.rescue(req, req.now) then return end
  end
  return reply.refuse(req, outcome.refusal(req, status))
end

--- What a cloud's API said is nobody's answer: its own key is wrong, it is full, it is broken.
function M.cloud_failed()
  local req = request.current()
  ngx.log(ngx.WARN, "the cloud answered ", ngx.status, " to ", req.id)
  ngx.header["WWW-Authenticate"] = nil
  req.engine_failed = true
  return reply.refuse(req, outcome.no_cloud)
end

--- The location that asks an engine over gRPC, phase by phase: see core.grpc.
M.grpc_rewrite = grpc.adopt

function M.grpc_head()
  local req = request.current()
  if req then return grpc.head(req) end
end

function M.grpc_chunk()
  local req = request.current()
  if not req then return end
  if ngx.is_subrequest then return grpc.collect(req) end
  if comments.due(req) then return end
  ngx.arg[1] = grpc.turn(req, ngx.arg[1], ngx.arg[2])
  M.chunk()
end

--- An answer that is not streamed.
function M.grpc_whole()
  local req = request.current()
  local status = grpc.whole(req)
  if status then return M.refused(status) end
end

function M.log()
  local req = request.close()
  if not req or req.route == "health" then return end
  req.outcome = outcome.of(req)
  req.now.done(req, req.now)
  request.recycle(req)
end

return M
