-- The breakers of peers and versions, and what requests mean for them. A request is counted once for its version, by how
-- it ended, and once for each peer that was tried. What is asked of shared memory while nothing changes: the epoch.
local breaker = require "core.breaker"
local metrics = require "core.metrics"
local request = require "core.request"
local clock = require("core.sys").clock

local dict = ngx.shared.gateway_breakers

local LOOK = 0.5 -- s; three of these are less than a probe's lease
local M = {}

metrics.counter("gateway_breaker_trips_total", "How often a breaker opened.")
metrics.counter("gateway_breaker_probes_total", "Probes of open breakers by how they ended.")

local seen, looked, till = nil, nil, {}
local probes = {} -- holder -> breaker, this worker's
local count = 0

--- @param kind 'peer' or 'version'
--- @param labels of its metrics
function M.new(kind, name, labels, options)
  local one = breaker.new(dict, kind .. " " .. name, options)
  one.labels = 'kind="' .. kind .. '",' .. labels
  return one
end

--- Forgets what this worker knows when anything has changed. Others' changes are looked for once a millisecond.
local function refresh(now)
  if now == looked then return end
  looked = now
  local epoch = dict:get "epoch"
  if epoch ~= seen then seen, till = epoch, {} end
end

--- @return until when it is open, or false
local function open_until(one)
  local at = till[one.name]
  if at == nil then
    at = breaker.open_until(one) or false
    till[one.name] = at
  end
  return at
end

--- 'closed' lets everybody through, 'due' one request as a probe, 'open' nobody; and until when.
function M.look(one)
  if not one then return "closed" end
  local now = tonumber(clock.ngx_current_msec)
  refresh(now)
  local at = open_until(one)
  if not at then return "closed" end
  return now < at and "open" or "due", at
end

--- @return the holder's word when this request may probe
function M.take(one)
  count = count + 1
  local holder = ngx.worker.pid() .. "-" .. count
  if not breaker.take(one, holder) then return nil end
  probes[holder] = one
  return holder
end

local function opened(one)
  metrics.add("gateway_breaker_trips_total", one.labels, 1)
  ngx.log(ngx.WARN, "breaker of ", one.name, " opens")
end

local function probed(one, holder, result)
  probes[holder] = nil
  metrics.add("gateway_breaker_probes_total", one.labels .. ',result="' .. result .. '"', 1)
end

--- @param verdict 'good', 'bad', or nil when nothing was learned
local function tell(one, holder, verdict)
  local now = tonumber(clock.ngx_current_msec)
  if not holder and verdict == "good" then return breaker.good(one, now) end
  looked = nil
  if not holder then
    return verdict == "bad" and breaker.bad(one, now) and opened(one)
  end
  probed(one, holder, verdict or "none")
  if verdict == "good" then
    if breaker.recovered(one, now, holder) then ngx.log(ngx.WARN, "breaker of ", one.name, " closes") end
  elseif verdict == "bad" then
    breaker.relapsed(one, now, holder)
  else
    breaker.release(one, holder)
  end
end

local function tell_peer(req, verdict)
  local one = req.now.peer_breakers[req.peer]
  if one and not req.peer_told then tell(one, req.peer_probe, verdict) end
  req.peer_told, req.peer_probe = true, nil
end

local function tell_version(req, verdict)
  local one = req.version and req.version.breaker
  if one and not req.version_told then tell(one, req.version_probe, verdict) end
  req.version_told, req.version_probe = true, nil
end

--- Of these peers, those that may be asked; or the one that this request probes.
function M.among(req, list)
  local of, free = req.now.peer_breakers, nil
  for i = 1, #list do
    local state = M.look(of[list[i]])
    if state == "due" then
      local holder = M.take(of[list[i]])
      if holder then
        req.peer_probe = holder
        return { list[i] }
      end
    end
    if state ~= "closed" and not free then
      free = {}
      for j = 1, i - 1 do free[j] = list[j] end
    elseif state == "closed" and free then
      free[#free + 1] = list[i]
    end
  end
  return free or list
end

--- A try goes out.
function M.sent(req)
  req.sent, req.waits, req.peer_told = tonumber(clock.ngx_current_msec), true, false
end

--- A try failed, and another peer may be asked.
function M.failed(req)
  tell_peer(req, "bad")
end

--- The request's version failed, and another one is asked. @param probe of that one, where the request is one
function M.left(req, probe)
  tell_version(req, "bad")
  req.version_told, req.version_probe = false, probe
end

function M.first_byte(req)
  req.waits = false
end

--- The request is over. @param verdict 'good', 'bad', or nil when its caller left before anything was known
function M.over(req, verdict)
  if req.holding then tell_peer(req, verdict) end
  tell_version(req, verdict)
end

--- An engine that says nothing for too long has failed, whether or not its caller still waits.
local function look_at_waiting()
  local now = tonumber(clock.ngx_current_msec)
  for _, req in pairs(request.all()) do
    local options = req.waits and req.now.breaker
    local silence = options and (req.stream and options.streamSilenceS or options.answerSilenceS)
    if silence and now - req.sent > 1000 * silence then
      req.waits = false
      tell_peer(req, "bad")
      tell_version(req, "bad")
    end
  end
  for holder, one in pairs(probes) do breaker.renew(one, holder) end
end

--- 'closed', 'open' or 'half-open', and the seconds until a probe is let through.
function M.view(one)
  local now = tonumber(clock.ngx_current_msec)
  local at = breaker.open_until(one)
  return breaker.state(one, now), at and math.max(0, math.ceil((at - now) / 1000)) or 0
end

function M.work()
  assert(ngx.timer.every(LOOK, function(premature)
    if not premature then look_at_waiting() end
  end))
end

return M
