-- A JSON object opened without decoding what nobody asks for: its own fields are read, the values inside them are
-- walked over (a prompt of 256 KiB at the speed of memchr), and a field can be replaced without touching the rest.
local cjson = require "cjson.safe"
local new = require "table.new"

local byte, find, sub = string.byte, string.find, string.sub
local max = math.max

local DEPTH = 64
-- Longer strings are left where they are: nobody routes by them.
local LONGEST = 4096
local QUOTE, COMMA, COLON, BACKSLASH = 34, 44, 58, 92
local OPEN_LIST, CLOSE_LIST, OPEN, CLOSE = 91, 93, 123, 125

local M = { null = cjson.null }
local literals = { ["true"] = true, ["false"] = false, ["null"] = cjson.null }

--- The next byte that is no white space, or one past the end. As a rule the first: a trace ends where a loop begins.
local function space(body, i)
  local first = byte(body, i)
  if first and first > 32 then return i, first end
  while true do
    local c = byte(body, i)
    if c ~= 32 and c ~= 10 and c ~= 13 and c ~= 9 then return i, c end
    i = i + 1
  end
end

--- From the opening quote to the closing one: the first that an even number of backslashes stands before.
local function string_end(body, i)
  local at = find(body, '"', i + 1, true)
  if not at or byte(body, at - 1) ~= BACKSLASH then return at end
  at = i
  while true do
    at = find(body, '"', at + 1, true)
    if not at then return nil end
    local b = at - 1
    while byte(body, b) == BACKSLASH do b = b - 1 end
    if (at - b) % 2 == 1 then return at end
  end
end

--- From an opening bracket to the one that closes it.
local function container_end(body, i)
  local depth = 1
  while true do
    local c = byte(body, i)
    if not c then return nil, "a bracket that nothing closes" end
    if c == QUOTE then
      i = string_end(body, i)
      if not i then return nil, "a string without an end" end
    elseif c == OPEN or c == OPEN_LIST then
      depth = depth + 1
      if depth > DEPTH then return nil, "nested too deeply" end
    elseif c == CLOSE or c == CLOSE_LIST then
      depth = depth - 1
      if depth == 1 then return i end
    end
    i = i + 1
  end
end

-- Names and short words that were found to be plain: the same few come with every request. Bounded.
local plains, count = {}, 0

--- A string without its quotes and escapes; nil when it is none.
local function text_of(body, from, to)
  local plain = sub(body, from + 1, to - 1)
  if plains[plain] then return plain end
  if not find(plain, "[%z\1-\31\\]") then
    if #plain <= 32 and count < 1024 then
      plains[plain], count = true, count + 1
    end
    return plain
  end
  -- cjson lets control characters pass.
  if find(plain, "[%z\1-\31]") then return nil end
  local decoded = cjson.decode("[" .. sub(body, from, to) .. "]")
  return decoded and decoded[1]
end

--- The last byte of a word: letters, digits and + - .
local function word_end(body, i)
  while true do
    local c = byte(body, i)
    if not c then return i - 1 end
    local within = (c >= 48 and c <= 57) or (c >= 97 and c <= 122) or (c >= 65 and c <= 90) or c == 43 or c == 45 or c == 46
    if not within then return i - 1 end
    i = i + 1
  end
end

local function digits(word, i)
  local from = i
  while true do
    local c = byte(word, i)
    if not c or c < 48 or c > 57 then return i > from and i or nil end
    i = i + 1
  end
end

--- By the grammar of RFC 8259: tonumber takes more.
local function number_of(word)
  local i = byte(word) == 45 and 2 or 1
  local zero = byte(word, i) == 48
  local at = digits(word, i)
  if not at or (zero and at > i + 1) then return nil end
  if byte(word, at) == 46 then at = digits(word, at + 1) end
  if not at then return nil end
  local e = byte(word, at)
  if e == 101 or e == 69 then
    local sign = byte(word, at + 1)
    at = digits(word, (sign == 43 or sign == 45) and at + 2 or at + 1)
  end
  return at == #word + 1 and tonumber(word) or nil
end

local function word_of(word)
  local value = literals[word]
  if value ~= nil then return value end
  return number_of(word)
end

--- One value: its kind, its last byte, and what it is when it is no container and no long string.
local function value_at(body, i, c)
  if c == QUOTE then
    local to = string_end(body, i)
    if not to then return nil, "a string without an end" end
    if to - i > LONGEST then return "string", to end
    local text = text_of(body, i, to)
    if not text then return nil, "a string that is none" end
    return "string", to, text
  end
  if c == OPEN or c == OPEN_LIST then
    local to, err = container_end(body, i)
    if not to then return nil, err end
    return c == OPEN and "object" or "array", to
  end
  local to = word_end(body, i)
  if to < i then return nil, "no value where one is needed" end
  local value = word_of(sub(body, i, to))
  if value == nil then return nil, "a word that is no value" end
  return value == cjson.null and "null" or type(value), to, value
end

