-- One Redis server: its pool of connections, its breaker, and a pipeline of commands asked of it within a budget.
local breaker = require "core.redis_breaker"
local clocks = require "core.redis_clock"
local codec = require "core.redis_reply"
local metrics = require "core.metrics"

local tcp = ngx.socket.tcp

local IDLE = 60000 -- ms; below Redis' own `timeout` where one is set
local BUSY = "too many waiting connect operations"

local M = {}

metrics.counter("gateway_redis_calls_total", "Pipelines sent to Redis, by how they went.")

local function preamble(options)
  local list = {}
  if options.password then
    list[1] = options.username and { "AUTH", options.username, options.password } or { "AUTH", options.password }
  end
  if options.database ~= 0 then list[#list + 1] = { "SELECT", options.database } end
  return list
end

--- @param options see RedisOptions in src/gateway/cache.ts; `identity` keeps pools and breakers of other settings apart
function M.new(host, port, options)
  local name = port == 0 and host or host .. ":" .. port
  return {
    name = name,
    host = host,
    port = port,
    options = options,
    preamble = preamble(options),
    breaker = breaker.new(name, options.identity, options.breaker),
    pool = {
      pool = "redis " .. options.identity .. " " .. name,
      pool_size = options.connections,
      backlog = options.waiting,
    },
  }
end

local function secure(node, sock)
  local tls = node.options.tls
  if not tls then return true end
  return sock:sslhandshake(false, tls.serverName or node.host, tls.verify)
end

--- @return the socket and whether it is new, or nil and why
local function open(node, clock)
  local left = clocks.left(clock)
  if not left then return nil, "timeout" end
  local sock = tcp()
  sock:settimeout(left)
  local ok, err
  if node.port == 0 then
    ok, err = sock:connect(node.host, node.pool)
  else
    ok, err = sock:connect(node.host, node.port, node.pool)
  end
  if not ok then return nil, err end
  if sock:getreusedtimes() > 0 then return sock, false end
  ok, err = secure(node, sock)
  if ok then return sock, true end
  sock:close()
  return nil, "TLS: " .. tostring(err)
end

local function send(sock, lists)
  local out = {}
  for _, commands in ipairs(lists) do
    for i = 1, #commands do codec.encode(out, commands[i]) end
  end
  return sock:send(out)
end

--- @return true, or nil, why, and whether Redis itself said no
local function greet(reader, count)
  for _ = 1, count do
    local reply, err = reader:read()
    if reply == nil then return nil, err end
    if type(reply) == "table" then return nil, reply.error or "protocol: a list", true end
  end
  return true
end

local function receive(reader, count)
  local replies = {}
  for i = 1, count do
    local reply, err = reader:read()
    if reply == nil then return nil, err end
    replies[i] = reply
  end
  return replies
end

local function talk(node, sock, new, commands, clock)
  local greeting = new and node.preamble or {}
  local sent, err = send(sock, { greeting, commands })
  if not sent then return nil, err end
  local reader = codec.reader(sock, clock)
  local ok
  ok, err = greet(reader, #greeting)
  if not ok then return nil, err end
  local replies
  replies, err = receive(reader, #commands)
  if not replies then return nil, err end
  if not reader:drained() then return nil, "protocol: more replies than commands" end
  return replies
end

--- A kept connection may have been closed by the server in the meantime: then once more.
local function exec(node, commands, clock)
  local sock, new, replies, err
  for _ = 1, 2 do
    sock, new = open(node, clock)
    if not sock then return nil, new end
    replies, err = talk(node, sock, new, commands, clock)
    if replies then
      sock:setkeepalive(IDLE)
      return replies
    end
    sock:close()
    if new or err == "timeout" then break end
  end
  return nil, err
end

--- Redis' own word at the head of an error: 'MOVED', 'NOSCRIPT', 'ERR'; nil for another reply.
function M.word(reply)
  return type(reply) == "table" and reply.error and reply.error:match "^%u+" or nil
end

local function ping(node)
  return function()
    local replies = exec(node, { { "PING" } }, clocks.start(node.options.budgetMs))
    return replies and replies[1] == "PONG"
  end
end

local function count(result)
  metrics.add("gateway_redis_calls_total", 'result="' .. result .. '"', 1)
end

--- @param commands a list of commands
--- @param clock of core.redis_clock
--- @return one reply for each command, or nil and why; does not raise
function M.ask(node, commands, clock)
  if not breaker.allows(node.breaker) then
    count "skipped"
    return nil, "breaker open"
  end
  local fine, replies, err = pcall(exec, node, commands, clock)
  if not fine then
    count "error"
    ngx.log(ngx.ERR, "redis ", node.name, ": ", replies)
    return nil, "not possible here"
  end
  if err == BUSY then
    count "busy"
    return nil, err
  end
  if replies then
    count "ok"
    return replies
  end
  local slow = err == "timeout"
  count(slow and "timeout" or "down")
  breaker.failed(node.breaker, slow, err, ping(node))
  return nil, err
end

return M
