-- The audit log: a line a request, of every request, also of those whose worker, or whole gateway, was killed.
-- core.audit_file writes them, core.in_hand knows which are due, core.audit_seal seals the files that are closed.
local chains = require "core.audit_chain"
local file = require "core.audit_file"
local files = require "core.files"
local home = require "core.home"
local in_hand = require "core.in_hand"
local lines = require "core.audit_line"
local metrics = require "core.metrics"
local seal = require "core.audit_seal"
local sys = require "core.sys"

local dict = ngx.shared.gateway_audit

local TICK = 1 -- seconds
local SEAL = 60 -- seconds between looks for files to seal, besides those after a close
local TAIL = 16 * 1024 * 1024 -- bytes of a file within which its last line begins: prompts may stand in it

metrics.counter("gateway_audit_late_total", "Audit lines that could not be written at once.")
metrics.counter("gateway_audit_adopted_total", "Audit lines that a worker wrote for one that died, of this gateway or the one before.")
metrics.gauge("gateway_audit_writable", "0 while a worker cannot write its audit lines.", function()
  local value = 1
  for _, key in ipairs(dict:get_keys(0)) do
    if key:sub(1, 7) == "failed:" then value = 0 end
  end
  return { [""] = value }
end)

local M = { ready = file.ready, seal = file.seal }

--- What stands in core.audit_room. @param minor see core.audit_file
function M.write(minor)
  if not file.write(minor) then metrics.add("gateway_audit_late_total", "", 1) end
end

--- Whether the last whole line of a file is that of a listed request: its worker died after writing it.
local function written(listed, name)
  local fd = sys.open_at(home.audit, name .. file.ENDING, sys.RDONLY)
  if not fd then return false end
  local tail = files.read(fd, math.max(0, files.size(fd) - TAIL), TAIL) or ""
  sys.close(fd)
  -- Found from behind: what stands after it may be much.
  local back = tail:reverse()
  local last = back:find("\n", 1, true)
  if not last then return false end
  local before = back:find("\n", last + 1, true) or #back + 1
  local head = tail:sub(#tail - before + 2, #tail - last):match '^{"id":"[^"]+"'
  return head ~= nil and listed:sub(1, #head) == head
end

local function due(cut)
  return {
    ready = file.ready,
    written = written,
    write = function(listed, started, killed)
      metrics.add("gateway_audit_adopted_total", "", 1)
      lines.of_gone(listed, started, killed and "gateway killed" or cut)
      M.write()
    end,
  }
end

--- Writes the lines that workers who are gone could not; how many of those there were.
function M.adopt()
  return in_hand.adopt(due "worker died")
end

local function mark(state)
  local key = "failed:" .. ngx.worker.pid()
  if state.failed then dict:set(key, state.failed, 5 * TICK) else dict:delete(key) end
end

local function tick(options)
  local state = file.state()
  -- Nothing that waits is left until the next request comes.
  if state.failed then file.ready() end
  in_hand.work()
  local turned = file.turn(options())
  if M.adopt() > 0 or turned then seal.soon() end
  mark(file.state())
end

--- In the master. @param connections most open connections of a worker
function M.init(connections)
  chains.new "start" -- without its secret nothing starts
  in_hand.init(connections)
end

--- In each worker. @param options() -> AuditOptions of now
function M.work(options)
  in_hand.work()
  assert(ngx.timer.every(TICK, function(premature)
    if not premature then tick(options) end
  end))
  -- What was in hand is looked for in the files as they were left, before they are sealed.
  local function pass(premature)
    if premature then return end
    M.adopt()
    seal.pass()
  end
  assert(ngx.timer.at(0, pass))
  if ngx.worker.id() == 0 then assert(ngx.timer.every(SEAL, pass)) end
end

--- A worker ends: at once with requests in hand, or when it has none.
function M.stop()
  in_hand.give_up(due "worker ended")
  file.close()
end

return M
