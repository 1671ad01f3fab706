-- The fields of OpenAI's requests, and of DeepSeek's and the engines' beyond them: what each may hold. Fields that are
-- not here go to the engine as they are.
--   https://platform.openai.com/docs/api-reference/chat/create
--   https://api-docs.deepseek.com/api/create-chat-completion
local json = require "core.json"

local EXACT = 2 ^ 53
-- Longer values are left to the engine: to decode them would cost more than it saves.
local LONGEST = 16384

local M = {}

--- A fault is { code, message, path within the field or nil }.
local function fault(code, message, path)
  return { code = code, message = message, path = path }
end

local function wrong_type(wanted, kind)
  return fault("invalid_type", "expected " .. wanted .. ", but got " .. kind .. " instead")
end

local function number(least, most, whole)
  local prefix = whole and "integer" or "decimal"
  local wanted = whole and "an integer" or "a number"
  local from = least and string.format("%.14g", least)
  local to = most and string.format("%.14g", most)
  return function(kind, value)
    if kind ~= "number" then return wrong_type(wanted, kind) end
    if whole and (value % 1 ~= 0 or value >= EXACT or value <= -EXACT) then
      return fault("invalid_type", "expected an integer, but got another number instead")
    end
    if least and value < least then return fault(prefix .. "_below_min_value", "expected a value >= " .. from) end
    if most and not (value <= most) then return fault(prefix .. "_above_max_value", "expected a value <= " .. to) end
  end
end

local function integer(least, most)
  return number(least, most, true)
end

local function of_kind(wanted, words)
  return function(kind)
    if kind ~= wanted then return wrong_type(words, kind) end
  end
end

local boolean = of_kind("boolean", "a boolean")
local text = of_kind("string", "a string")
local array = of_kind("array", "an array")
local object = of_kind("object", "an object")

local function one_of(words)
  local known, shown = {}, "'" .. table.concat(words, "', '") .. "'"
  for _, word in ipairs(words) do known[word] = true end
  return function(kind, value)
    if kind ~= "string" then return wrong_type("one of " .. shown, kind) end
    if not known[value] then return fault("invalid_value", "supported values are: " .. shown) end
  end
end

--- @return the value, false where it is too long to look at, or nil where it is none
local function look(doc, name)
  if doc.to[name] - doc.from[name] >= LONGEST then return false end
  return json.decode(doc, name)
end

local unreadable = fault("invalid_json", "this is no JSON")

local function stop(kind, _, doc)
  if kind == "string" then return nil end
  if kind ~= "array" then return wrong_type("a string or an array of strings", kind) end
  local list = look(doc, "stop")
  if list == nil then return unreadable end
  if not list then return nil end
  if #list > 16 then return fault("array_above_max_length", "expected at most 16 sequences") end
  for i, one in ipairs(list) do
    if type(one) ~= "string" then return fault("invalid_type", "expected a string", "[" .. i - 1 .. "]") end
  end
end

local function typed(name, words)
  local check = one_of(words)
  return function(kind, _, doc)
    if kind ~= "object" then return wrong_type("an object", kind) end
    local value = look(doc, name)
    if value == nil then return unreadable end
    if not value then return nil end
    if value.type == nil then return fault("missing_required_parameter", "it is required", ".type") end
    local wrong = check(type(value.type), value.type)
    if wrong then return fault(wrong.code, wrong.message, ".type") end
  end
end

local function logit_bias(kind, _, doc)
  if kind ~= "object" then return wrong_type("an object", kind) end
  local map = look(doc, "logit_bias")
  if map == nil then return unreadable end
  for token, bias in pairs(map or {}) do
    if type(token) ~= "string" or not token:find "^%d+$" then
      return fault("invalid_value", "expected token ids as names")
    end
    if type(bias) ~= "number" or bias < -100 or bias > 100 then
      return fault("invalid_value", "expected a number from -100 to 100", "." .. token:sub(1, 20))
    end
  end
end

local function stream_options(kind, _, doc)
  if kind ~= "object" then return wrong_type("an object", kind) end
  if doc.values.stream ~= true then return fault("invalid_value", "it is only allowed when 'stream' is true") end
  local options = look(doc, "stream_options")
  if options == nil then return unreadable end
  local asked = options and options.include_usage
  if asked ~= nil and asked ~= false and asked ~= true then
    return fault("invalid_type", "expected a boolean", ".include_usage")
  end
end

local function string_or_array(kind)
  if kind ~= "string" and kind ~= "array" then return wrong_type("a string or an array", kind) end
end

local function string_or_object(kind)
  if kind ~= "string" and kind ~= "object" then return wrong_type("a string or an object", kind) end
end

local common = {
  temperature = number(0, 2),
  top_p = number(0, 1),
  presence_penalty = number(-2, 2),
  frequency_penalty = number(-2, 2),
  max_tokens = integer(1),
  n = integer(1, 128),
  seed = integer(),
  stream = boolean,
  stream_options = stream_options,
  stop = stop,
  logit_bias = logit_bias,
  response_format = typed("response_format", { "text", "json_object", "json_schema" }),
  user = text,
  top_k = integer(-1),
  min_p = number(0, 1),
  repetition_penalty = number(0, 2),
}

local function with(more)
  for name, rule in pairs(common) do
    if more[name] == nil then more[name] = rule end
  end
  return more
end

--- By route and name: function(kind, value, doc) -> fault.
M.rules = {
  chat = with {
    messages = array,
    max_completion_tokens = integer(1),
    logprobs = boolean,
    top_logprobs = integer(0, 20),
    tools = array,
    tool_choice = string_or_object,
    parallel_tool_calls = boolean,
    thinking = typed("thinking", { "enabled", "disabled" }),
    reasoning_effort = one_of { "none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra" },
  },
  completions = with {
    prompt = string_or_array,
    -- 0 with `echo` asks for the prompt's own probabilities.
    max_tokens = integer(0),
    logprobs = integer(0, 20),
    echo = boolean,
    suffix = text,
    best_of = integer(1, 128),
  },
  embeddings = {
    input = string_or_array,
    dimensions = integer(1),
    encoding_format = one_of { "float", "base64" },
    user = text,
  },
  -- policies.generate has checked them.
  generate = {},
}

M.required = { chat = "messages", completions = "prompt", embeddings = "input" }

return M
