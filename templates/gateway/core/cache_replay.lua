-- A stored answer as the caller wants it: its JSON, or a stream in the pieces and at the pace of the settings. The pace
-- is kept by sleeping, so that the worker serves others in between; a long answer is sent faster, never longer.
local answers = require "core.cache_answer"
local cjson = require "cjson.safe"

local byte, sub = string.byte, string.sub
local encode, null = answers.encode, cjson.null

local M = {}

-- Said piece by piece, in this order; the rest of a message goes as one.
local spoken = { "reasoning_content", "reasoning", "content" }
local chunk_objects = { chat = "chat.completion.chunk", completions = "text_completion" }

--- Calls `give` with pieces of about `size` bytes that end where a UTF-8 character ends.
local function cut(text, size, give)
  local from = 1
  while from <= #text do
    local to = math.min(from + size - 1, #text)
    local following = byte(text, to + 1)
    while following and following >= 0x80 and following < 0xc0 do
      to = to + 1
      following = byte(text, to + 1)
    end
    give(sub(text, from, to))
    from = to + 1
  end
end

local function remainder(message)
  local rest
  for name, value in pairs(message) do
    local empty = value == null or value == "" or (type(value) == "table" and next(value) == nil)
    if name ~= "role" and name ~= "content" and name ~= "reasoning_content" and name ~= "reasoning" and not empty then
      rest = rest or {}
      rest[name] = value
    end
  end
  for i, call in ipairs(rest and rest.tool_calls or {}) do call.index = i - 1 end
  return rest
end

--- The chunks of one choice of a chat, by `put(choice as JSON)`.
local function chat_choice(choice, size, put)
  local before = '{"index":' .. choice.index .. ',"delta":'
  local function say(delta)
    put(before .. delta .. ',"logprobs":null,"finish_reason":null}')
  end
  local message = choice.message
  say('{"role":' .. encode(message.role or "assistant") .. ',"content":""}')
  for _, name in ipairs(spoken) do
    if type(message[name]) == "string" then
      cut(message[name], size, function(piece) say('{"' .. name .. '":' .. encode(piece) .. "}") end)
    end
  end
  local rest = remainder(message)
  if rest then say(encode(rest)) end
  local ending = ',"finish_reason":' .. encode(choice.finish_reason) .. "}"
  put(before .. '{},"logprobs":' .. encode(choice.logprobs or null) .. ending)
end

local function text_choice(choice, size, put)
  local before = '{"index":' .. choice.index .. ',"text":'
  cut(choice.text, size, function(piece) put(before .. encode(piece) .. ',"logprobs":null,"finish_reason":null}') end)
  local ending = ',"finish_reason":' .. encode(choice.finish_reason) .. "}"
  put(before .. '"","logprobs":' .. encode(choice.logprobs or null) .. ending)
end

--- @param turn(json) -> json: what the route makes of a chunk, or nil
--- @return the events of the whole stream, a list of texts
function M.events(entry, size, with_usage, turn)
  local answer = cjson.decode(entry.json)
  local head = '{"id":' .. encode(answer.id or null) .. ',"object":"' .. chunk_objects[entry.kind] .. '"'
  for _, name in ipairs { "created", "model", "system_fingerprint" } do
    if answer[name] ~= nil then head = head .. ',"' .. name .. '":' .. encode(answer[name]) end
  end
  local events = {}
  local function put(choices, more)
    local chunk = head .. ',"choices":[' .. choices .. "]" .. (more or "") .. "}"
    events[#events + 1] = "data: " .. (turn and turn(chunk) or chunk) .. "\n\n"
  end
  local one = entry.kind == "chat" and chat_choice or text_choice
  for _, choice in ipairs(answer.choices) do one(choice, size, put) end
  if with_usage then put("", ',"usage":' .. encode(answer.usage)) end
  events[#events + 1] = "data: [DONE]\n\n"
  return events
end

--- @param replay { pieceBytes, everyMs, longestMs }
--- @param how { usage = whether it is told, turn = see events }
--- @param sent(bytes) called for what went out
--- @return true, or nil when the caller has left
function M.stream(entry, replay, how, sent)
  ngx.header["Content-Type"] = "text/event-stream; charset=utf-8"
  ngx.header["Cache-Control"] = "no-cache"
  local events = M.events(entry, replay.pieceBytes, how.usage, how.turn)
  local at_once = #events
  if replay.everyMs > 0 then
    at_once = math.max(1, math.ceil(#events * replay.everyMs / math.max(1, replay.longestMs)))
  end
  for from = 1, #events, at_once do
    local text = table.concat(events, "", from, math.min(from + at_once - 1, #events))
    local ok = ngx.print(text) and ngx.flush(true)
    if not ok then return nil end
    sent(#text)
    if replay.everyMs > 0 and from + at_once <= #events then ngx.sleep(replay.everyMs / 1000) end
  end
  return true
end

--- @return true, or nil when the caller has left
function M.json(entry, how, sent)
  local text = how.turn and how.turn(entry.json) or entry.json
  ngx.header["Content-Type"] = "application/json"
  ngx.header["Content-Length"] = #text
  if not ngx.print(text) then return nil end
  sent(#text)
  return true
end

return M
