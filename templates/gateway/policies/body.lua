-- The body, in memory only, as one JSON object. nginx has checked its size before us (413) and buffers as much as it
-- allows, so a body that is not in memory is one we must not read: it would block the worker on a file.
local cjson = require "cjson.safe"
local reply = require "core.reply"
local routes = require "core.routes"

local DEPTH = 64
cjson.decode_max_depth(DEPTH)

local large = reply.refusal(413, "request_too_large", "The request body is too large.")
local empty = reply.refusal(400, "empty_body", "A JSON object is needed as the request body.")

local function access(req)
  if not routes[req.route].body then return end
  ngx.req.read_body()
  local body = ngx.req.get_body_data()
  if not body then return ngx.req.get_body_file() and large or empty end
  local fields, err = cjson.decode(body)
  if not fields then return reply.refusal(400, "invalid_json", "The request body is not JSON: " .. err) end
  if type(fields) ~= "table" or fields[1] ~= nil then return empty end
  req.body_bytes = #body
  req.fields = fields
  req.stream = fields.stream == true
end

return { access = access, engine = true }
