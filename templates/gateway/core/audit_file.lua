-- The file this worker writes its audit lines to, unbuffered: a kill -9 loses nothing that was written, and a full disk
-- shows at once. A file has one writer, who holds its lock for as long as it lives, so that its chain needs no other. What
-- cannot be written waits here, up to a bound; beyond it, it is counted, and a line says so.
local chains = require "core.audit_chain"
local crypto = require "core.crypto"
local files = require "core.files"
local home = require "core.home"
local in_hand = require "core.in_hand"
local ledger = require "core.audit_ledger"
local room = require "core.audit_room"
local sys = require "core.sys"
local window = require "core.audit_window"

local WAITING = 4096 -- lines
local RETRY = 1000 -- ms

local M = { ENDING = ".ndjson", OPENING = ".opening" }
local file -- { name, out, chain, opened }
local failed -- why nothing can be written now
local tried = 0
local waiting, count = {}, 0
local lost, since = 0, nil

local function ms(time)
  return string.format("%.3f", time)
end

--- Sorts by time: 20261124T081503.120Z-0-9f3a61
local function name()
  local now = ngx.now()
  local day = os.date("!%Y%m%dT%H%M%S", math.floor(now))
  local part = math.floor((now - math.floor(now)) * 1000)
  return string.format("%s.%03dZ-%d-%s", day, part, ngx.worker.id() or 0, crypto.hex(crypto.random(3)))
end

--- What stands in core.audit_room.
local function finish()
  chains.finish(file.chain)
  local line, size = room.got()
  local ok, err = window.append(file.out, line, size)
  if not ok then return nil, err end
  chains.took(file.chain)
  return true
end

local function write(text)
  room.begin()
  room.text(text)
  return finish()
end

--- What was opened in vain has no line of a request.
local function drop(err)
  window.close(file.out)
  files.remove(home.audit, file.name .. M.OPENING)
  file = nil
  return nil, err
end

--- It gets its name when it stands in the ledger: whoever looks meanwhile finds neither, or both.
local function named()
  local ok, err = files.rename(home.audit, file.name .. M.OPENING, file.name .. M.ENDING)
  if ok then return true end
  -- In the ledger it stands: core.audit_seal names it later.
  window.close(file.out)
  file = nil
  return nil, err
end

local function open()
  local one = name()
  local fd, err = sys.open_at(home.audit, one .. M.OPENING, files.RDWR + sys.CREAT + sys.APPEND + files.EXCL, 384) -- 0600
  if not fd then return nil, err end
  file = { name = one, out = window.new(fd), chain = chains.new(one), opened = sys.msec() }
  local ok
  ok, err = files.lock(fd)
  if not ok then return drop(err) end
  ok, err = write('{"kind":"open","file":"' .. one .. '","format":1,"time":' .. ms(ngx.now())
    .. ',"worker":' .. (ngx.worker.id() or 0) .. ',"pid":' .. ngx.worker.pid())
  if not ok then return drop(err) end
  ok, err = ledger.opened(one)
  if not ok then return drop(err) end
  ok, err = named()
  if not ok then return nil, err end
  in_hand.writes(one)
  file.seal = chains.sealer("content", one)
  return true
end

local function keep(text)
  since = since or ngx.now()
  if not text or count >= WAITING then
    lost = lost + 1
    return
  end
  count = count + 1
  waiting[count] = text
end

--- What waited, in its order, then how much could not.
local function catch_up()
  for i = 1, count do
    local ok, err = write(waiting[i])
    if not ok then
      for j = i, count do waiting[j - i + 1] = waiting[j] end
      for j = count - i + 2, count do waiting[j] = nil end
      count = count - i + 1
      return nil, err
    end
  end
  waiting, count = {}, 0
  if lost > 0 then
    local ok, err = write('{"kind":"gap","time":' .. ms(ngx.now()) .. ',"since":' .. ms(since) .. ',"lost":' .. lost)
    if not ok then return nil, err end
  end
  lost, since = 0, nil
  return true
end

local function try()
  if not file then
    local ok, err = open()
    if not ok then return nil, err end
  end
  return catch_up()
end

local function fail(err)
  if failed ~= err then ngx.log(ngx.ALERT, "audit: nothing can be written: ", err) end
  failed, tried = err, sys.msec()
end

--- Whether lines can be written: opens the file, and looks once a second whether what failed works again.
--- @return true, or false and the reason
function M.ready()
  if file and not failed then return true end
  if failed and sys.msec() - tried < RETRY then return false, failed end
  local ok, err = try()
  if not ok then
    fail(err)
    return false, err
  end
  if failed then ngx.log(ngx.WARN, "audit: lines can be written again") end
  failed = nil
  return true
end

--- What waits and what opens a file is put together where this line stands.
local function write_later(text, minor)
  if M.ready() then
    local ok, err = write(text)
    if ok then return true end
    fail(err)
  end
  keep(not minor and text or nil)
  return false
end

--- Writes the text that stands in core.audit_room, a JSON object without its closing brace.
--- @param minor whether it is only counted while nothing can be written
--- @return true, or false: it waits, or was counted
function M.write(minor)
  if not file or failed then return write_later(room.string(), minor) end
  local _, size = room.got()
  local ok, err = finish()
  if ok then return true end
  fail(err)
  keep(not minor and room.string(size) or nil)
  return false
end

--- Seals a text for the line that is written next.
--- @return bytes, or nil when no file is open
function M.seal(id, text)
  return M.ready() and file.seal(id, text) or nil
end

--- Whether the file still stands in the folder: what is written to one that was taken away is lost.
local function stands()
  local fd, err = sys.open_at(home.audit, file.name .. M.ENDING, sys.RDONLY)
  if not fd then
    ngx.log(ngx.ALERT, "audit: ", file.name, " was taken away: ", err)
    return false
  end
  sys.close(fd)
  return true
end

--- Ends the file when it is as large or as old as the settings want, or is gone; the next line opens another.
function M.turn(options)
  if not file or failed then return false end
  if not stands() then return M.close() end
  local old = sys.msec() - file.opened >= options.rotateS * 1000
  if file.out.size < options.rotateBytes and not old then return false end
  return M.close()
end

--- Closes the file and enters its end in the ledger; without the ledger it stays open.
function M.close()
  if not file then return false end
  local ok, err = window.cut(file.out)
  if not ok then
    fail(err)
    return false
  end
  local ending = { lines = file.chain.seq, bytes = file.out.size, mac = chains.mac(file.chain), torn = 0 }
  ok, err = ledger.closed(file.name, ending, "itself")
  if not ok then
    fail(err)
    return false
  end
  -- Only where a worker ends while nothing can be written: it turns no file then.
  if count + lost > 0 then ngx.log(ngx.ALERT, "audit: ", count + lost, " lines were never written") end
  window.close(file.out)
  file = nil
  in_hand.writes ""
  return true
end

--- { file, bytes, failed, waiting, lost }: `file` is nil while none is open.
function M.state()
  return { file = file and file.name, bytes = file and file.out.size or 0, failed = failed, waiting = count, lost = lost }
end

return M
