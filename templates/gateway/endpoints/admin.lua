-- The admin port, on its own listener with its own key: settings are put and read back here, state and metrics are told.
local breakers = require "core.breakers"
local cjson = require "cjson.safe"
local crypto = require "core.crypto"
local home = require "core.home"
local json = require "core.json"
local metrics = require "core.metrics"
local names = require "core.names"
local peers = require "core.peers"
local redis = require "core.redis"
local reply = require "core.reply"
local settings = require "core.settings"
local token_keys = require "core.token_keys"

local status = { stale = 409, busy = 409, invalid = 400, full = 507 }

local function get_settings()
  return reply.json(200, settings.text())
end

local function put_settings()
  ngx.req.read_body()
  local text = ngx.req.get_body_data()
  if not text then return reply.refuse(nil, reply.refusal(400, "empty_body", "No settings were sent.")) end
  local ok, code, reason = settings.offer(text)
  if not ok then return reply.refuse(nil, reply.refusal(status[code], code, reason)) end
  return reply.json(200, cjson.encode { revision = settings.current().revision })
end

--- Nothing where there are no breakers.
local function breaker_state(one)
  if not one then return nil end
  local state, seconds = breakers.view(one)
  return { state = state, retryAfterS = seconds }
end

local function version_state(now, version, loads)
  local list = {}
  for i, peer in ipairs(version.peers) do
    local record = peers.at(peer.host, peer.port)
    local one = breaker_state(now.breaker and now.peer_breakers[record])
    local load = loads[record.address] or 0
    list[i] = cjson.encode { address = record.address, load = load, drain = peer.drain or false, name = peer.name, breaker = one }
  end
  local head = cjson.encode { name = version.name, weight = version.weight, breaker = breaker_state(version.breaker) }
  return head:sub(1, -2) .. ',"peers":' .. json.list(list) .. "}"
end

--- Asked now, as any request would; nothing where the settings name none.
local function redis_state(now)
  local client = redis.of(now.redis, home.secrets.redisPassword)
  if not client then return nil end
  local reply, why = client:get "limit:state"
  return { answers = reply ~= nil, why = why }
end

local function name_state()
  local list = {}
  for i, one in ipairs(names.state()) do
    local text = cjson.encode { name = one.name, ageS = one.ageS, error = one.error }
    for j, address in ipairs(one.addresses) do one.addresses[j] = cjson.encode(address) end
    list[i] = text:sub(1, -2) .. ',"addresses":' .. json.list(one.addresses) .. "}"
  end
  return json.list(list)
end

--- What is in force: revision, weights, and how many requests each peer has in hand over all workers.
local function get_state()
  local now, loads = settings.current(), peers.loads()
  local models = {}
  for i, model in ipairs(now.models) do
    local versions = {}
    for j, version in ipairs(model.versions) do versions[j] = version_state(now, version, loads) end
    models[i] = '{"id":' .. cjson.encode(model.id) .. ',"versions":' .. json.list(versions) .. "}"
  end
  local head = cjson.encode { revision = now.revision, made = home.made, redis = redis_state(now) }
  return reply.json(200, head:sub(1, -2) .. ',"models":' .. json.list(models) .. ',"names":' .. name_state() .. "}")
end

--- Kids and version: no secret is ever read back.
local function get_token_keys()
  local now = token_keys.now()
  return reply.json(200, '{"version":' .. now.version .. ',"kids":' .. (#now.kids > 0 and cjson.encode(now.kids) or "[]") .. "}")
end

local function put_token_keys()
  ngx.req.read_body()
  local ok, code, reason = token_keys.offer(ngx.req.get_body_data() or "")
  if not ok then return reply.refuse(nil, reply.refusal(status[code], code, reason)) end
  return get_token_keys()
end

local function get_metrics()
  local text = metrics.text()
  ngx.header["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8"
  ngx.print(text)
end

local M = {}

function M.metrics()
  return get_metrics()
end

local handlers = {
  ["GET /settings"] = get_settings,
  ["PUT /settings"] = put_settings,
  ["GET /state"] = get_state,
  ["GET /token-keys"] = get_token_keys,
  ["PUT /token-keys"] = put_token_keys,
}

local function allowed()
  local given = (ngx.var.http_authorization or ""):match "^Bearer (%S+)$"
  return given and crypto.equal(crypto.sha256(given), crypto.sha256(home.secrets.adminKey))
end

function M.serve()
  if not allowed() then return reply.refuse(nil, reply.refusal(401, "invalid_admin_key", "The admin key is needed.")) end
  local handler = handlers[ngx.req.get_method() .. " " .. ngx.var.uri]
  if not handler then return reply.refuse(nil, reply.refusal(404, "not_found", "There is nothing here.")) end
  return handler()
end

return M
