-- The requests that are in hand, each worker's in a file of its own that it writes to as memory: no system call a request.
-- It outlives its worker, and the whole gateway: whoever finds a file whose lock nobody holds, a worker of the same
-- gateway or of the next one, writes the lines that are due. Ids, routes, and the names of keys, tenants, models and
-- versions stand in it, nothing else.
local ffi = require "ffi"
local crypto = require "core.crypto"
local files = require "core.files"
local home = require "core.home"
local sys = require "core.sys"

-- A slot is free while its size is 0; below 0, the request's line is being written. Its text: id, route, more.
ffi.cdef [[
typedef struct { double started; int size; short id, route; char text[496]; } gateway_slot;
typedef struct { char format[16], boot[40], gateway[24], file[64]; int used; char more[364]; } gateway_list;
]]

local dict = ngx.shared.gateway_audit
local ROOM = 496 -- bytes of a slot's text
local SLOT, HEAD = ffi.sizeof "gateway_slot", ffi.sizeof "gateway_list"
local STEP = 65536 -- bytes, of which any page has a whole number
local FORMAT = "in-hand-1"
local ENDING, OPENING = ".list", ".opening"

local copy = ffi.copy
local M = {}
local most -- slots of a worker
local mine -- { name, fd, list, slots }
local own -- its slots
local file = "" -- of the audit log, which this worker writes to
local free, top, fresh, room, filled = {}, 0, 0, 0, 0 -- fresh, room: slots; filled: bytes of the file
local complained = {} -- names of files that cannot be read

--- In the master. @param connections of a worker: it has no more requests in hand
function M.init(connections)
  most = connections
  dict:safe_add("gateway", crypto.hex(crypto.random(8)))
end

--- Of the machine: what a power cut left of a file is not what was in it.
local function boot()
  local from = io.open "/proc/sys/kernel/random/boot_id"
  local text = from and from:read "*l"
  if from then from:close() end
  return text or "unknown"
end

local function mapped(name, fd)
  local bytes = files.size(fd)
  local at, err = files.map(fd, bytes)
  if not at then return nil, err end
  local slots = ffi.cast("gateway_slot *", at + HEAD)
  return { name = name, fd = fd, at = at, bytes = bytes, list = ffi.cast("gateway_list *", at), slots = slots }
end

local function close(one)
  files.unmap(one.at, one.bytes)
  sys.close(one.fd)
end

--- The disk has room for whole pages before they are written to as memory: without it, that ends the worker (SIGBUS).
local function grow(fd)
  if room == most then return nil, "more requests in hand than connections" end
  local done, err = files.fill(fd, filled, STEP)
  if done < STEP then return nil, err end
  filled = filled + STEP
  room = math.min(most, math.floor((filled - HEAD) / SLOT))
  return true
end

local function made(fd)
  fresh, top, room, filled = 0, 0, 0, 0
  local ok, err = files.lock(fd)
  files.stay(fd)
  if ok then ok, err = grow(fd) end
  if ok then ok, err = files.truncate(fd, STEP * math.ceil((HEAD + most * SLOT) / STEP)) end
  return ok, err
end

--- It has its name once it is locked and says whose it is.
local function named(one)
  local list = one.list
  copy(list.format, FORMAT)
  copy(list.boot, boot())
  copy(list.gateway, dict:get "gateway")
  copy(list.file, file)
  return files.rename(home.in_hand, one.name .. OPENING, one.name .. ENDING)
end

local function opened(name)
  local flags = files.RDWR + sys.CREAT + files.EXCL
  local fd, err = sys.open_at(home.in_hand, name .. OPENING, flags, 384) -- 0600
  if not fd then return nil, err end
  local ok, one
  ok, err = made(fd)
  if ok then one, err = mapped(name, fd) end
  if not one then
    files.remove(home.in_hand, name .. OPENING)
    sys.close(fd)
    return nil, err
  end
  ok, err = named(one)
  if ok then return one end
  close(one)
  return nil, err
end

--- In each worker, before its first request, and again as long as that fails.
function M.work()
  local one, err
  -- Between the file's making and its lock another worker may take it for one that was left.
  for _ = 1, mine and 0 or 3 do
    one, err = opened(ngx.worker.pid() .. "-" .. crypto.hex(crypto.random(4)))
    if one then
      mine, own = one, one.slots
      return
    end
  end
  if err and not complained.mine then
    ngx.log(ngx.ALERT, "audit: the requests in hand are not listed: ", err)
    complained.mine = true
  end
end

