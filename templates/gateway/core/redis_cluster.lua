-- Redis Cluster: which master serves a slot, and what to do when the map is wrong. Each worker keeps a map of its own,
-- read in the background and once a second at most; a request never waits for it: without a map any node is asked, and
-- its MOVED tells the way. A slot whose master is away is an error at once, which callers take as a miss.
local breaker = require "core.redis_breaker"
local clocks = require "core.redis_clock"
local nodes = require "core.redis_node"
local slot_of = require "core.redis_slot"
local sys = require "core.sys"

local msec = sys.msec
local random = math.random

local HOPS = 4
local REST = 1000 -- ms between two looks at the map
local LOOK = 250 -- ms that one look may take

local M = {}

local function split(address)
  local host, port = address:match "^(.*):(%d+)$"
  return host, tonumber(port)
end

--- The record of a node, by address, kept as long as the map or the seeds name it.
local function at(cluster, host, port)
  if host:find(":", 1, true) and host:sub(1, 1) ~= "[" then host = "[" .. host .. "]" end
  local address = host .. ":" .. port
  local node = cluster.nodes[address]
  if not node then
    node = nodes.new(host, port, cluster.options)
    cluster.nodes[address] = node
  end
  return node
end

--- @param options see RedisOptions in src/gateway/cache.ts
function M.new(options)
  local cluster = { options = options, nodes = {}, seeds = {}, slots = nil, next_look = 0 }
  for i, seed in ipairs(options.nodes) do cluster.seeds[i] = at(cluster, seed.host, seed.port) end
  return cluster
end

--- Nodes in random order, those with a closed breaker only.
local function candidates(cluster)
  local list = {}
  for _, node in pairs(cluster.nodes) do
    if breaker.allows(node.breaker) then list[#list + 1] = node end
  end
  for i = #list, 2, -1 do
    local j = random(i)
    list[i], list[j] = list[j], list[i]
  end
  return list
end

--- An empty or unknown host stands for the one that was asked.
local function host_of(host, asked)
  return host and host ~= "" and host ~= "?" and host or asked.host
end

local function adopt(cluster, ranges, asked)
  local slots, named = {}, {}
  for _, range in ipairs(ranges) do
    local node = at(cluster, host_of(range[3][1], asked), range[3][2])
    named[node.name] = node
    for slot = range[1], range[2] do slots[slot] = node end
  end
  for _, seed in ipairs(cluster.seeds) do named[seed.name] = seed end
  cluster.nodes, cluster.slots, cluster.trouble = named, slots, nil
end

local function look(premature, cluster)
  if not premature then
    for _, node in ipairs(candidates(cluster)) do
      local replies, err = nodes.ask(node, { { "CLUSTER", "SLOTS" } }, clocks.start(LOOK))
      local ranges = replies and replies[1]
      if type(ranges) == "table" and not ranges.error then
        adopt(cluster, ranges, node)
        break
      end
      cluster.trouble = err or ranges.error
      ngx.log(ngx.WARN, "redis ", node.name, " tells no slots: ", cluster.trouble)
    end
  end
  cluster.looking = false
end

local function look_again(cluster)
  if cluster.looking or msec() < cluster.next_look then return end
  cluster.next_look = msec() + REST
  cluster.looking = ngx.timer.at(0, look, cluster) or false
end

--- @return nil when no master serves the slot
local function node_for(cluster, slot)
  if cluster.slots then return cluster.slots[slot] end
  look_again(cluster)
  return candidates(cluster)[1]
end

local function ask_one(cluster, node, commands, clock)
  local replies, err = nodes.ask(node, commands, clock)
  if replies then return replies[#replies] end
  look_again(cluster)
  return { error = err, lost = true }
end

--- Goes where MOVED and ASK point; MOVED also mends the map for this slot.
local function follow(cluster, command, reply, asked, clock)
  for _ = 1, HOPS do
    local word = nodes.word(reply)
    if word ~= "MOVED" and word ~= "ASK" then break end
    local slot, address = reply.error:match "^%u+ (%d+) (%S+)"
    local host, port = split(address or "")
    if not host then break end
    local node = at(cluster, host_of(host, asked), port)
    if word == "MOVED" then
      if cluster.slots then cluster.slots[tonumber(slot)] = node end
      look_again(cluster)
      reply = ask_one(cluster, node, { command }, clock)
    else
      reply = ask_one(cluster, node, { { "ASKING" }, command }, clock)
    end
    asked = node
  end
  return reply
end

local function key_of(command)
  local name = command[1]
  return (name == "EVALSHA" or name == "EVAL") and command[4] or command[2]
end

--- Commands by the node that serves their key. Several keys in one command must share a slot.
local function group(cluster, commands, replies)
  local groups = {}
  for i, command in ipairs(commands) do
    local node = node_for(cluster, slot_of(key_of(command)))
    if node then
      local one = groups[node]
      if not one then
        one = { node = node, commands = {}, places = {} }
        groups[node] = one
        groups[#groups + 1] = one
      end
      one.commands[#one.commands + 1] = command
      one.places[#one.places + 1] = i
    else
      look_again(cluster)
      replies[i] = { error = cluster.trouble or "no master for the slot", lost = true }
    end
  end
  return groups
end

local function run_group(cluster, one, replies, clock)
  local got, err = nodes.ask(one.node, one.commands, clock)
  if not got then look_again(cluster) end
  for i, place in ipairs(one.places) do
    local reply = { error = err, lost = true }
    if got then reply = follow(cluster, one.commands[i], got[i], one.node, clock) end
    replies[place] = reply
  end
end

--- @return one reply for each command; { error =, lost = true } where no answer came
function M.run(cluster, commands, clock)
  local replies = {}
  local groups = group(cluster, commands, replies)
  local threads = {}
  for i = 2, #groups do threads[i - 1] = ngx.thread.spawn(run_group, cluster, groups[i], replies, clock) end
  if groups[1] then run_group(cluster, groups[1], replies, clock) end
  for _, thread in ipairs(threads) do ngx.thread.wait(thread) end
  return replies
end

return M
