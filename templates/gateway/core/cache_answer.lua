-- An engine's answer on its way to the caller, collected into one JSON text: as it came when it was JSON, put together
-- from its pieces when it was a stream. It is whole only when every choice says why it ended, and a stream also said
-- [DONE]. What we do not know how to put together is not kept.
local cjson = require "cjson.safe"

local concat = table.concat
local find, sub = string.find, string.sub
local null = cjson.null

-- Ends that the same request would meet again.
local final = { stop = true, length = true, tool_calls = true, function_call = true }

local objects = { chat = "chat.completion", completions = "text_completion", embeddings = "list" }
-- Fields of a chunk that hold for the whole answer.
local whole = { id = true, created = true, model = true, system_fingerprint = true, usage = true }
local aside = { object = true, choices = true, service_tier = true }
local spoken = { content = true, reasoning_content = true, reasoning = true, refusal = true }

local M = {}
local Json, Stream = {}, {}
Json.__index, Stream.__index = Json, Stream

local function given(value)
  return value ~= nil and value ~= null
end

--- As JSON; the one list of an answer that may well be empty would come out as an object. Inside a string its quotes
--- would be escaped.
function M.encode(value)
  return (cjson.encode(value):gsub('"top_logprobs":{}', '"top_logprobs":[]'))
end

