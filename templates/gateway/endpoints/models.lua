-- GET /v1/models and /v1/models/ID, from the settings: true also while the engines start.
local cjson = require "cjson"
local json = require "core.json"
local reply = require "core.reply"

local PREFIX = "/v1/models/"

local function object(model)
  return cjson.encode {
    id = model.id,
    object = "model",
    created = model.created or 0,
    owned_by = model.ownedBy or "deepseek",
  }
end

local function visible(req, model)
  return not req.key.allowed or req.key.allowed[model.id]
end

return function(req, settings)
  local uri = ngx.var.uri
  if uri:sub(1, #PREFIX) == PREFIX then
    local model = settings.model_by_id[uri:sub(#PREFIX + 1)]
    if model and visible(req, model) then return reply.json(200, object(model)) end
    return reply.refuse(req, reply.refusal(404, "model_not_found", "This model does not exist here.", "model"))
  end
  local list = {}
  for _, model in ipairs(settings.models) do
    if visible(req, model) then list[#list + 1] = object(model) end
  end
  return reply.json(200, '{"object":"list","data":' .. json.list(list) .. "}")
end
