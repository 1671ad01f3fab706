-- Which version of the model answers: by weight. A weight of 0 gets nothing; a version without peers is not there.
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

local function compile(settings)
  for _, model in ipairs(settings.models) do
    local open, total = {}, 0
    for _, version in ipairs(model.versions) do
      local list = open_peers(version)
      if version.weight > 0 and #list > 0 then
        total = total + version.weight
        open[#open + 1] = { name = version.name, revision = version.revision, peers = list, upto = total }
      end
    end
    model.open, model.total = open, total
  end
end

local function access(req)
  local open = req.model.open
  local n = #open
  if n == 0 then return none end
  if n > 1 then
    local at = random() * req.model.total
    for i = 1, n - 1 do
      if at < open[i].upto then
        req.version = open[i]
        return
      end
    end
  end
  req.version = open[n]
end

return { compile = compile, access = access, engine = true }
