-- Limits over all instances. A request waits for one round trip; what it gives back afterwards goes with the next
-- request's, or by a timer at once, whichever comes first. Open requests are leases that this worker renews: those of one
-- that was killed lapse.
local scripts = require "core.limit_scripts"

local LEASE = 30000 -- ms
local RENEW = 10 -- seconds
local BACKGROUND = 250 -- ms
local MOST = 1024 -- calls that wait to be sent; more are dropped, and what they would give back comes back by time

local M = {}
-- By member: what is open, to be renewed.
local held = {}
local queue, sending = {}, false
local prefix, count

local function member()
  if not prefix then prefix, count = ngx.worker.pid() .. "." .. ngx.now() .. ".", 0 end
  count = count + 1
  return prefix .. count
end

local function call(script, keys, arguments)
  local command = { "EVALSHA", script.sha, #keys }
  for i = 1, #keys do command[3 + i] = keys[i] end
  for i = 1, #arguments do command[3 + #keys + i] = arguments[i] end
  return { script = script, command = command }
end

--- @return the replies; a script that a node does not know yet is sent whole
local function run(client, calls, budget)
  local commands = {}
  for i, one in ipairs(calls) do commands[i] = one.command end
  local replies = client:pipeline(commands, budget)
  local again, places = {}, {}
  for i, reply in ipairs(replies) do
    if type(reply) == "table" and reply.error and reply.error:sub(1, 8) == "NOSCRIPT" then
      local command = calls[i].command
      command[1], command[2] = "EVAL", calls[i].script.source
      again[#again + 1], places[#places + 1] = command, i
    end
  end
  for i, reply in ipairs(client:pipeline(again, budget)) do replies[places[i]] = reply end
  return replies
end

local function taken_from_queue(client)
  local calls = {}
  for _, one in ipairs(queue) do
    if one.client == client then calls[#calls + 1] = one.call end
  end
  queue = {}
  return calls
end

local function send(premature)
  sending = false
  while not premature and #queue > 0 do
    local client = queue[1].client
    run(client, taken_from_queue(client), BACKGROUND)
  end
end

local function later(client, one)
  if #queue >= MOST then return end
  queue[#queue + 1] = { client = client, call = one }
  if not sending then sending = ngx.timer.at(0, send) or false end
end

local function arguments(bounds, amounts, name, date)
  local keys, list = {}, { "", name, LEASE }
  for i, bound in ipairs(bounds) do
    keys[i] = bound.kind == "day" and bound.key .. date or bound.key
    list[3 * i + 1], list[3 * i + 2], list[3 * i + 3] = bound.kind, bound.limit, amounts[i]
  end
  return keys, list
end

--- @return nil when Redis does not answer; else whether all was taken, what is told of each bound (bounds.out), the member
function M.take(client, bounds, costs, date)
  local name = member()
  local keys, list = arguments(bounds, costs, name, date)
  local calls = taken_from_queue(client)
  calls[#calls + 1] = call(scripts.take, keys, list)
  local replies = run(client, calls)
  local reply = replies[#replies]
  if type(reply) ~= "table" or reply.error then
    -- It may have been taken all the same.
    local nothing = {}
    for i = 1, #bounds do nothing[i] = 0 end
    M.settle(client, bounds, nothing, name, date)
    return nil
  end
  local out, open = bounds.out, {}
  for i = 1, #bounds do
    out.left[i], out.back[i], out.wait[i] = reply[3 * i - 1], reply[3 * i], reply[3 * i + 1]
    if bounds[i].kind == "open" then open[#open + 1] = keys[i] end
  end
  if reply[1] ~= 1 then return false, out end
  if #open > 0 then held[name] = { client = client, keys = open } end
  return true, out, name
end

--- In any phase. @param more for each bound the difference to what was taken
function M.settle(client, bounds, more, name, date)
  held[name] = nil
  later(client, call(scripts.settle, arguments(bounds, more, name, date)))
end

local function renew()
  for name, one in pairs(held) do later(one.client, call(scripts.renew, one.keys, { "", name, LEASE })) end
end

--- In each worker.
function M.work()
  assert(ngx.timer.every(RENEW, function(premature)
    if not premature then renew() end
  end))
end

return M
