-- Files in a folder that is held open: what the audit log needs of the system beyond plain reading and writing.
local ffi = require "ffi"
local sys = require "core.sys"

ffi.cdef [[
int flock(int fd, int operation);
int ftruncate(int fd, long length);
int fdatasync(int fd);
int sync_file_range(int fd, int64_t offset, int64_t count, unsigned int flags);
long lseek(int fd, long offset, int whence);
ssize_t pread(int fd, void *buf, size_t count, long offset);
int renameat(int from_dir, const char *from, int to_dir, const char *to);
int unlinkat(int dir, const char *name, int flags);
void *fdopendir(int fd);
int closedir(void *dir);
struct gateway_dirent { uint64_t ino; int64_t off; unsigned short reclen; unsigned char type; char name[256]; };
struct gateway_dirent *readdir(void *dir);
]]

local C = ffi.C
local EXCLUSIVE, AT_ONCE, END = 2, 4, 2
local WRITE_OUT = 2 -- SYNC_FILE_RANGE_WRITE
local buffer, room = nil, 0

local M = { RDWR = 2, EXCL = 0x80, TRUNC = 0x200 }

local function told(result)
  if result == 0 then return true end
  return nil, ffi.string(C.strerror(ffi.errno()))
end

--- Held until the file is closed or its process ends, however it ends. Waits for it.
function M.lock(fd)
  return told(C.flock(fd, EXCLUSIVE))
end

--- The same, but nil when another process (or another opening of the file) holds it.
function M.try_lock(fd)
  return told(C.flock(fd, EXCLUSIVE + AT_ONCE))
end

function M.size(fd)
  return tonumber(C.lseek(fd, 0, END))
end

function M.truncate(fd, size)
  return told(C.ftruncate(fd, size))
end

--- The disk begins to take what was written; nobody waits.
function M.flush(fd)
  return told(C.sync_file_range(fd, 0, 0, WRITE_OUT))
end

--- Its content is on the disk itself when this returns.
function M.sync(fd)
  return told(C.fdatasync(fd))
end

--- Up to `count` bytes from `offset`; "" at the end; nil and the reason.
function M.read(fd, offset, count)
  if count > room then
    buffer, room = ffi.new("char[?]", count), count
  end
  local n = tonumber(C.pread(fd, buffer, count, offset))
  if n < 0 then return told(-1) end
  return ffi.string(buffer, n)
end

function M.rename(dir, from, to)
  return told(C.renameat(dir, from, dir, to))
end

function M.remove(dir, name)
  return told(C.unlinkat(dir, name, 0))
end

--- Names in the folder, in no order; nil and the reason.
function M.list(dir)
  local fd, err = sys.open_at(dir, ".", sys.RDONLY)
  if not fd then return nil, err end
  local handle = C.fdopendir(fd)
  if handle == nil then
    sys.close(fd)
    return nil, "fdopendir failed"
  end
  local names = {}
  while true do
    local entry = C.readdir(handle)
    if entry == nil then break end
    names[#names + 1] = ffi.string(entry.name)
  end
  C.closedir(handle)
  return names
end

return M
