-- The peers this gateway knows, by address, with the load this worker put on them and, a little late, what the other
-- workers did. Loads are kept by the worker that counts them and expire with it: a crash leaves no phantom load.
local breakers = require "core.breakers"
local metrics = require "core.metrics"

local dict = ngx.shared.gateway_loads
local random = math.random

local PUBLISH = 0.2 -- seconds
local M = {}

metrics.counter("gateway_failed_tries_total", "Tries that engines did not answer, of the version that was asked.")

-- Records live as long as settings or requests hold them: addresses come and go with DNS.
local known = setmetatable({}, { __mode = "v" })

--- The one record of an address, kept over changes of the settings.
function M.at(host, port)
  local address = host .. ":" .. port
  local peer = known[address]
  if not peer then
    peer = { address = address, host = host, port = port, load = 0, elsewhere = 0 }
    known[address] = peer
  end
  return peer
end

function M.enter(peer)
  peer.load = peer.load + 1
end

--- The request's peer is done with, for now. @param failed whether it gave no answer
function M.leave(req, failed)
  req.peer.load = req.peer.load - 1
  req.holding = false
  if not failed then return end
  local labels = 'model="' .. req.model.id .. '",version="' .. req.version.name .. '"'
  metrics.add("gateway_failed_tries_total", labels, 1)
end

local function usable(version, tried)
  local peers = version.peers
  if not tried then return peers end
  local list = {}
  for i = 1, #peers do
    if not tried[peers[i]] then list[#list + 1] = peers[i] end
  end
  return list
end

--- Power of two choices among the version's peers that were not tried; nil when none is left.
--- @param guarded the request, where breakers have a say
function M.choose(version, tried, guarded)
  local list = usable(version, tried)
  if guarded then list = breakers.among(guarded, list) end
  local n = #list
  if n <= 1 then return list[1] end
  local i = random(n)
  local j = random(n - 1)
  if j >= i then j = j + 1 end
  local a, b = list[i], list[j]
  return a.load + a.elsewhere <= b.load + b.elsewhere and a or b
end

local function publish()
  local mine = {}
  for address, peer in pairs(known) do
    if peer.load > 0 then mine[#mine + 1] = address .. "=" .. peer.load end
  end
  dict:set("load:" .. ngx.worker.pid(), table.concat(mine, " "), 5 * PUBLISH)
end

--- Load by address over all workers that are alive.
function M.loads()
  local sum = {}
  for _, key in ipairs(dict:get_keys(0)) do
    local text = key:sub(1, 5) == "load:" and dict:get(key)
    for address, load in (text or ""):gmatch "(%S+)=(%d+)" do
      sum[address] = (sum[address] or 0) + tonumber(load)
    end
  end
  return sum
end

local function gather()
  publish()
  local sum = M.loads()
  for address, peer in pairs(known) do peer.elsewhere = math.max(0, (sum[address] or 0) - peer.load) end
end

function M.work()
  math.randomseed(ngx.worker.pid() + ngx.now() * 1000)
  assert(ngx.timer.every(PUBLISH, function(premature)
    if not premature then gather() end
  end))
end

return M
