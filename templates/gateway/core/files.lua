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
ssize_t pwrite(int fd, const void *buf, size_t count, long offset);
void *mmap(void *addr, size_t length, int prot, int flags, int fd, long offset);
int munmap(void *addr, size_t length);
int fstatfs(int fd, void *about);
int ioctl(int fd, unsigned long request, ...);
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
local READ_WRITE, SHARED = 3, 1
local GET_FLAGS, SET_FLAGS, NO_COPY = 0x80086601, 0x40086602, 0x00800000 -- linux/fs.h, of 64-bit machines
local buffer, room = nil, 0
local ZEROS = 65536
local zeros = ffi.new("char[?]", ZEROS)

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

--- What is written to the empty file stays where it first was, also on btrfs: by its rule each change takes new room,
--- and where there is none, one made as memory ends its process (SIGBUS). Other file systems know no such flag.
function M.stay(fd)
  local flags = ffi.new "int[1]"
  if C.ioctl(fd, GET_FLAGS, flags) ~= 0 then return end
  flags[0] = bit.bor(flags[0], NO_COPY)
  C.ioctl(fd, SET_FLAGS, flags)
end

--- Zeros from `offset` on, where the file ends. @return how many there was room for, and why not for all
function M.fill(fd, offset, count)
  local done = 0
  while done < count do
    local n = tonumber(C.pwrite(fd, zeros, math.min(count - done, ZEROS), offset + done))
    if n <= 0 then
      local _, err = told(n)
      return done, err or "nothing was written"
    end
    done = done + n
  end
  return done
end

--- Which file system it stands on: its number in linux/magic.h.
function M.system(fd)
  local about = ffi.new "int64_t[64]"
  return C.fstatfs(fd, about) == 0 and tonumber(about[0]) or 0
end

--- `bytes` of the file, from an offset that is a whole number of pages (0 when left out), as memory that its processes
--- share: a `char *`, or nil and the reason.
function M.map(fd, bytes, from)
  local at = C.mmap(nil, bytes, READ_WRITE, SHARED, fd, from or 0)
  if ffi.cast("intptr_t", at) == -1 then return told(-1) end
  return ffi.cast("char *", at)
end

function M.unmap(at, bytes)
  C.munmap(at, bytes)
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