--- Lists a request. Without room it goes unlisted.
function M.enter(req)
  local i
  if top > 0 then
    i = free[top]
    top = top - 1
  elseif mine and (fresh < room or grow(mine.fd)) then
    i = fresh
    fresh = fresh + 1
    mine.list.used = fresh
  else
    return
  end
  local slot, id, route = own[i], req.id, req.route
  slot.started = ngx.now()
  slot.id, slot.route = #id, #route
  copy(slot.text, id, #id)
  copy(slot.text + #id, route, #route)
  slot.size = #id + #route
  req.slot = i
end

--- Adds what became known of it; texts that do not fit are left out.
function M.tell(req, a, b, c)
  local i = req.slot
  if not i then return end
  local slot = own[i]
  local from = slot.size
  local size = from + #a + #b + #c
  if size > ROOM then return end
  copy(slot.text + from, a, #a)
  copy(slot.text + from + #a, b, #b)
  copy(slot.text + from + #a + #b, c, #c)
  slot.size = size
end

--- Its line is about to be written: should we die now, the file tells whether it was.
function M.closing(req)
  local i = req.slot
  if i then own[i].size = -own[i].size end
end

function M.leave(req)
  local i = req.slot
  if not i then return end
  req.slot = nil
  own[i].size = 0
  top = top + 1
  free[top] = i
end

--- Which file this worker writes to: whoever adopts its requests looks there for the last of them.
function M.writes(name)
  file = name
  if mine then copy(mine.list.file, name) end
end

local function listed(slot)
  local id, route = slot.id, slot.route
  local size = math.abs(slot.size)
  if id < 0 or route < 0 or id + route > size or size > ROOM then return nil end
  return '{"id":"' .. ffi.string(slot.text, id) .. '","route":"' .. ffi.string(slot.text + id, route) .. '"'
    .. ffi.string(slot.text + id + route, size - id - route)
end

--- The line of the last request may have been written; from here on we may die as its worker did.
local function settle(one, written)
  local from = ffi.string(one.list.file)
  for i = 0, one.list.used - 1 do
    local slot = one.slots[i]
    if slot.size < 0 then slot.size = written(listed(slot) or "", from) and 0 or -slot.size end
  end
  copy(one.list.file, file)
end

local function holds(one)
  for i = 0, one.list.used - 1 do
    if one.slots[i].size ~= 0 then return true end
  end
end

--- @param due { ready(), written(text, file), write(text, started, killed) }; `killed`: its whole gateway was
local function hand_over(one, due)
  if not holds(one) then return end
  local killed = ffi.string(one.list.gateway) ~= dict:get "gateway"
  due.ready()
  settle(one, due.written)
  for i = 0, one.list.used - 1 do
    local slot = one.slots[i]
    if slot.size ~= 0 then
      local text = listed(slot)
      slot.size = -slot.size
      if text then due.write(text, slot.started, killed) end
      slot.size = 0
    end
  end
end

--- This worker ends: what it still has in hand.
function M.give_up(due)
  if not mine then return end
  hand_over(mine, due)
  files.remove(home.in_hand, mine.name .. ENDING)
  close(mine)
  mine, own, top, fresh, room = nil, nil, 0, 0, 0
end

--- @return nil and why for what cannot be read: another's, of another release, or what a power cut left
local function left(name, fd)
  if files.size(fd) < HEAD then return nil, "it is cut short" end
  local one, err = mapped(name, fd)
  if not one then return nil, err end
  local list = one.list
  local most_of_it = math.floor((one.bytes - HEAD) / SLOT)
  if ffi.string(list.format) ~= FORMAT then err = "it is of another release" end
  if ffi.string(list.boot) ~= boot() then err = "the machine was started anew since" end
  if list.used < 0 or list.used > most_of_it then err = "it is no list" end
  if not err then return one end
  files.unmap(one.at, one.bytes)
  return nil, err
end

local function adopt(name, due)
  local fd, err = sys.open_at(home.in_hand, name, files.RDWR)
  if not fd then return false, err end
  -- Its worker lives.
  if not files.try_lock(fd) then
    sys.close(fd)
    return false
  end
  local one
  if name:sub(-#ENDING) == ENDING then one, err = left(name, fd) end
  if one then hand_over(one, due) end
  files.remove(home.in_hand, name)
  if one then close(one) else sys.close(fd) end
  return one ~= nil, err
end

--- What workers that are gone had in hand, of this gateway or of one before.
--- @param due see hand_over
--- @return how many workers were found gone
function M.adopt(due)
  local gone = 0
  for _, name in ipairs(files.list(home.in_hand) or {}) do
    if name:find "^%d+%-%x+%.%l+$" and (not mine or name ~= mine.name .. ENDING) then
      local found, err = adopt(name, due)
      if found then gone = gone + 1 end
      if err and not complained[name] then
        ngx.log(ngx.WARN, "audit: requests in hand, ", name, ": ", err)
        complained[name] = true
      end
    end
  end
  return gone
end

return M
