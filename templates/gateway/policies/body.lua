-- The body, in memory only, as one JSON object. nginx has checked its size before us (413) and buffers as much as it
-- allows, so a body that is not in memory is one we must not read: it would block the worker on a file.
local collector = require "core.collector"
local json = require "core.json"
local reply = require "core.reply"
local routes = require "core.routes"

local large = reply.refusal(413, "request_too_large", "The request body is too large.")
local empty = reply.refusal(400, "empty_body", "A JSON object is needed as the request body.")

local function access(req, settings)
  if not routes[req.route].body then return end
  ngx.req.read_body()
  local body = ngx.req.get_body_data()
  if not body then return ngx.req.get_body_file() and large or empty end
  local doc, err = json.open(body)
  if not doc then return reply.refusal(400, "invalid_json", "The request body is not a JSON object: " .. err .. ".") end
  req.body_bytes = #body
  collector.saw(#body)
  if settings.audit_content then req.body = body end
  req.doc, req.given = doc, doc
  req.fields = doc.values
  req.stream = doc.values.stream == true
end

--- What the caller wrote has been answered.
local function done(req)
  local given = req.given
  if not given then return end
  if req.doc ~= given then json.release(req.doc) end
  req.doc, req.given, req.fields = nil, nil, nil
  json.release(given)
end

return { access = access, done = done, engine = true }
