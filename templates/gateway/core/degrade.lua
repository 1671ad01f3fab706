-- Which version answers when the one that was drawn is open: what the settings allow, in their order, else nobody.
local breakers = require "core.breakers"
local edit = require "core.edit"
local metrics = require "core.metrics"
local reply = require "core.reply"
local sys = require "core.sys"

local random = math.random
local ceil, max = math.ceil, math.max

metrics.counter("gateway_degraded_total", "Requests that something else answered than what was asked for.")

local M = {}

--- Whether a peer of it that was not tried may be asked, and when the first may be.
local function reachable(version, of, tried)
  local first
  for i = 1, #version.peers do
    local peer = version.peers[i]
    if not (tried and tried[peer]) then
      local state, at = breakers.look(of[peer])
      if state ~= "open" then return true end
      if not first or at < first then first = at end
    end
  end
  return false, first
end

--- @return whether the version may be asked now; when it may not, from when on; the probe of it that goes along
--- @param tried peers that were asked already; may be nil
function M.fits(version, of, tried)
  local ok, at = reachable(version, of, tried)
  if not ok then return false, at end
  local state, till = breakers.look(version.breaker)
  if state == "closed" then return true end
  if state == "open" then return false, till end
  local probe = breakers.take(version.breaker)
  return probe ~= nil, till, probe
end

--- By weight among the model's versions that fit.
--- @param skips(version) which are left out; may be nil, as the peers that were tried
--- @return the version and the probe of it that goes along
local function draw(model, of, skips, tried)
  local left, total = {}, 0
  for _, version in ipairs(model.open) do
    if not (skips and skips(version)) then
      left[#left + 1] = version
      total = total + version.weight
    end
  end
  while #left > 0 do
    local at, i = random() * total, 1
    while i < #left and at >= left[i].weight do
      at = at - left[i].weight
      i = i + 1
    end
    local version = table.remove(left, i)
    local ok, _, probe = M.fits(version, of, tried)
    if ok then return version, probe end
    total = total - version.weight
  end
end

--- What is done in place of what was asked for.
function M.told(req, by)
  req.degraded = by
  ngx.var.gateway_degraded = by
  metrics.add("gateway_degraded_total", 'model="' .. req.model.id .. '",by="' .. by .. '"', 1)
end

local ways = {}

function ways.version(req, settings, drawn)
  local version, probe = draw(req.model, settings.peer_breakers, function(one) return one == drawn end)
  if version then M.told(req, "version") end
  return version, probe
end

function ways.model(req, settings)
  local allowed = req.key.allowed
  for _, id in ipairs(settings.degrade.models[req.model.id] or {}) do
    local model = settings.model_by_id[id]
    if model and (not allowed or allowed[model.id]) then
      local version, probe = draw(model, settings.peer_breakers)
      if version then
        M.told(req, "model")
        edit.set(req, "model", '"' .. model.id .. '"')
        req.model = model
        return version, probe
      end
    end
  end
end

local function refusal(at)
  local seconds = at and max(1, ceil((at - sys.msec()) / 1000)) or 1
  return reply.refusal(503, "engine_failing", "The engine of this model fails too often; it is left alone for a while.", nil, {
    ["Retry-After"] = seconds,
  })
end

function M.compile(settings)
  local degrade = settings.degrade
  if not degrade then return end
  if not settings.breaker then error("degrade needs breaker", 0) end
  for i, way in ipairs(degrade.order) do
    if way ~= "cloud" and not ways[way] then error("degrade.order names no way: " .. tostring(way), 0) end
    if way == "cloud" and i < #degrade.order then error("degrade.order: cloud comes last", 0) end
    if way == "cloud" and not settings.cloud then error("degrade.order: there is no cloud", 0) end
    if way == "version" then settings.other_version = true end
    if way == "cloud" then settings.to_cloud = true end
  end
end

--- The cloud is not among the ways here: cached answers come before it (policies.cloud).
--- @param drawn the version that the weights chose; nil where there is none
--- @return the version that shall answer; when it may not, `req.unserved` says why
function M.choose(req, settings, drawn)
  local ok, at, probe
  if drawn then
    ok, at, probe = M.fits(drawn, settings.peer_breakers)
  end
  req.version_probe = probe
  if ok then return drawn end
  for _, way in ipairs(settings.degrade and settings.degrade.order or {}) do
    local version
    if ways[way] then version, req.version_probe = ways[way](req, settings, drawn) end
    if version then return version end
  end
  req.unserved = refusal(at)
  return drawn
end

--- Every peer of the request's version gave no answer, and did so fast: another version of the model is asked, where the
--- settings allow it. What it answers is not kept as the first one's.
--- @param across whether it shall speak another protocol, or the same
--- @return whether there is one
function M.move(req, across)
  local now, failed = req.now, req.version
  if not now.other_version then return false end
  local version, probe = draw(req.model, now.peer_breakers, function(one)
    return one == failed or (one.protocol ~= failed.protocol) ~= across
  end, req.tried)
  if not version then return false end
  breakers.left(req, probe)
  M.told(req, "version")
  req.version = version
  if req.cached then req.cached.collected = nil end
  return true
end

return M
