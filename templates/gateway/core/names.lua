-- Peers and Redis by name. One worker looks the names of the settings up in the background; what it learned lies in shared memory,
-- and the other workers take the settings up anew when that changes. A name keeps the addresses it had when its servers
-- do not answer, or answer with none: engines that still serve are not forgotten for a DNS server's sake. It keeps them
-- for a time only: addresses are given to others.
local cjson = require "cjson.safe"
local dns = require "core.dns"
local message = require "core.dns_message"
local metrics = require "core.metrics"
local shape = require "core.shape"
local sys = require "core.sys"

local dict = ngx.shared.gateway_names
local TICK = 0.2 -- s
local MOST = 512 -- addresses of a name

local M = {}
local watched = {} -- in the worker that looks up, by name: { due =, busy =, failing = }
local seen

metrics.counter("gateway_dns_lookups_total", "Lookups of peers' names by how they went.")
metrics.gauge("gateway_dns_addresses", "Addresses in use of a peer's name.", function()
  local series = {}
  for _, one in ipairs(M.state()) do series['name="' .. one.name .. '"'] = #one.addresses end
  return series
end)

metrics.gauge("gateway_dns_stale_seconds", "Age of a name's last good addresses while they are used for want of an answer, else 0.", function()
  local series = {}
  for _, one in ipairs(M.state()) do
    series['name="' .. one.name .. '"'] = one.error and #one.addresses > 0 and one.ageS or 0
  end
  return series
end)

-- DnsOptions of src/gateway/dns.ts; the settings of an older release may lack staleS.
local whole = { servers = "table", leastS = "number", longestS = "number", staleS = "optional number", timeoutMs = "number" }
local STALE = 3600 -- s, as there
local kinds = { "A", "AAAA" }

--- What is known of a name: { A = list, AAAA = list, good = { A =, AAAA = ms of sys.msec, of the last good answer },
--- error = why none since }
local function known(name)
  local text = dict:get("name " .. name)
  return text and cjson.decode(text) or { A = {}, AAAA = {}, good = {} }
end

