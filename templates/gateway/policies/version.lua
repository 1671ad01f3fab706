-- Which version of the model answers: by weight. A weight of 0 gets nothing; a version without peers is not there.
local balancer = require "core.balancer"
local degrade = require "core.degrade"
local names = require "core.names"
local peers = require "core.peers"
local reply = require "core.reply"

local random = math.random
local none = reply.refusal(503, "no_engine", "No engine serves this model now.", nil, { ["Retry-After"] = 5 })

local function open_peers(version)
  local list = {}
  for _, peer in ipairs(version.peers) do
    if not peer.drain then list[#list + 1] = peers.at(peer.host, peer.port) end
  end
  return list
end

local function protocol_of(version)
  local protocol = version.protocol or "http"
  if protocol ~= "http" and protocol ~= "grpc" then
    error("the protocol of version " .. version.name .. " is neither http nor grpc", 0)
  end
  return protocol
end

--- How often a request of the version may go out: to each peer once, those of other versions among them where they may
--- answer in its place.
local function tries(settings, open, version)
  local count = 0
  for _, one in ipairs(open) do
    if one == version or settings.other_version and one.protocol == version.protocol then count = count + #one.peers end
  end
  return math.min(balancer.TRIES, count)
end

local function compile(settings)
  names.expand(settings)
  degrade.compile(settings)
  for _, model in ipairs(settings.models) do
    local open, total = {}, 0
    for _, version in ipairs(model.versions) do
      local list = open_peers(version)
      if version.weight > 0 and #list > 0 then
        total = total + version.weight
        open[#open + 1] = {
          name = version.name,
          revision = version.revision,
          protocol = protocol_of(version),
          peers = list,
          upto = total,
          weight = version.weight,
        }
      end
    end
    model.open, model.total = open, total
    for _, version in ipairs(open) do version.tries = tries(settings, open, version) end
  end
end

local function draw(model)
  local open = model.open
  local n = #open
  if n > 1 then
    local at = random() * model.total
    for i = 1, n - 1 do
      if at < open[i].upto then return open[i] end
    end
  end
  return open[n]
end

local function access(req, settings)
  local version = draw(req.model)
  if not settings.breaker then
    if not version then return none end
    req.version = version
    return
  end
  req.version = degrade.choose(req, settings, version)
  if not req.version then req.unserved = none end
end

return { compile = compile, access = access, engine = true }
