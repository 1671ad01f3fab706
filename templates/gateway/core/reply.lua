-- A refusal is a value; here it becomes an answer in OpenAI's error shape.
local cjson = require "cjson"
local code_for = require "core.deepseek_codes"

local M = {}

local kinds = {
  [401] = "authentication_error",
  [403] = "permission_error",
  [429] = "rate_limit_error",
}

--- @param param the field at fault, when there is one
function M.refusal(status, code, message, param, headers)
  return { status = status, code = code, message = message, param = param, headers = headers }
end

local function kind(status)
  return kinds[status] or (status >= 500 and "server_error" or "invalid_request_error")
end

function M.error_body(refusal)
  return cjson.encode {
    error = {
      message = refusal.message,
      type = kind(refusal.status),
      param = refusal.param or cjson.null,
      code = refusal.code,
    },
  }
end

function M.json(status, text)
  ngx.status = status
  ngx.header["Content-Type"] = "application/json"
  ngx.header["Content-Length"] = #text
  ngx.print(text)
  return ngx.exit(ngx.HTTP_OK)
end

--- Ends the request. The refusal stays on the request for metrics and audit.
function M.refuse(req, refusal)
  if req then req.refusal = refusal end
  if refusal.status == 401 then ngx.header["WWW-Authenticate"] = "Bearer" end
  if refusal.headers then
    for name, value in pairs(refusal.headers) do ngx.header[name] = value end
  end
  return M.json(code_for(refusal), M.error_body(refusal))
end

return M
