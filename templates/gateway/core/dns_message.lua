-- DNS messages (RFC 1035, 3596): a question for the addresses of a name, and the reader of what comes back. Nothing here
-- raises, whatever the packet holds; what lies beyond its end reads as missing.
local byte, char, sub = string.byte, string.char, string.sub
local format, lower = string.format, string.lower

local IN = 1
local CNAME = 5
local HOPS = 16 -- of compression pointers in a name, and of CNAMEs in an answer
local codes = { [1] = "FORMERR", [2] = "SERVFAIL", [3] = "NXDOMAIN", [4] = "NOTIMP", [5] = "REFUSED" }

local M = { types = { A = 1, AAAA = 28 } }

--- Whether it is an address already: nothing to look up.
function M.is_address(host)
  return host:find(":", 1, true) ~= nil or host:find "^%d+%.%d+%.%d+%.%d+$" ~= nil
end

--- @return the name without its last dot in lower case, or nil when it is none (RFC 1035, 2.3.4; `_` as DNS-SD has it)
function M.name(text)
  local name = lower(text):gsub("%.$", "")
  if #name == 0 or #name > 253 or name:find "%.%." or name:sub(1, 1) == "." then return nil end
  for label in name:gmatch "[^.]+" do
    if #label > 63 or not label:find "^[%w_-]+$" then return nil end
  end
  return name
end

local function short(number)
  return char(math.floor(number / 256), number % 256)
end

--- @param id of 16 bits @param name as M.name returns it @param kind 'A' or 'AAAA'
function M.question(id, name, kind)
  local labels = name:gsub("[^.]+%.?", function(label)
    label = label:gsub("%.", "")
    return char(#label) .. label
  end)
  -- Recursion is desired; one question.
  return short(id) .. "\1\0\0\1\0\0\0\0\0\0" .. labels .. "\0" .. short(M.types[kind]) .. short(IN)
end

local function u16(packet, at)
  local a, b = byte(packet, at, at + 1)
  return b and a * 256 + b
end

local function u32(packet, at)
  local high, low = u16(packet, at), u16(packet, at + 2)
  return low and high * 65536 + low
end

--- @return the name at `at` in lower case and where what follows begins, or nil
local function read_name(packet, at)
  local labels, after, hops = {}, nil, 0
  while true do
    local length = byte(packet, at)
    if not length then return nil end
    if length == 0 then return table.concat(labels, "."), after or at + 1 end
    if length >= 192 then
      local to = u16(packet, at)
      hops = hops + 1
      if not to or hops > HOPS then return nil end
      after = after or at + 2
      at = to - 49152 + 1
    elseif length >= 64 or at + length > #packet or #labels > 127 then
      return nil
    else
      labels[#labels + 1] = lower(sub(packet, at + 1, at + length))
      at = at + length + 1
    end
  end
end

local function address(packet, at, kind, length)
  if kind == 1 and length == 4 then return format("%d.%d.%d.%d", byte(packet, at, at + 3)) end
  if kind == 28 and length == 16 then
    local groups = {}
    for i = 0, 7 do groups[i + 1] = format("%x", u16(packet, at + 2 * i)) end
    return "[" .. table.concat(groups, ":") .. "]"
  end
end

--- @return { owner, kind, ttl, value } and where the next begins, or nil
local function record(packet, at)
  local owner, after = read_name(packet, at)
  if not owner then return nil end
  local kind, class, ttl, length = u16(packet, after), u16(packet, after + 2), u32(packet, after + 4), u16(packet, after + 8)
  if not length or after + 9 + length > #packet then return nil end
  local value
  if class == IN and kind == CNAME then
    value = read_name(packet, after + 10)
  elseif class == IN then
    value = address(packet, after + 10, kind, length)
  end
  -- A time of more than 2^31 seconds reads as 0 (RFC 2181, 8).
  return { owner = owner, kind = kind, ttl = ttl < 2147483648 and ttl or 0, value = value }, after + 10 + length
end

--- The name and what it is an alias of; and the least of their times.
local function owners(name, records)
  local of, ttl = {}, math.huge
  for _ = 1, HOPS do
    of[name] = true
    local target
    for _, one in ipairs(records) do
      if one.kind == CNAME and one.owner == name and one.value then target, ttl = one.value, math.min(ttl, one.ttl) end
    end
    if not target or of[target] then break end
    name = target
  end
  return of, ttl
end

local function collect(name, kind, records)
  local of, ttl = owners(name, records)
  local list, seen = {}, {}
  for _, one in ipairs(records) do
    if one.kind == M.types[kind] and of[one.owner] and one.value and not seen[one.value] then
      seen[one.value] = true
      list[#list + 1] = one.value
      ttl = math.min(ttl, one.ttl)
    end
  end
  table.sort(list)
  return list, #list > 0 and ttl or 0
end

--- @return a sorted list of addresses (IPv6 in brackets) and the seconds they hold (0 for none), or nil and why: 'stray' for what
---   does not answer this question, 'truncated', 'malformed', or the server's own code
function M.read(packet, id, name, kind)
  local flags, count = u16(packet, 3), u16(packet, 7)
  if not count or u16(packet, 1) ~= id or flags < 32768 then return nil, "stray" end
  local question = M.question(id, name, kind)
  if lower(sub(packet, 13, #question)) ~= sub(question, 13) then return nil, "stray" end
  local code = flags % 16
  if code ~= 0 then return nil, codes[code] or "RCODE " .. code end
  if math.floor(flags / 512) % 2 == 1 then return nil, "truncated" end
  local at, records = #question + 1, {}
  for i = 1, count do
    records[i], at = record(packet, at)
    if not records[i] then return nil, "malformed" end
  end
  return collect(name, kind, records)
end

return M
