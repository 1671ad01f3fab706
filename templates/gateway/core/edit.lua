-- Changes what the engine gets to see of the body, one field after another.
local json = require "core.json"

local M = {}

--- @param text JSON
function M.set(req, name, text)
  local body = json.with(req.doc, name, text)
  ngx.req.set_body_data(body)
  req.doc = assert(json.open(body))
  req.fields = req.doc.values
end

return M
