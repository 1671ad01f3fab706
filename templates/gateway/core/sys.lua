-- The few system calls that nginx does not offer: a directory held open by the master (workers that run as nobody may
-- not walk the path to it), unbuffered appends, and nginx's own monotonic clock.
local ffi = require "ffi"

ffi.cdef [[
int open(const char *path, int flags, ...);
int openat(int dirfd, const char *path, int flags, ...);
ssize_t read(int fd, void *buf, size_t count);
ssize_t write(int fd, const void *buf, size_t count);
int close(int fd);
int mkdirat(int dirfd, const char *path, unsigned int mode);
int fchown(int fd, unsigned int owner, unsigned int group);
unsigned int geteuid(void);
int kill(int pid, int sig);
char *strerror(int errnum);
struct gateway_passwd { char *name; char *password; unsigned int uid; unsigned int gid; };
struct gateway_passwd *getpwnam(const char *name);
extern volatile uintptr_t ngx_current_msec;
]]

local C = ffi.C
local int = ffi.typeof "int"
local CHUNK = 65536
local chunk = ffi.new("char[?]", CHUNK)

local M = {
  RDONLY = 0,
  WRONLY = 1,
  CREAT = 0x40,
  APPEND = 0x400,
  CLOEXEC = 0x80000,
}

local function why()
  return ffi.string(C.strerror(ffi.errno()))
end

--- For what every request asks: `tonumber(clock.ngx_current_msec)`, as M.msec, but no call. LuaJIT gives a function up for
--- good when traces that begin in it keep failing in its callers, and then compiles none of these either.
M.clock = C

--- Milliseconds of a clock that never jumps, as fresh as nginx's last event.
function M.msec()
  return tonumber(C.ngx_current_msec)
end

--- @return the descriptor, or nil and the reason
function M.open_dir(path)
  local fd = C.open(path, int(M.RDONLY + M.CLOEXEC))
  if fd < 0 then return nil, why() end
  return fd
end

function M.open_at(dir, name, flags, mode)
  local fd = C.openat(dir, name, int(flags + M.CLOEXEC), int(mode or 0))
  if fd < 0 then return nil, why() end
  return fd
end

--- The folder `name` under `dir`, made when missing and given to the user the workers run as.
function M.make_dir(dir, name, mode, user)
  C.mkdirat(dir, name, mode)
  local fd, err = M.open_at(dir, name, M.RDONLY)
  if not fd then return nil, err end
  if user and C.geteuid() == 0 then
    local entry = C.getpwnam(user)
    if entry == nil then return nil, "no such user: " .. user end
    if C.fchown(fd, entry.uid, entry.gid) ~= 0 then return nil, why() end
  end
  return fd
end

function M.close(fd)
  C.close(fd)
end

--- The whole file under `dir`, or nil and the reason.
function M.read_at(dir, name)
  local fd, err = M.open_at(dir, name, M.RDONLY)
  if not fd then return nil, err end
  local parts = {}
  while true do
    local n = tonumber(C.read(fd, chunk, CHUNK))
    if n == 0 then break end
    if n < 0 then
      err = why()
      C.close(fd)
      return nil, err
    end
    parts[#parts + 1] = ffi.string(chunk, n)
  end
  C.close(fd)
  return table.concat(parts)
end

--- What a short write left over is written too: that tells why it was short.
local function rest(fd, text, size, from)
  local bytes = ffi.cast("const char *", text)
  while from < size do
    local n = tonumber(C.write(fd, bytes + from, size - from))
    if n <= 0 then return nil, n < 0 and why() or "nothing was written" end
    from = from + n
  end
  return true
end

--- All of it, by one write(2) as a rule, or a reason. @param text a string, or `size` bytes in memory
function M.write(fd, text, size)
  size = size or #text
  local n = tonumber(C.write(fd, text, size))
  if n == size then return true end
  if n < 0 then return nil, why() end
  return rest(fd, text, size, n)
end

--- Whether a process with this id exists (signal 0; EPERM counts as alive).
function M.alive(pid)
  return C.kill(pid, 0) == 0 or ffi.errno() == 1
end

return M
