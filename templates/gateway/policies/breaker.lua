-- Engines that fail are left alone for a while: a breaker for each peer and each version. Which version then answers is
-- core.degrade's; a request for which none is left may still be answered from the cache, which stands before this.
local broken = require "policies.broken"
local breakers = require "core.breakers"
local metrics = require "core.metrics"
local peers = require "core.peers"

local value = { closed = 0, ["half-open"] = 1, open = 2 }

metrics.gauge("gateway_breaker_state", "0 closed, 1 half-open, 2 open.", function()
  local series = {}
  for _, one in ipairs(require("core.settings").current().breakers or {}) do
    series[one.labels] = value[breakers.view(one)]
  end
  return series
end)

local function number(options, name, least, most)
  local given = options[name]
  if type(given) ~= "number" or given < least or given > most then
    error("breaker." .. name .. " is not a number from " .. least .. " to " .. most, 0)
  end
end

local function check(options)
  for _, name in ipairs { "windowS", "openS", "longestS" } do number(options, name, 0.1, 86400) end
  for _, name in ipairs { "streamSilenceS", "answerSilenceS" } do number(options, name, 0.1, 86400) end
  number(options, "minimum", 1, 1e6)
  number(options, "rate", 0.001, 1)
end

local function of_version(settings, model, version)
  local labels = 'model="' .. model.id .. '",version="' .. version.name .. '"'
  version.breaker = breakers.new("version", model.id .. "/" .. version.name, labels .. ',peer=""', settings.breaker)
  table.insert(settings.breakers, version.breaker)
  for _, peer in ipairs(version.peers) do
    local record = peers.at(peer.host, peer.port)
    if not settings.peer_breakers[record] then
      local one = breakers.new("peer", record.address, labels .. ',peer="' .. record.address .. '"', settings.breaker)
      settings.peer_breakers[record] = one
      table.insert(settings.breakers, one)
    end
  end
end

local function compile(settings)
  if not settings.breaker then return end
  check(settings.breaker)
  settings.breakers, settings.peer_breakers = {}, {}
  if settings.cloud_version then of_version(settings, { id = "" }, settings.cloud_version) end
  for _, model in ipairs(settings.models) do
    for _, version in ipairs(model.versions) do of_version(settings, model, version) end
    for _, open in ipairs(model.open) do
      for _, version in ipairs(model.versions) do
        if version.name == open.name then open.breaker = version.breaker end
      end
    end
  end
end

--- No version was left (core.degrade), and the cache had no fresh answer.
local function access(req, settings)
  if not req.unserved then return end
  if settings.rescue(req, settings) then return end
  return req.unserved
end

local function chunk(req, data, last)
  if not req.now.breaker then return end
  if #data > 0 then return breakers.first_byte(req) end
  -- An empty piece that is not the last, after the engine's answer was over: it was broken off.
  if not last and ngx.status == 200 and not broken.under_way() then req.broke = true end
end

--- Others do the rescuing; that it was needed is what counts here.
local function rescue(req)
  if req.attempts > 0 then req.engine_failed = true end
end

local function verdict(req)
  if req.attempts == 0 then return nil end
  if req.engine_failed or req.broke then return "bad" end
  if req.ours then return nil end
  if ngx.status >= 500 then return "bad" end
  return req.first and "good" or nil
end

local function done(req, settings)
  if settings.breaker then breakers.over(req, verdict(req)) end
end

return { compile = compile, access = access, chunk = chunk, rescue = rescue, done = done, engine = true }
