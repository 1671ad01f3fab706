-- POST /oauth2/token: client credentials (RFC 6749, 4.4), by form body or HTTP Basic. Errors have that RFC's shape.
local cjson = require "cjson"
local id = require "policies.id"
local listed = require "policies.listed"
local method = require "policies.method"
local reply = require "core.reply"
local token = require "core.token"

local MOST = 16 -- parameters
local FORM = "application/x-www-form-urlencoded"
local REALM = 'Basic realm="deepseek-deploy", charset="UTF-8"'

local function answer(status, document)
  ngx.header["Cache-Control"] = "no-store"
  ngx.header["Pragma"] = "no-cache"
  return reply.json(status, cjson.encode(document))
end

local function fail(req, code, description)
  local status = code == "invalid_client" and 401 or 400
  req.refusal = reply.refusal(status, code, description)
  if status == 401 then ngx.header["WWW-Authenticate"] = REALM end
  return answer(status, { error = code, error_description = description })
end

--- Parameters without a value count as not there (RFC 6749, 3.2).
--- @return the form, or nil and what is wrong with it
local function form()
  local kind = ngx.var.http_content_type or ""
  if kind:match("^[^;%s]*"):lower() ~= FORM then return nil, "The body must be " .. FORM .. "." end
  ngx.req.read_body()
  if not ngx.req.get_body_data() then return nil, "The body is empty or too large." end
  local args, err = ngx.req.get_post_args(MOST)
  if err then return nil, "There are too many parameters." end
  local found = {}
  for name, value in pairs(args) do
    if type(value) == "table" then return nil, "A parameter was given twice." end
    if value ~= true and value ~= "" then found[name] = value end
  end
  return found
end

--- Both parts are form-encoded before they are joined (RFC 6749, 2.3.1).
local function basic(header)
  local coded = header:match "^[Bb][Aa][Ss][Ii][Cc] +([%w+/=]+) *$"
  local name, secret = (coded and ngx.decode_base64(coded) or ""):match "^([^:]*):(.*)$"
  if not name then return nil end
  return ngx.unescape_uri(name), ngx.unescape_uri(secret)
end

--- @return client id and secret, or nil, the error and its description
local function credentials(given)
  local header = ngx.var.http_authorization
  if not header then
    if given.client_id and given.client_secret then return given.client_id, given.client_secret end
    return nil, "invalid_client", "Client id and secret are needed."
  end
  if given.client_secret then return nil, "invalid_request", "Give the client's secret in one way only." end
  local name, secret = basic(header)
  if not name then return nil, "invalid_client", "HTTP Basic with client id and secret is needed." end
  if given.client_id and given.client_id ~= name then return nil, "invalid_request", "Two different client ids." end
  return name, secret
end

return function(req, settings)
  id.access(req)
  local refusal = listed.access(req, settings) or method.access(req)
  if refusal then return reply.refuse(req, refusal) end
  local given, wrong = form()
  if not given then return fail(req, "invalid_request", wrong) end
  if not given.grant_type then return fail(req, "invalid_request", "grant_type is missing.") end
  local name, secret, description = credentials(given)
  if not name then return fail(req, secret, description) end
  local client = token.client(settings, name, secret)
  if not client then return fail(req, "invalid_client", "This client id and secret are not known here.") end
  req.key, req.tenant = client, client.tenant
  if given.grant_type ~= "client_credentials" then
    return fail(req, "unsupported_grant_type", "Only client_credentials is supported.")
  end
  local scope = token.grant(settings, client, given.scope)
  if not scope then return fail(req, "invalid_scope", "This client may not have that scope.") end
  local text = token.issue(settings, client, scope)
  if not text then
    return reply.refuse(req, reply.refusal(503, "no_signing_key", "No tokens are issued here now."))
  end
  return answer(200, { access_token = text, token_type = "Bearer", expires_in = settings.oauth.ttlS, scope = scope })
end