--- Reads `"name": value` into the document.
--- @return the byte after it, or nil, the fault and where
local function field(doc, i, c)
  local body = doc.body
  local to = c == QUOTE and string_end(body, i)
  local name = to and text_of(body, i, to)
  if not name then return nil, "no field name", i end
  if doc.kinds[name] then return nil, "a field that was given before", i end
  local at
  at, c = space(body, to + 1)
  if c ~= COLON then return nil, "no colon", at end
  at, c = space(body, at + 1)
  local kind, last, value = value_at(body, at, c)
  if not kind then return nil, last, at end
  doc.kinds[name], doc.values[name], doc.from[name], doc.to[name] = kind, value, at, last
  doc.fields = doc.fields + 1
  doc.names[doc.fields] = name
  return last + 1
end

local function fail(what, at)
  return nil, what .. " at byte " .. at
end

-- Documents that are done with, emptied, but for those of many fields: an emptied table keeps its room. Name by name, for
-- a place that stays is there for the next document of the same fields.
local spare, spares = {}, 0
local SPARES, FIELDS = 256, 16

local function empty()
  if spares == 0 then
    local doc = { names = {}, body = "", first = 0, fields = 0 }
    doc.values, doc.kinds, doc.from, doc.to = new(0, FIELDS), new(0, FIELDS), new(0, FIELDS), new(0, FIELDS)
    return doc
  end
  local doc = spare[spares]
  spares = spares - 1
  return doc
end

--- Nobody reads the document any more, nor its tables.
function M.release(doc)
  if spares == SPARES or doc.fields > FIELDS then return end
  local names, values, kinds, from, to = doc.names, doc.values, doc.kinds, doc.from, doc.to
  for i = 1, doc.fields do
    local name = names[i]
    values[name], kinds[name], from[name], to[name] = nil, nil, nil, nil
  end
  doc.body, doc.fields = "", 0
  spares = spares + 1
  spare[spares] = doc
end

--- @return { values, kinds, from, to, body } by field name, from and to as string.sub takes them; or nil and the fault
function M.open(body)
  local i, c = space(body, 1)
  if c ~= OPEN then return nil, "not an object" end
  local doc = empty()
  doc.body, doc.first = body, i
  i, c = space(body, i + 1)
  local more = c ~= CLOSE
  while more do
    local after, fault, at = field(doc, i, c)
    if not after then return fail(fault, at) end
    i, c = space(body, after)
    more = c == COMMA
    if more then i, c = space(body, i + 1) end
  end
  if c ~= CLOSE then return fail("no end of the object", i) end
  local rest, other = space(body, i + 1)
  if other then return fail("something after the end", rest) end
  return doc
end

--- Any field's value, decoded now.
function M.decode(doc, name)
  local text, kind = sub(doc.body, doc.from[name], doc.to[name]), doc.kinds[name]
  if kind == "object" or kind == "array" then return cjson.decode(text) end
  local list, err = cjson.decode("[" .. text .. "]")
  if not list then return nil, err end
  return list[1]
end

-- What may follow a backslash, but for u.
local escapes = {}
for c in ('"\\/bfnrt'):gmatch "." do escapes[byte(c)] = true end

--- From `at` on, the first backslash beyond `to`; nil when one before it begins no escape of one letter.
local function escapes_end(body, at, to)
  while true do
    at = find(body, "\\", at, true)
    if not at or at > to then return at or #body + 1 end
    if not escapes[byte(body, at + 1)] then return nil end
    at = at + 2
  end
end

--- Reads a list of objects with no fields but the strings `a` and `b`, by visit(body, from, to of a, from, to of b),
--- without quotes, nil where it is missing. Most messages are such, and decoding a short prompt's takes 2.3 us.
--- @return true when that is all the list holds and each visit returned true; false: decode it to know more
function M.strings(doc, name, a, b, visit)
  local body, i, c = doc.body, space(doc.body, doc.from[name] + 1)
  local escape = i
  while c == OPEN do
    local a_from, a_to, b_from, b_to
    repeat
      i, c = space(body, i + 1)
      local to = c == QUOTE and string_end(body, i)
      if not to then return false end
      local field = sub(body, i + 1, to - 1)
      i, c = space(body, to + 1)
      if c ~= COLON then return false end
      i, c = space(body, i + 1)
      to = c == QUOTE and string_end(body, i)
      if not to then return false end
      if escape < to then
        escape = escapes_end(body, max(i, escape), to)
        if not escape then return false end
      end
      if field == a and not a_from then
        a_from, a_to = i + 1, to - 1
      elseif field == b and not b_from then
        b_from, b_to = i + 1, to - 1
      else
        return false
      end
      i, c = space(body, to + 1)
    until c ~= COMMA
    if c ~= CLOSE or not visit(body, a_from, a_to, b_from, b_to) then return false end
    i, c = space(body, i + 1)
    if c ~= COMMA then return c == CLOSE_LIST and i == doc.to[name] end
    i, c = space(body, i + 1)
  end
  return false
end

--- The body with a field set to a JSON text, put first when it was not there.
function M.with(doc, name, text)
  local body = doc.body
  local from = doc.from[name]
  if from then return sub(body, 1, from - 1) .. text .. sub(body, doc.to[name] + 1) end
  local rest = next(doc.kinds) and "," or ""
  return sub(body, 1, doc.first) .. '"' .. name .. '":' .. text .. rest .. sub(body, doc.first + 1)
end

--- A list as JSON text from its items' JSON texts: an empty Lua table would come out as an object.
function M.list(texts)
  return "[" .. table.concat(texts, ",") .. "]"
end

return M