function Json:add(data)
  self.size = self.size + #data
  if self.size > self.most then
    self.broken = "large"
    self.parts = {}
  else
    self.parts[#self.parts + 1] = data
  end
end

--- Whether a list that was filled out of order has no holes.
local function dense(list)
  local n = 0
  for _ in pairs(list) do n = n + 1 end
  return n == #list and (n == 0 or list[1] ~= nil)
end

local function ended(choices)
  if type(choices) ~= "table" or not choices[1] or not dense(choices) then return false end
  for _, choice in ipairs(choices) do
    if type(choice) ~= "table" or not final[choice.finish_reason] then return false end
    if choice.calls and not dense(choice.calls) then return false end
  end
  return true
end

--- Whether a choice of JSON has what a replay as a stream tells.
local function shaped(choice, kind)
  if type(choice.index) ~= "number" then return false end
  if kind == "completions" then return type(choice.text) == "string" end
  local message = choice.message
  if type(message) ~= "table" then return false end
  local calls = given(message.tool_calls) and message.tool_calls or {}
  if type(calls) ~= "table" then return false end
  for _, call in ipairs(calls) do
    if type(call) ~= "table" then return false end
  end
  return true
end

function Json:text()
  local text = concat(self.parts)
  local answer = cjson.decode(text)
  if type(answer) ~= "table" or answer.object ~= objects[self.kind] then return nil, "unfit" end
  if self.kind == "embeddings" then
    if type(answer.data) ~= "table" or not answer.data[1] then return nil, "unfit" end
    return text
  end
  if not ended(answer.choices) then return nil, "unfinished" end
  for _, choice in ipairs(answer.choices) do
    if not shaped(choice, self.kind) then return nil, "unfit" end
  end
  return text
end

local function append(into, name, piece)
  local parts = into[name]
  if not parts then
    parts = {}
    into[name] = parts
  end
  parts[#parts + 1] = piece
end

--- One piece of a call: the first with an index names it, the later ones add to its arguments.
local function call_piece(calls, piece)
  local index = piece.index
  if type(index) ~= "number" or index < 0 or index > 1024 then return false end
  local call = calls[index + 1]
  if not call then
    call = { ["function"] = {}, arguments = {} }
    calls[index + 1] = call
  end
  for name, value in pairs(piece) do
    if name ~= "index" and name ~= "function" and given(value) then call[name] = value end
  end
  for name, value in pairs(given(piece["function"]) and piece["function"] or {}) do
    if name == "arguments" then
      if given(value) then call.arguments[#call.arguments + 1] = value end
    elseif given(value) then
      call["function"][name] = value
    end
  end
  return true
end

local function delta_piece(choice, delta)
  for name, value in pairs(delta) do
    if not given(value) or value == "" then
      -- Most chunks name fields they have nothing to say about.
    elseif spoken[name] and type(value) == "string" then
      append(choice.said, name, value)
    elseif name == "role" then
      choice.role = value
    elseif name == "tool_calls" then
      for _, piece in ipairs(value) do
        if not call_piece(choice.calls, piece) then return false end
      end
    else
      return false
    end
  end
  return true
end

local function logprobs_piece(choice, logprobs)
  for name, list in pairs(logprobs) do
    if given(list) then
      if name ~= "content" and name ~= "refusal" then return false end
      choice.logprobs = choice.logprobs or {}
      for _, one in ipairs(list) do append(choice.logprobs, name, one) end
    end
  end
  return true
end

local function choice_piece(choice, piece)
  for name, value in pairs(piece) do
    local fits = true
    if name == "index" or not given(value) then
      fits = true
    elseif name == "delta" then
      fits = type(value) == "table" and delta_piece(choice, value)
    elseif name == "text" then
      append(choice.said, "text", value)
    elseif name == "logprobs" then
      fits = choice.chat and type(value) == "table" and logprobs_piece(choice, value)
    elseif name == "finish_reason" or name == "stop_reason" then
      choice[name] = value
    else
      fits = false
    end
    if not fits then return false end
  end
  return true
end

function Stream:choice(index)
  local choice = self.choices[index + 1]
  if not choice then
    choice = { said = {}, calls = {}, chat = self.kind == "chat" }
    self.choices[index + 1] = choice
  end
  return choice
end

function Stream:event(chunk)
  for name, value in pairs(chunk) do
    if whole[name] and given(value) then
      self.head[name] = value
    elseif given(value) and not aside[name] and not whole[name] then
      return false
    end
  end
  for _, piece in ipairs(given(chunk.choices) and chunk.choices or {}) do
    local index = piece.index
    if type(index) ~= "number" or index < 0 or index > 127 then return false end
    if not choice_piece(self:choice(index), piece) then return false end
  end
  return true
end

function Stream:line(line)
  local data = line:match "^data: ?(.*)$"
  if not data then return end
  if data == "[DONE]" then
    self.done = true
    return
  end
  local chunk = cjson.decode(data)
  if self.done or type(chunk) ~= "table" or not self:event(chunk) then self.broken = "unfit" end
end

--- Lines end in LF or CRLF; what is not yet a line waits for the next piece.
function Stream:add(data)
  self.size = self.size + #data
  if self.size > self.most then
    self.broken, self.choices, self.rest = "large", {}, ""
    return
  end
  local text, at = self.rest .. data, 1
  while not self.broken do
    local stop = find(text, "\n", at, true)
    if not stop then break end
    local last = text:byte(stop - 1) == 13 and stop > at and stop - 2 or stop - 1
    self:line(sub(text, at, last))
    at = stop + 1
  end
  self.rest = sub(text, at)
end

local function message_of(choice)
  local message = { role = choice.role or "assistant", content = null }
  for name, parts in pairs(choice.said) do message[name] = concat(parts) end
  if choice.calls[1] then
    message.tool_calls = {}
    for i, call in ipairs(choice.calls) do
      call["function"].arguments = concat(call.arguments)
      call.arguments = nil
      message.tool_calls[i] = call
    end
  elseif message.content == null then
    message.content = ""
  end
  return message
end

local function choice_of(choice, index)
  local one = { index = index, finish_reason = choice.finish_reason, logprobs = choice.logprobs or null }
  one.stop_reason = choice.stop_reason
  if choice.chat then
    one.message = message_of(choice)
  else
    one.text = concat(choice.said.text or {})
  end
  return one
end

function Stream:text()
  if not self.done or not ended(self.choices) then return nil, "unfinished" end
  local answer = self.head
  answer.object, answer.choices = objects[self.kind], {}
  for i, choice in ipairs(self.choices) do answer.choices[i] = choice_of(choice, i - 1) end
  return M.encode(answer), not answer.usage
end

local kinds = { chat = "chat", completions = "completions", generate = "completions", embeddings = "embeddings" }

--- What the engine is asked for on this route: 'chat', 'completions' or 'embeddings'; nil where nothing can be kept.
function M.kind_of(route)
  return kinds[route]
end

--- @param most bytes of JSON; a stream may be sixteen times as long, for most of it is wrapping
function M.collect(kind, stream, most)
  if stream then
    return setmetatable({ kind = kind, most = 16 * most, size = 0, rest = "", head = {}, choices = {} }, Stream)
  end
  return setmetatable({ kind = kind, most = most, size = 0, parts = {} }, Json)
end

--- After the last piece.
--- @return the answer's JSON and whether it lacks the usage that belongs there, or nil and 'large', 'unfit', 'unfinished'
function M.finish(collected, most)
  if collected.broken then return nil, collected.broken end
  local text, more = collected:text()
  if text and #text > most then return nil, "large" end
  return text, more
end

return M