local function addresses(of)
  local list = {}
  for _, kind in ipairs(kinds) do
    for _, address in ipairs(of[kind]) do list[#list + 1] = address end
  end
  return list
end

local function spread(settings, peer, add)
  if message.is_address(peer.host) then return add((peer.host:gsub("^[^%[]*:.*$", "[%0]"))) end
  local name = message.name(peer.host) or error("no address and no name: " .. tostring(peer.host), 0)
  if not settings.dns then error(name .. ": without dns there are no names", 0) end
  settings.names[name] = true
  for _, address in ipairs(addresses(known(name))) do add(address, name) end
end

--- Addresses in the place of names. Raises for what is no name.
function M.peers(settings, given)
  local list, there = {}, {}
  for _, peer in ipairs(given) do
    spread(settings, peer, function(host, name)
      local address = host .. ":" .. peer.port
      if there[address] then return end
      there[address] = true
      list[#list + 1] = { host = host, port = peer.port, drain = peer.drain, name = name }
    end)
  end
  return list
end

--- Nodes of Redis by address, where they are named. A name that is not known (yet) stays: nginx cannot connect to it,
--- and says so at once.
local function redis_nodes(settings, given)
  local list = {}
  for _, node in ipairs(given) do
    if message.is_address(node.host) or not settings.dns then
      list[#list + 1] = node
    else
      local before = #list
      spread(settings, node, function(host) list[#list + 1] = { host = host, port = node.port } end)
      if #list == before then list[1 + before] = node end
    end
  end
  return list
end

--- As M.peers, for every version's, and for the nodes of Redis.
function M.expand(settings)
  settings.names = {}
  if settings.dns then
    shape.check(settings.dns, whole, "dns")
    settings.dns.staleS = settings.dns.staleS or STALE
  end
  for _, model in ipairs(settings.models) do
    for _, version in ipairs(model.versions) do version.peers = M.peers(settings, version.peers) end
  end
  local redis = settings.redis
  if redis and type(redis.nodes) == "table" then redis.nodes = redis_nodes(settings, redis.nodes) end
end

local function or_before(kind, list, before, now)
  now[kind] = list or before[kind]
  now.good[kind] = list and sys.msec() or before.good[kind]
end

--- @return the new lists and the shorter of their times, or nil and why; a family without an answer keeps what it had
local function ask(name, options, before)
  local servers = #options.servers > 0 and options.servers or dns.system()
  local six = ngx.thread.spawn(dns.ask, servers, name, "AAAA", options.timeoutMs)
  local four, more = dns.ask(servers, name, "A", options.timeoutMs)
  local _, list, other = ngx.thread.wait(six)
  if not four and not list then return nil, more end
  if #(four or before.A) + #(list or before.AAAA) == 0 then return nil, four and list and "empty" or (four and other or more) end
  local ttl = math.min(four and #four > 0 and more or math.huge, list and #list > 0 and other or math.huge)
  local now = { good = {} }
  or_before("A", four, before, now)
  or_before("AAAA", list, before, now)
  return now, ttl
end

local function cut(name, now)
  for _, kind in ipairs(kinds) do
    if #now[kind] > MOST then
      ngx.log(ngx.WARN, "name ", name, ": ", #now[kind], " addresses, the first ", MOST, " are used")
      for i = #now[kind], MOST + 1, -1 do now[kind][i] = nil end
    end
  end
end

local function store(name, now)
  local ok, err = dict:safe_set("name " .. name, cjson.encode(now))
  if not ok then ngx.log(ngx.ERR, "name ", name, ": ", err) end
end

local function changed(name, before, now)
  local old, new = table.concat(addresses(before), " "), table.concat(addresses(now), " ")
  if old == new then return end
  ngx.log(ngx.NOTICE, "name ", name, ": ", new)
  dict:incr("epoch", 1, 0)
end

local function age(of, kind)
  return of.good[kind] and (sys.msec() - of.good[kind]) / 1000 or math.huge
end

--- What is too old is used no more.
local function expired(name, now, options)
  for _, kind in ipairs(kinds) do
    if #now[kind] > 0 and age(now, kind) > options.staleS then
      ngx.log(ngx.ERR, "name ", name, ": no good answer for ", math.floor(age(now, kind)), " s, its ", #now[kind], " ", kind,
        " addresses are dropped")
      now[kind] = {}
    end
  end
end

local function learn(name, now, before, options)
  cut(name, now)
  expired(name, now, options)
  store(name, now)
  changed(name, before, now)
end

local function failed(name, before, why, options)
  if before.error ~= why then
    ngx.log(ngx.WARN, "name ", name, ": ", why, "; its last good addresses are kept, for ", options.staleS, " s at the most")
  end
  local now = { A = before.A, AAAA = before.AAAA, good = before.good, error = why }
  expired(name, now, options)
  store(name, now)
  changed(name, before, now)
end

--- @return seconds until it is looked up again
local function look_up(name, options)
  local before = known(name)
  local now, more = ask(name, options, before)
  local result = now and "answered" or more == "empty" and "empty" or "failed"
  metrics.add("gateway_dns_lookups_total", 'result="' .. result .. '"', 1)
  if not now then
    failed(name, before, more, options)
    return options.leastS
  end
  learn(name, now, before, options)
  return math.max(options.leastS, math.min(options.longestS, more))
end

local function turn(name, state, options)
  state.busy = true
  local ok, seconds = pcall(look_up, name, options)
  if not ok then ngx.log(ngx.ERR, "name ", name, ": ", seconds) end
  state.due = sys.msec() + 1000 * (ok and seconds or options.leastS)
  state.busy = false
end

local function forget(name)
  watched[name] = nil
  dict:delete("name " .. name)
end

local function look(settings)
  for name in pairs(watched) do
    if not settings.names[name] then forget(name) end
  end
  local now = sys.msec()
  for name in pairs(settings.names) do
    local state = watched[name] or { due = 0 }
    watched[name] = state
    if not state.busy and state.due <= now then
      assert(ngx.timer.at(0, function(premature)
        if not premature and not state.busy then turn(name, state, settings.dns) end
      end))
    end
  end
end

--- Every name of the settings: its addresses, the age of the last good answer (nil before the first), what failed since.
function M.state()
  local list = {}
  for name in pairs(require("core.settings").current().names or {}) do
    local of = known(name)
    local last = math.min(age(of, "A"), age(of, "AAAA"))
    list[#list + 1] = { name = name, addresses = addresses(of), ageS = last < math.huge and last or nil, error = of.error }
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

--- In each worker. @param settings core.settings
function M.work(settings)
  local mine = ngx.worker.id() == 0
  assert(ngx.timer.every(TICK, function(premature)
    if premature then return end
    local epoch = dict:get "epoch"
    if epoch ~= seen then
      seen = epoch
      settings.adopt()
    end
    if mine then look(settings.current()) end
  end))
end

return M
