-- The model that was asked for: known here, and within the key's scope. The engine is asked by the model's own name.
local edit = require "core.edit"
local reply = require "core.reply"

local function compile(settings)
  settings.model_by_id = {}
  for _, model in ipairs(settings.models) do
    settings.model_by_id[model.id] = model
    for _, alias in ipairs(model.aliases or {}) do settings.model_by_id[alias] = model end
  end
  for _, key in ipairs(settings.keys) do
    if key.models then
      local allowed = {}
      for _, id in ipairs(key.models) do allowed[id] = true end
      key.allowed = allowed
    end
  end
end

local function access(req, settings)
  local id = req.fields.model
  if type(id) ~= "string" or id == "" then
    return reply.refusal(400, "missing_model", "You must provide a model parameter.", "model")
  end
  local model = settings.model_by_id[id]
  if not model or (req.key.allowed and not req.key.allowed[model.id]) then
    local shown = id:find "^[%w%p ]+$" and "`" .. id:sub(1, 100) .. "`" or "of that name"
    local text = "The model " .. shown .. " does not exist or you do not have access to it."
    return reply.refusal(404, "model_not_found", text, "model")
  end
  if id ~= model.id then edit.set(req, "model", '"' .. model.id .. '"') end
  req.model = model
end

return { compile = compile, access = access, engine = true }
