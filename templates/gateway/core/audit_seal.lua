-- Files of the audit log that nobody writes to any more: entered in the ledger as closed where their worker could not do
-- it, then sealed with AES-256-GCM, a piece at a time, so that a large one holds up no request. A file is known to be
-- left by its lock.
--
-- A sealed file is one line of JSON that names the file, then pieces: four bytes of length (big-endian), nonce,
-- ciphertext, tag. A piece belongs to its file, its number and whether it is the last. src/audit/sealed.ts reads the same.
local chains = require "core.audit_chain"
local claim = require "core.claim"
local file = require "core.audit_file"
local files = require "core.files"
local home = require "core.home"
local ledger = require "core.audit_ledger"
local sys = require "core.sys"

local char, floor = string.char, math.floor

local dict = ngx.shared.gateway_audit

local PIECE = 128 * 1024
local PAUSE = 0.005 -- seconds between pieces
local SETTLE = 3 -- seconds until the disk has most of what was written
local LEASE = 30 -- seconds after which a claim is forgotten, and a file without a line

local M = { ENDING = ".sealed" }
local held -- the claim of this worker, which looks after the files now

local function length(n)
  return char(floor(n / 2 ^ 24), floor(n / 2 ^ 16) % 256, floor(n / 256) % 256, n % 256)
end

local function pause(seconds)
  claim.keep(held)
  ngx.sleep(seconds or PAUSE)
  return not ngx.worker.exiting()
end

--- Zeros at the end are room that its worker had no time to give back. @return what is left of `rest`
local function cut(fd, bytes, rest)
  local size = #rest
  while rest:byte(size) == 0 do size = size - 1 end
  if size < #rest then
    local ok, err = files.truncate(fd, bytes + size)
    if not ok then return nil, err end
  end
  return size
end

--- Whole lines, bytes and last MAC of a file, whatever stands after them; nil when it is none of ours.
local function ending_of(fd, name)
  local chain = chains.new(name)
  local at, rest = 0, ""
  while true do
    local text, err = files.read(fd, at, PIECE)
    if not text then return nil, err end
    if text == "" then break end
    at = at + #text
    rest = rest .. text
    local from, to = 1, rest:find("\n", 1, true)
    while to do
      if not chains.follows(chain, rest:sub(from, to - 1)) then return nil, "its line " .. chain.seq + 1 .. " does not fit" end
      from = to + 1
      to = rest:find("\n", from, true)
    end
    rest = rest:sub(from)
    if not pause() then return nil, "this worker ends" end
  end
  if chain.seq == 0 then return nil, "it has no whole line" end
  local torn, err = cut(fd, at - #rest, rest)
  if not torn then return nil, err end
  return { lines = chain.seq, bytes = at - #rest, mac = chains.mac(chain), torn = torn }
end

--- @return true once the ledger says that the file is closed
local function enter(fd, name)
  local opened, closed = ledger.knows(name)
  if closed then return true end
  local ending, err = ending_of(fd, name)
  if not ending then return nil, err end
  -- Its worker died between making the file and saying so.
  if not opened then
    local ok
    ok, err = ledger.opened(name)
    if not ok then return nil, err end
  end
  return ledger.closed(name, ending, "another")
end

local function pieces(from, to, name)
  local seal = chains.sealer("sealed", name)
  local size, at, number = files.size(from), 0, 0
  local ok, err = sys.write(to, '{"format":"deepseek-audit-sealed-1","file":"' .. name .. '"}\n')
  while ok and at < size do
    local text
    text, err = files.read(from, at, PIECE)
    if not text or text == "" then return nil, err or "it became shorter" end
    at, number = at + #text, number + 1
    local sealed = seal(number .. (at >= size and ":last" or ":more"), text)
    ok, err = sys.write(to, length(#sealed) .. sealed)
    files.flush(to)
    if ok and not pause(number > 1 and at >= size and SETTLE) then return nil, "this worker ends" end
  end
  if ok then ok, err = files.sync(to) end
  return ok, err
end

--- The open text is removed only when the sealed one is on the disk.
local function seal(fd, name)
  local part = name .. ".sealing"
  local to, err = sys.open_at(home.audit, part, sys.WRONLY + sys.CREAT + files.TRUNC, 384) -- 0600
  if not to then return nil, err end
  local ok
  ok, err = pieces(fd, to, name)
  sys.close(to)
  if ok then ok, err = files.rename(home.audit, part, name .. M.ENDING) end
  if not ok then
    files.remove(home.audit, part)
    return nil, err
  end
  return files.remove(home.audit, name .. file.ENDING)
end

local function left(name)
  local fd = sys.open_at(home.audit, name .. file.ENDING, files.RDWR)
  if not fd then return end
  -- Nobody holds it: its worker closed it, or is gone.
  if files.try_lock(fd) then
    local ok, err = enter(fd, name)
    if ok then ok, err = seal(fd, name) end
    if not ok then ngx.log(ngx.ERR, "audit: ", name, " is not sealed: ", err) end
  end
  sys.close(fd)
end

--- A file whose worker died before it gave it its name; one without a line stands in no ledger, and is nobody's after a
--- while.
local function unnamed(name)
  local fd = sys.open_at(home.audit, name .. file.OPENING, sys.RDONLY)
  if not fd then return end
  if files.try_lock(fd) then
    if (files.read(fd, 0, PIECE) or ""):find("\n", 1, true) or ledger.knows(name) then
      files.rename(home.audit, name .. file.OPENING, name .. file.ENDING)
    elseif name < os.date("!%Y%m%dT%H%M%S", ngx.time() - LEASE) then
      files.remove(home.audit, name .. file.OPENING)
    end
  end
  sys.close(fd)
end

--- Looks at all files once; one worker does at a time.
function M.pass(premature)
  if premature or held then return end
  held = claim.take(dict, "sealing", LEASE)
  if not held then return end
  local names, err = files.list(home.audit)
  if not names then ngx.log(ngx.ERR, "audit: ", err) end
  for _, name in ipairs(names or {}) do
    local stem, ending = name:match "^(%d+T%d+%.%d+Z%-%d+%-%x+)(%.%l+)$"
    if ending == file.OPENING then unnamed(stem) end
    if (ending == file.OPENING or ending == file.ENDING) and not ngx.worker.exiting() then left(stem) end
  end
  claim.give(held)
  held = nil
end

--- A pass as soon as this worker comes to it.
function M.soon()
  local ok, err = ngx.timer.at(0, M.pass)
  if not ok then ngx.log(ngx.ERR, "audit: ", err) end
end

return M
