-- The shape of a chat's messages: objects of known roles that say something.
local json = require "core.json"

local sub = string.sub

local ROLES = { "system", "developer", "user", "assistant", "tool", "function" }
local known = {}
for _, role in ipairs(ROLES) do known[role] = true end
local shown = "'" .. table.concat(ROLES, "', '") .. "'"

local M = {}

local function content_fault(message)
  local content = message.content
  local kind = type(content)
  if kind == "string" or kind == "table" then return nil end
  if content ~= nil and content ~= json.null then return "invalid_type", "expected a string or an array of parts" end
  -- What calls tools need not say anything.
  if message.role == "assistant" then return nil end
  return "missing_required_parameter", "it is required"
end

local function message_fault(message)
  if type(message) ~= "table" or message[1] ~= nil then return "", "invalid_type", "expected an object" end
  local role = message.role
  if role == nil then return ".role", "missing_required_parameter", "it is required" end
  if not known[role] then return ".role", "invalid_value", "supported values are: " .. shown end
  if role == "tool" and type(message.tool_call_id) ~= "string" then
    return ".tool_call_id", "missing_required_parameter", "it is required"
  end
  local code, text = content_fault(message)
  if code then return ".content", code, text end
end

--- Of a message of two strings: whether it says who speaks and what, and is no tool's answer.
local function plain(body, from, to, said)
  local role = from and sub(body, from, to)
  return said ~= nil and known[role] and role ~= "tool"
end

--- @param longest bytes of `messages` that are decoded; longer ones are the engine's to judge
--- @return nil, or { code, message, path }
function M.fault(doc, longest)
  if doc.to.messages - doc.from.messages >= longest then return nil end
  if json.strings(doc, "messages", "role", "content", plain) then return nil end
  local list = json.decode(doc, "messages")
  if list == nil then return { code = "invalid_json", message = "this is no JSON" } end
  if #list == 0 then return { code = "empty_array", message = "expected at least one message" } end
  for i = 1, #list do
    local path, code, text = message_fault(list[i])
    if path then return { code = code, message = text, path = "[" .. i - 1 .. "]" .. path } end
  end
end

return M
