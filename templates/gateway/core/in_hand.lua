-- The requests that are in hand, in memory that all processes of this nginx share: when a worker dies, another one reads
-- there what it had in hand and writes the lines it could not. Each worker has a region of its own, so that nobody waits
-- for a lock. The memory is made once by the master and outlives reloads.
local ffi = require "ffi"
local claim = require "core.claim"
local sys = require "core.sys"

ffi.cdef [[
typedef struct { double started; int size; char text[500]; } gateway_slot;
typedef struct { int used; char file[60]; } gateway_region;
void *mmap(void *addr, size_t length, int prot, int flags, int fd, long offset);
]]

local dict = ngx.shared.gateway_audit
local ROOM = 500 -- bytes of a slot's text
local READ_WRITE, SHARED, ANONYMOUS, NORESERVE = 3, 1, 0x20, 0x4000
local ADOPTING = 30 -- seconds after which a claim is forgotten

local copy = ffi.copy
local M = {}
local regions, slots, arena -- arena: { regions, slots }
local mine, own, file
local free, top, fresh = {}, 0, 0

--- In the master. Pages that nobody touches cost nothing.
--- @param connections of a worker: it has no more requests in hand
function M.init(connections)
  if dict:get "address" then return end
  local count = math.max(16, 4 * ngx.worker.count())
  local bytes = count * (ffi.sizeof "gateway_region" + connections * ffi.sizeof "gateway_slot")
  local at = ffi.C.mmap(nil, bytes, READ_WRITE, SHARED + ANONYMOUS + NORESERVE, -1, 0)
  local address = tonumber(ffi.cast("intptr_t", at))
  if address == -1 then error("no memory for the list of requests in hand", 0) end
  dict:set("regions", count)
  dict:set("slots", connections)
  dict:set("address", address)
end

local function slots_of(region)
  return slots + region * arena.slots
end

--- In each worker, before its first request.
function M.work()
  arena = { regions = dict:get "regions", slots = dict:get "slots" }
  regions = ffi.cast("gateway_region *", ffi.cast("intptr_t", dict:get "address"))
  slots = ffi.cast("gateway_slot *", regions + arena.regions)
  for i = 0, arena.regions - 1 do
    if dict:add("region:" .. i, ngx.worker.pid()) then
      mine = i
      own = slots_of(i)
      return
    end
  end
  ngx.log(ngx.ALERT, "audit: no room to list the requests in hand")
end

--- Lists a request. Without room it goes unlisted.
function M.enter(req)
  local i
  if top > 0 then
    i = free[top]
    top = top - 1
  elseif mine and fresh < arena.slots then
    i = fresh
    fresh = fresh + 1
    regions[mine].used = fresh
  else
    return
  end
  local slot = own[i]
  local text = '{"id":"' .. req.id .. '","route":"' .. req.route .. '"'
  slot.started = ngx.now()
  copy(slot.text, text, #text)
  slot.size = #text
  req.slot = i
end

--- Adds what became known of it; a text that does not fit is left out.
function M.tell(req, text)
  local i = req.slot
  if not i then return end
  local slot = own[i]
  local size = slot.size
  if size + #text > ROOM then return end
  copy(slot.text + size, text, #text)
  slot.size = size + #text
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
  if not mine or name == file then return end
  file = name
  copy(regions[mine].file, name)
end

local function each(region, visit)
  local list = slots_of(region)
  for i = 0, regions[region].used - 1 do
    local slot = list[i]
    local size = slot.size
    if size ~= 0 then
      visit(ffi.string(slot.text, math.abs(size)), slot.started, size < 0)
      slot.size = 0
    end
  end
end

local function release(region)
  regions[region].used, regions[region].file[0] = 0, 0
  dict:delete("region:" .. region)
end

--- This worker ends: what it still has in hand, by `visit(text, started, closing)`; its region is another's then.
function M.give_up(visit)
  if not mine then return end
  each(mine, visit)
  release(mine)
  mine = nil
end

local function adopt(region, pid, visit)
  local mine_to_do = claim.take(dict, "adopting:" .. region, ADOPTING)
  if not mine_to_do then return false end
  -- Another may have been done with it just now, and a new worker begun there.
  local still = dict:get("region:" .. region) == pid
  if still then
    local name = ffi.string(regions[region].file)
    each(region, function(text, started, closing) visit(text, started, closing, name) end)
    release(region)
  end
  claim.give(mine_to_do)
  return still
end

--- What workers that are gone had in hand.
--- @param visit(text, started, closing, file) for each request; `closing`: its line may have been written
--- @return how many workers were found gone
function M.adopt(visit)
  local gone = 0
  for i = 0, arena.regions - 1 do
    local pid = dict:get("region:" .. i)
    if pid and pid ~= ngx.worker.pid() and not sys.alive(pid) and adopt(i, pid, visit) then gone = gone + 1 end
  end
  return gone
end

return M
