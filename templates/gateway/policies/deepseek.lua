-- What DeepSeek's API calls `thinking` and `reasoning_effort`, as engines understand it: variables of the chat template,
-- under DeepSeek's name (`thinking`) and Qwen's (`enable_thinking`). https://api-docs.deepseek.com/guides/thinking_mode
local edit = require "core.edit"
local json = require "core.json"
local reply = require "core.reply"

local bad_thinking =
  reply.refusal(400, "invalid_value", '`thinking` must be {"type": "enabled"} or {"type": "disabled"}.', "thinking")
local bad_template = reply.refusal(400, "invalid_value", "`chat_template_kwargs` must be an object.", "chat_template_kwargs")

-- DeepSeek's three levels, by every word that is taken for them.
local level = { minimal = "low", low = "low", medium = "high", high = "high", xhigh = "high", max = "max", ultra = "max" }
-- The field itself must stay a word of OpenAI's: engines check it.
local plain = { minimal = "low", xhigh = "high", max = "high", ultra = "high" }

--- The template's variables, the caller's own among them.
local function template(doc)
  local kind = doc.kinds.chat_template_kwargs
  if kind == nil or kind == "null" then return json.open "{}" end
  if kind ~= "object" then return nil end
  return json.open(doc.body:sub(doc.from.chat_template_kwargs, doc.to.chat_template_kwargs))
end

local function wants_thinking(doc)
  local kind = doc.kinds.thinking
  if kind == nil or kind == "null" then return nil end
  local kinds = { enabled = "true", disabled = "false" }
  local value = kind == "object" and json.decode(doc, "thinking")
  return value and kinds[value.type] or false
end

local function access(req)
  if req.route ~= "chat" then return end
  local doc = req.doc
  local effort = doc.values.reasoning_effort
  local thinking = wants_thinking(doc)
  if thinking == false then return bad_thinking end
  if not thinking and not level[effort] then return end
  local variables = template(doc)
  if not variables then return bad_template end
  if thinking then
    variables = json.open(json.with(variables, "thinking", thinking))
    variables = json.open(json.with(variables, "enable_thinking", thinking))
  end
  if level[effort] and not variables.kinds.reasoning_effort then
    variables = json.open(json.with(variables, "reasoning_effort", '"' .. level[effort] .. '"'))
  end
  edit.set(req, "chat_template_kwargs", variables.body)
  if plain[effort] then edit.set(req, "reasoning_effort", '"' .. plain[effort] .. '"') end
end

return { access = access, engine = true }
