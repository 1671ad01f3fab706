-- RESP2 both ways on a cosocket. Replies become: a string, a number, false for nil, a list, or { error = words }.
-- A reader holds to one clock over all it reads, so that a server that trickles cannot stretch it.
local clocks = require "core.redis_clock"

local byte, find, format, sub = string.byte, string.find, string.format, string.sub
local concat = table.concat
local left_of = clocks.left

local PIECE = 65536
local LONGEST_LINE = 4096
local LARGEST = 64 * 1024 * 1024 -- bytes of a bulk string; Redis allows 512 MiB
local DEEPEST = 8

local M = {}
local Reader = {}
Reader.__index = Reader

--- Appends a command, a list of strings and whole numbers, to a list of strings that a socket's send takes.
function M.encode(out, command)
  local n = #out
  out[n + 1] = "*" .. #command .. "\r\n"
  for i = 1, #command do
    local word = command[i]
    if type(word) == "number" then word = format("%d", word) end
    out[n + 2] = "$" .. #word .. "\r\n"
    out[n + 3] = word
    out[n + 4] = "\r\n"
    n = n + 3
  end
  return out
end

--- @param clock of core.redis_clock
function M.reader(sock, clock)
  return setmetatable({ sock = sock, clock = clock, text = "", at = 1 }, Reader)
end

--- Whether all that came was read.
function Reader:drained()
  return self.at > #self.text
end

function Reader:receive()
  local left = left_of(self.clock)
  if not left then return nil, "timeout" end
  self.sock:settimeout(left)
  return self.sock:receiveany(PIECE)
end

function Reader:line()
  local from = self.at
  while true do
    local stop = find(self.text, "\r\n", from, true)
    if stop then
      local line = sub(self.text, self.at, stop - 1)
      self.at = stop + 2
      return line
    end
    local kept = sub(self.text, self.at)
    if #kept > LONGEST_LINE then return nil, "protocol: a line without end" end
    local data, err = self:receive()
    if not data then return nil, err end
    self.text, self.at = kept .. data, 1
    from = #kept > 0 and #kept or 1
  end
end

function Reader:bulk(size)
  local have = #self.text - self.at + 1
  if have < size + 2 then
    local parts = { sub(self.text, self.at) }
    while have < size + 2 do
      local data, err = self:receive()
      if not data then return nil, err end
      parts[#parts + 1] = data
      have = have + #data
    end
    self.text, self.at = concat(parts), 1
  end
  local at = self.at
  if sub(self.text, at + size, at + size + 1) ~= "\r\n" then return nil, "protocol: a bulk string without end" end
  self.at = at + size + 2
  return sub(self.text, at, at + size - 1)
end

local function length(text, most)
  local n = tonumber(text)
  return n and n >= -1 and n <= most and n % 1 == 0 and n
end

local readers

--- @return the reply, or nil and 'timeout', 'closed', 'protocol: …' or the system's words
function Reader:read(depth)
  local line, err = self:line()
  if not line then return nil, err end
  local read = readers[byte(line)]
  if not read then return nil, "protocol: an unknown type" end
  return read(self, sub(line, 2), depth or 0)
end

local function read_list(self, rest, depth)
  local n = length(rest, LARGEST)
  if not n or depth >= DEEPEST then return nil, "protocol: a broken array" end
  if n < 0 then return false end
  local list = {}
  for i = 1, n do
    local value, err = self:read(depth + 1)
    if value == nil then return nil, err end
    list[i] = value
  end
  return list
end

readers = {
  [byte "+"] = function(_, rest) return rest end,
  [byte "-"] = function(_, rest) return { error = rest } end,
  [byte ":"] = function(_, rest)
    local n = tonumber(rest)
    if not n then return nil, "protocol: a broken number" end
    return n
  end,
  [byte "$"] = function(self, rest)
    local n = length(rest, LARGEST)
    if not n then return nil, "protocol: a broken length" end
    if n < 0 then return false end
    return self:bulk(n)
  end,
  [byte "*"] = read_list,
}

return M
