-- The end of an open file of the audit log as memory: a line is copied there, without a system call. The kernel has it
-- from then on, as after a write(2): who dies loses none. Room is taken ahead, as zeros that are written: a full disk
-- shows then. Lines have no zero byte, and their newline comes last, so that what is only begun is no line.
local ffi = require "ffi"
local files = require "core.files"
local sys = require "core.sys"

local copy = ffi.copy

local STEP = 65536 -- bytes, of which any page has a whole number

-- ext4 and tmpfs, by their numbers in linux/magic.h: a file's room is its own there, and what stands in it changes in
-- place. XFS and btrfs may want new room for it, where a copy shares the old (cp makes such); without any, memory ends its
-- process (SIGBUS).
local IN_PLACE = { [0xEF53] = true, [0x01021994] = true }

local M = {}

--- Of an empty file, opened for reading and appending. `size`: bytes of its lines; `till`: where its room ends.
function M.new(fd)
  -- Other processors than x86 may show others the newline before the line.
  local as_memory = jit.arch == "x64" and IN_PLACE[files.system(fd)] or false
  return { fd = fd, size = 0, till = 0, as_memory = as_memory }
end

local function unmap(out)
  if out.at then files.unmap(out.at, out.bytes) end
  out.at = nil
end

local function map(out)
  unmap(out)
  local from = out.size - out.size % STEP
  out.bytes = out.till - from
  out.at = files.map(out.fd, out.bytes, from)
  if not out.at then return false end
  out.base = out.at - from
  return true
end

--- What there is room for stays: a shorter line may come.
local function reserve(out, to)
  local done, err = files.fill(out.fd, out.till, STEP * math.ceil(to / STEP) - out.till)
  out.till = out.till + done
  if done > 0 and not map(out) then
    out.as_memory, out.till = false, 0
    return files.truncate(out.fd, out.size)
  end
  if to > out.till then return nil, err end
  return true
end

local function call(out, line, size)
  local ok, err = sys.write(out.fd, line, size)
  if ok then
    out.size = out.size + size
    return true
  end
  -- Half a line is no line.
  files.truncate(out.fd, out.size)
  return nil, err
end

--- @param line `size` bytes in memory, the last of them the only newline
--- @return true, or nil and why: then nothing of it stands there
function M.append(out, line, size)
  local from = out.size
  local to = from + size
  if to > out.till then
    if out.as_memory then
      local ok, err = reserve(out, to)
      if not ok then return nil, err end
    end
    if not out.as_memory then return call(out, line, size) end
  end
  local at = out.base + from
  copy(at, line, size - 1)
  at[size - 1] = 10
  out.size = to
  return true
end

--- The file is as long as its lines. @return true, or nil and the reason
function M.cut(out)
  unmap(out)
  if out.till <= out.size then return true end
  out.till = out.size
  return files.truncate(out.fd, out.size)
end

function M.close(out)
  M.cut(out)
  sys.close(out.fd)
end

return M
