-- POST /v1/text/generate: a prompt in, a text out. The engine is asked as for /v1/completions; policies.generated turns
-- its answer round.
local edit = require "core.edit"
local reply = require "core.reply"

local MAX_TOKENS = "256" -- when none are given; the engines' own default is 16

local unknown_text = "Only model, prompt, max_tokens, temperature, top_p, stop, seed, stream and user are known here."
local known = {
  model = true,
  prompt = true,
  max_tokens = true,
  temperature = true,
  top_p = true,
  stop = true,
  seed = true,
  stream = true,
  user = true,
}

local function wrong(name, wanted)
  return reply.refusal(400, "invalid_value", "`" .. name .. "` must be " .. wanted .. ".", name)
end

local function between(value, least, most)
  return type(value) == "number" and value >= least and value <= most
end

--- null counts as absent.
local function given(doc, name)
  local kind = doc.kinds[name]
  return kind ~= nil and kind ~= "null"
end

local function fault(doc)
  local values = doc.values
  for name in pairs(doc.kinds) do
    if not known[name] then
      return reply.refusal(400, "unknown_field", unknown_text, name:find "^[%w_]+$" and name:sub(1, 64) or nil)
    end
  end
  if doc.kinds.prompt ~= "string" or values.prompt == "" then return wrong("prompt", "a string that is not empty") end
  if given(doc, "stream") and doc.kinds.stream ~= "boolean" then return wrong("stream", "true or false") end
  local most = values.max_tokens
  if given(doc, "max_tokens") and (not between(most, 1, 2 ^ 31) or most % 1 ~= 0) then
    return wrong("max_tokens", "a whole number, at least 1")
  end
  if given(doc, "temperature") and not between(values.temperature, 0, 2) then
    return wrong("temperature", "a number from 0 to 2")
  end
  if given(doc, "top_p") and (not between(values.top_p, 0, 1) or values.top_p == 0) then
    return wrong("top_p", "a number above 0 and at most 1")
  end
end

--- The first model that the key may use.
local function first_model(req, settings)
  for _, model in ipairs(settings.models) do
    if not req.key.allowed or req.key.allowed[model.id] then return model end
  end
end

local function access(req, settings)
  if req.route ~= "generate" then return end
  local refusal = fault(req.doc)
  if refusal then return refusal end
  if not given(req.doc, "model") then
    local model = first_model(req, settings)
    if model then edit.set(req, "model", '"' .. model.id .. '"') end
  end
  if not given(req.doc, "max_tokens") then edit.set(req, "max_tokens", MAX_TOKENS) end
  if req.stream then edit.set(req, "stream_options", '{"include_usage":true}') end
end

return { access = access, engine = true }
