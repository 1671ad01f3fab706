-- Asks DNS servers for the addresses of a name: over UDP, and over TCP where the answer did not fit. Every question goes
-- out from a port and with an id of its own, so that an answer is hard to forge.
local ffi = require "ffi"
local message = require "core.dns_message"
local sys = require "core.sys"

ffi.cdef "int RAND_bytes(unsigned char *buf, int num);"

local tcp, udp = ngx.socket.tcp, ngx.socket.udp
local bytes = ffi.new "unsigned char[2]"

local M = {}

local function new_id()
  assert(ffi.C.RAND_bytes(bytes, 2) == 1, "no random bytes")
  return bytes[0] * 256 + bytes[1]
end

--- Answers to other questions are passed over until the time is up.
local function by_udp(server, question, read, timeout)
  local sock = udp()
  local ok, err = sock:setpeername(server.host, server.port)
  if not ok then return nil, err end
  ok, err = sock:send(question)
  local till = sys.msec() + timeout
  while ok do
    local left = till - sys.msec()
    if left <= 0 then
      err = "timeout"
      break
    end
    sock:settimeout(left)
    local packet
    packet, err = sock:receive()
    if not packet then break end
    local list, more = read(packet)
    if list or more ~= "stray" then
      sock:close()
      return list, more
    end
  end
  sock:close()
  return nil, err
end

local function exchange(sock, server, question)
  local ok, err = sock:connect(server.host, server.port)
  if not ok then return nil, err end
  ok, err = sock:send { string.char(math.floor(#question / 256), #question % 256), question }
  if not ok then return nil, err end
  local head
  head, err = sock:receive(2)
  if not head then return nil, err end
  return sock:receive(head:byte(1) * 256 + head:byte(2))
end

local function by_tcp(server, question, read, timeout)
  local sock = tcp()
  sock:settimeout(timeout)
  local packet, err = exchange(sock, server, question)
  sock:close()
  if not packet then return nil, err end
  return read(packet)
end

local function one(server, name, kind, timeout)
  local id = new_id()
  local question = message.question(id, name, kind)
  local function read(packet) return message.read(packet, id, name, kind) end
  local list, more = by_udp(server, question, read, timeout)
  if list or more ~= "truncated" then return list, more end
  return by_tcp(server, question, read, timeout)
end

--- Asks one server after the other until one knows. Needs a phase with cosockets.
--- @param servers a list of { host = an address, port = }
--- @param kind 'A' or 'AAAA'
--- @param timeout ms, for each server
--- @return a list of addresses and the seconds they hold, or nil and why
function M.ask(servers, name, kind, timeout)
  local list, more = nil, "no server"
  for _, server in ipairs(servers) do
    list, more = one(server, name, kind, timeout)
    if list or more == "NXDOMAIN" then break end
  end
  return list, more
end

--- The machine's own servers (resolv.conf(5)); IPv6 in brackets, as connect wants them.
function M.system()
  local file = io.open "/etc/resolv.conf"
  local text = file and file:read(65536) or ""
  if file then file:close() end
  local list = {}
  for host in ("\n" .. text):gmatch "\n%s*nameserver%s+([%x:.]+)" do
    list[#list + 1] = { host = host:find(":", 1, true) and "[" .. host .. "]" or host, port = 53 }
  end
  return list
end

return M
