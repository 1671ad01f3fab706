-- Redis, single or Cluster, by a client of our own. Nothing here raises and nothing here waits longer than its budget:
-- what cannot be had in time is an error, and callers do without.
local cjson = require "cjson.safe"
local clocks = require "core.redis_clock"
local cluster = require "core.redis_cluster"
local nodes = require "core.redis_node"
local scripts = require "core.redis_scripts"
local shape = require "core.shape"

local M = { scripts = scripts }
local Client = {}
Client.__index = Client
local last = {}
-- By their table: options change once they have a client.
local made = setmetatable({}, { __mode = "k" })

-- RedisOptions of src/gateway/cache.ts
local whole = {
  nodes = { { host = "string", port = "number" } },
  cluster = "boolean",
  username = "optional string",
  database = "number",
  tls = "optional table",
  budgetMs = "number",
  writeMs = "number",
  connections = "number",
  waiting = "number",
  breaker = { failures = "number", windowS = "number", coolDownS = "number" },
}

local function new(options)
  local client = setmetatable({ options = options }, Client)
  if options.cluster then
    client.cluster = cluster.new(options)
  else
    local first = options.nodes[1]
    client.node = nodes.new(first.host, first.port, options)
  end
  return client
end

--- The client for these settings, the same one (with its map and its pools) for as long as they stay equal. Raises for
--- options that are not whole.
--- @param options RedisOptions of src/gateway/cache.ts; nil where there is no Redis
function M.of(options, password)
  if not options then return nil end
  if made[options] then return made[options] end
  shape.check(options, whole, "redis")
  local key = cjson.encode(options) .. (password or "")
  if last.key ~= key then
    options.password = password
    options.identity = ngx.crc32_long(key)
    last = { key = key, client = new(options) }
  end
  made[options] = last.client
  return last.client
end

--- @param budget ms for all of it; by default what a request may wait
--- @return one reply for each command; { error =, lost = true } where no answer came
function Client:pipeline(commands, budget)
  if #commands == 0 then return {} end
  local clock = clocks.start(budget or self.options.budgetMs)
  if self.cluster then return cluster.run(self.cluster, commands, clock) end
  local replies, err = nodes.ask(self.node, commands, clock)
  if replies then return replies end
  replies = {}
  for i = 1, #commands do replies[i] = { error = err, lost = true } end
  return replies
end

--- @return the reply (false for nil), or nil and why
function Client:call(command, budget)
  local reply = self:pipeline({ command }, budget)[1]
  if type(reply) == "table" and reply.error then return nil, reply.error end
  return reply
end

--- @return the value, false when there is none, or nil and why
function Client:get(key)
  return self:call { "GET", key }
end

--- @return a list: the value, or false when there is none or it could not be had
function Client:mget(keys)
  local commands = {}
  for i, key in ipairs(keys) do commands[i] = { "GET", key } end
  local replies = self:pipeline(commands)
  for i, reply in ipairs(replies) do
    if type(reply) == "table" then replies[i] = false end
  end
  return replies
end

--- @param ttl seconds
function Client:set(key, value, ttl)
  return self:call { "SET", key, value, "EX", ttl }
end

--- @return how many there were, or nil and why
function Client:del(key)
  return self:call { "DEL", key }
end

--- @param script of core.redis_scripts
--- @param keys in one slot
function Client:eval(script, keys, arguments)
  local command = { "EVALSHA", script.sha, #keys }
  for _, key in ipairs(keys) do command[#command + 1] = key end
  for _, argument in ipairs(arguments) do command[#command + 1] = argument end
  local reply, err = self:call(command)
  if reply == nil and err:sub(1, 8) == "NOSCRIPT" then
    command[1], command[2] = "EVAL", script.source
    reply, err = self:call(command)
  end
  return reply, err
end

--- Adds to a counter that lives `ttl` seconds from its first use.
--- @return what it holds now, or nil and why
function Client:incrby(key, amount, ttl)
  return self:eval(scripts.add, { key }, { amount, ttl })
end

return M
