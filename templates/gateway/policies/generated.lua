-- The answers of POST /v1/text/generate, made from the engine's text completions: an object with the text, or, for a
-- stream, an event with each piece of it, a last one with the usage, and [DONE]. Errors pass as they are.
local cjson = require "cjson.safe"

local concat = table.concat
local encode, null = cjson.encode, cjson.null

local function or_null(value)
  return encode(value == nil and null or value)
end

--- @param choice of the engine's answer; nil in the event that only tells the usage
local function object(answer, choice)
  local usage = type(answer.usage) == "table" and answer.usage or nil
  return '{"id":' .. or_null(answer.id)
    .. ',"created":' .. (type(answer.created) == "number" and answer.created or ngx.time())
    .. ',"model":' .. or_null(answer.model)
    .. ',"text":' .. or_null(choice and choice.text or "")
    .. ',"finish_reason":' .. or_null(choice and choice.finish_reason)
    .. ',"usage":' .. or_null(usage)
    .. "}"
end

--- @return nil for what is no completion
local function turned(text)
  local answer = cjson.decode(text)
  if type(answer) ~= "table" or type(answer.choices) ~= "table" then return nil end
  return object(answer, answer.choices[1])
end

local function line(text)
  local data = text:match "^data: ?({.*})\r?$"
  local other = data and turned(data)
  return other and "data: " .. other or text
end

--- Whole lines of a stream; what is after the last of them waits for the next piece.
local function lines(state, data, last)
  local parts = state.parts
  parts[#parts + 1] = data
  -- Joined once the line has its end: it may be long, and its pieces many.
  if not last and not data:find("\n", 1, true) then return "" end
  local text, out, from = concat(parts), {}, 1
  for at, to in text:gmatch "()[^\n]*()\n" do
    out[#out + 1] = line(text:sub(at, to - 1)) .. "\n"
    from = to + 1
  end
  local rest = text:sub(from)
  if last and rest ~= "" then out[#out + 1] = line(rest) end
  state.parts = { not last and rest or nil }
  return concat(out)
end

local function chunk(req, data, last)
  if req.route ~= "generate" or ngx.status ~= 200 then return end
  local state = req.generated
  if not state then
    state = { parts = {} }
    req.generated = state
  end
  if req.stream then return lines(state, data, last) end
  state.parts[#state.parts + 1] = data
  if not last then return "" end
  local text = concat(state.parts)
  return turned(text) or text
end

return { chunk = chunk, turned = turned, engine = true }
