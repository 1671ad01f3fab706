-- The book of the audit log's files: one chained line when a file is opened and one when it is closed, with how it ends.
-- A file that is missing, and lines cut off its end, show here. Written rarely, by any worker, under the file's lock.
local chains = require "core.audit_chain"
local files = require "core.files"
local home = require "core.home"
local sys = require "core.sys"

local dict = ngx.shared.gateway_audit

local NAME = "ledger.ndjson"
local TAIL = 8192 -- bytes; a line has less

local M = {}
local chain

--- @return the last whole line, or nil, and how many bytes of a torn one stand after it
local function tail(fd)
  local size = files.size(fd)
  local from = math.max(0, size - TAIL)
  local text, err = files.read(fd, from, TAIL)
  if not text then return nil, nil, err end
  local whole, rest = text:match "^(.*\n)(.*)$"
  if not whole then return nil, #text end
  return whole:match "([^\n]*)\n$", #rest
end

--- Where the chain goes on: after the last line, or, where lines were taken off since, after the last we know of, so
--- that the gap shows.
local function resume(fd)
  local line, torn, err = tail(fd)
  if not torn then return nil, err end
  local seq, mac = 0, ""
  if line then
    seq, mac = chains.ending(line)
    if not seq then return nil, "the ledger's last line is none of ours" end
  end
  local known, known_mac = (dict:get "head" or ""):match "^(%d+) (.+)$"
  if known and tonumber(known) > seq then
    ngx.log(ngx.ALERT, "audit: the ledger ends at line ", seq, ", and had ", known)
    seq, mac = tonumber(known), known_mac
  end
  chain = chain or chains.new(NAME)
  chains.set(chain, seq, mac)
  return torn
end

local function add(fd, text)
  local ok, err = files.lock(fd)
  if not ok then return nil, err end
  local torn
  torn, err = resume(fd)
  if not torn then return nil, err end
  local size = files.size(fd) - torn
  -- What a power cut left of a line: nobody was told of it.
  if torn > 0 then
    files.truncate(fd, size)
    text = text .. ',"torn_before":' .. torn
  end
  ok, err = sys.write(fd, chains.line(chain, text))
  if not ok then
    files.truncate(fd, size)
    return nil, err
  end
  chains.took(chain)
  dict:set("head", chain.seq .. " " .. chains.mac(chain))
  return true
end

local function append(text)
  local fd, err = sys.open_at(home.audit, NAME, files.RDWR + sys.CREAT + sys.APPEND, 384) -- 0600
  if not fd then return nil, err end
  local ok
  ok, err = add(fd, text)
  sys.close(fd)
  return ok, err
end

local function now()
  return string.format("%.3f", ngx.now())
end

--- @return true, or nil and the reason
function M.opened(file)
  return append('{"kind":"opened","file":"' .. file .. '","time":' .. now())
end

--- @param ending { lines, bytes, mac, torn }: of its whole lines, and how many bytes of a torn one stand after them
--- @param by 'itself', or 'another' when its worker was no longer there to do it
function M.closed(file, ending, by)
  return append('{"kind":"closed","file":"' .. file .. '","time":' .. now() .. ',"lines":' .. ending.lines
    .. ',"bytes":' .. ending.bytes .. ',"last":"' .. ending.mac .. '","torn":' .. ending.torn .. ',"by":"' .. by .. '"')
end

--- @return whether the ledger says that the file was opened, and that it was closed
function M.knows(file)
  local text = sys.read_at(home.audit, NAME) or ""
  local function has(kind) return text:find('"kind":"' .. kind .. '","file":"' .. file .. '"', 1, true) ~= nil end
  return has "opened", has "closed"
end

return M
