-- What no engine answers may be sent to a cloud's API, where the settings say so: an OpenAI-compatible one, over TLS that
-- is verified, with a key of its own. It comes last, after other versions, smaller models and cached answers. Chats only,
-- of the models that have a name there. The caller's key and headers stay here; what the caller wrote goes out as it was
-- written, but for the model's name.
local balancer = require "core.balancer"
local breakers = require "core.breakers"
local cjson = require "cjson"
local degrade = require "core.degrade"
local edit = require "core.edit"
local home = require "core.home"
local names = require "core.names"
local peers = require "core.peers"
local shape = require "core.shape"
local unasked = require "policies.unasked"

-- CloudOptions of src/gateway/cloud.ts
local whole = { host = "string", port = "number", path = "string", models = "table" }

local function compile(settings)
  local cloud = settings.cloud
  if not cloud then return end
  shape.check(cloud, whole, "cloud")
  if not home.cloud then error("nginx.conf has no way to the cloud", 0) end
  if not home.secrets.cloudKey then error("secrets.json holds no cloudKey", 0) end
  if not cloud.host:find "^[%w.%-:%[%]]+$" or not cloud.path:find "^/[%w/._~-]*$" then error("cloud is no URL", 0) end
  local list = {}
  for i, peer in ipairs(names.peers(settings, { { host = cloud.host, port = cloud.port } })) do
    list[i] = peers.at(peer.host, peer.port)
  end
  settings.last_resort = settings.last_resort or settings.to_cloud
  settings.cloud_version = { name = "cloud", protocol = "cloud", peers = list, tries = math.min(balancer.TRIES, #list) }
end

--- @return the model's name there, and the probe that the request is, if any; nil when it may not go there
local function allowed(req, settings)
  if not settings.to_cloud or req.cloud or req.route ~= "chat" or #settings.cloud_version.peers == 0 then return nil end
  local model = settings.model_by_id[req.given.values.model]
  local name = settings.cloud.models[model.id]
  if not name then return nil end
  local ok, _, probe = degrade.fits(settings.cloud_version, settings.peer_breakers)
  return ok and name, probe
end

--- The engine that was asked has failed, and so has its version.
local function leave(req)
  if req.holding then balancer.give_back(req) end
  if req.attempts > 0 then breakers.left(req) end
  req.engine_failed = nil
end

local function write(req, name)
  req.doc = req.given
  edit.set(req, "model", cjson.encode(name))
  unasked.access(req, req.now)
end

local function address(cloud)
  ngx.var.gateway_cloud_name = cloud.host:gsub("[%[%]]", "")
  ngx.var.gateway_cloud_host = cloud.port == 443 and cloud.host or cloud.host .. ":" .. cloud.port
  ngx.var.gateway_authorization = "Bearer " .. home.secrets.cloudKey
  ngx.req.set_uri(cloud.path)
end

--- Before the first byte only: nobody comes here later.
local function rescue(req, settings)
  local name, probe = allowed(req, settings)
  if not name then return false end
  leave(req)
  write(req, name)
  req.cloud, req.version, req.version_probe = true, settings.cloud_version, probe
  req.unserved, req.asked_before = nil, req.attempts
  if req.cached then req.cached.collected = nil end
  degrade.told(req, "cloud")
  address(settings.cloud)
  -- Else nginx would put the status of the failure in the place of the answer's.
  if req.attempts > 0 then ngx.status = 200 end
  return ngx.exec "@cloud"
end

return { compile = compile, rescue = rescue, engine = true }
