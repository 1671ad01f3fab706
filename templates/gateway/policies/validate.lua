-- Parameters before anything is sent on: types and ranges of core.fields, with a message that names the field. Outside of
-- the range that is recommended for DeepSeek's models there is a warning in X-DeepSeek-Warning, or with `strict` a
-- refusal. 400 is OpenAI's status for all of it; `status: 422` is DeepSeek's for parameters.
--   https://api-docs.deepseek.com/quick_start/error_codes
local fields = require "core.fields"
local messages = require "core.messages"
local reply = require "core.reply"
local shape = require "core.shape"

local rules, required = fields.rules, fields.required
local format = string.format

local whole = { strict = "boolean", status = "number", temperature = "table", topP = "table", messagesBytes = "number" }
local recommended = { temperature = "temperature", top_p = "topP" }

local function compile(settings)
  local options = settings.validation
  if not options then return end
  shape.check(options, whole, "validation")
  shape.check(options.temperature, { "number", "number" }, "validation.temperature")
  shape.check(options.topP, { "number", "number" }, "validation.topP")
  if options.status ~= 400 and options.status ~= 422 then error("validation.status is neither 400 nor 422", 0) end
end

local function refusal(options, name, fault)
  local field = name .. (fault.path or "")
  local text = format("Invalid parameter '%s': %s.", field, fault.message)
  return reply.refusal(options and options.status or 400, fault.code, text, field)
end

local missing = { code = "missing_required_parameter", message = "it is required" }

local function first_fault(req, options)
  local doc, of_route, needed = req.doc, rules[req.route], required[req.route]
  local kinds, values = doc.kinds, doc.values
  if needed and (kinds[needed] == nil or kinds[needed] == "null") then return needed, missing end
  for name, kind in pairs(kinds) do
    local rule = kind ~= "null" and of_route[name]
    local fault = rule and rule(kind, values[name], doc)
    if fault then return name, fault end
  end
  if kinds.messages and req.route == "chat" and options then return "messages", messages.fault(doc, options.messagesBytes) end
end

local function outside(req, options)
  local out
  for name, option in pairs(recommended) do
    local value, range = req.fields[name], options[option]
    if type(value) == "number" and (value < range[1] or value > range[2]) then
      out = out or {}
      out[#out + 1] = { name = name, text = format("%.14g is outside of the recommended range from %.14g to %.14g", value, range[1], range[2]) }
    end
  end
  return out
end

local function access(req, settings)
  if not rules[req.route] then return end
  local options = settings.validation
  local name, fault = first_fault(req, options)
  if fault then return refusal(options, name, fault) end
  local odd = options and outside(req, options)
  if not odd then return end
  if options.strict then return refusal(options, odd[1].name, { code = "outside_recommended_range", message = odd[1].text }) end
  for i, one in ipairs(odd) do odd[i] = one.name .. " " .. one.text end
  table.sort(odd)
  ngx.header["X-DeepSeek-Warning"] = table.concat(odd, "; ")
end

return { compile = compile, access = access, engine = true }
