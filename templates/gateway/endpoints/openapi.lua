-- GET /openapi.json: the document that was rendered with nginx.conf.
local home = require "core.home"
local id = require "policies.id"
local method = require "policies.method"
local reply = require "core.reply"

local M = {}
local text

--- In the master.
function M.load()
  text = assert(home.read "openapi.json")
end

function M.serve(req)
  id.access(req)
  local refusal = method.access(req)
  if refusal then return reply.refuse(req, refusal) end
  return reply.json(200, text)
end

return M
