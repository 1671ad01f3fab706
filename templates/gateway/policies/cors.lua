-- Pages of other origins, where the settings name them. No cookies are known here, so credentials are never allowed; a
-- page sends its key as any caller does. https://fetch.spec.whatwg.org/#http-cors-protocol
local METHODS = "GET, POST"
local HEADERS = "Authorization, Content-Type, X-Request-Id, X-Cache, Cache-Control, traceparent, tracestate"
local EXPOSED = "X-Request-Id, X-Cache, X-Degraded, X-DeepSeek-Warning, Retry-After, Age, "
  .. "x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, "
  .. "x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens"

local function compile(settings)
  local cors = settings.cors
  if not cors then return end
  if type(cors.origins) ~= "table" or type(cors.maxAgeS) ~= "number" then error("cors has no origins or no maxAgeS", 0) end
  local allowed = {}
  for _, origin in ipairs(cors.origins) do
    if origin ~= "*" and not tostring(origin):find "^%l[%w+.-]*://[^/%s]+$" then
      error("cors.origins: no origin is " .. tostring(origin), 0)
    end
    allowed[origin] = true
  end
  settings.cors_origins = allowed
end

--- What a browser asks before the request itself.
local function preflight(req, cors)
  local header = ngx.header
  header["Access-Control-Allow-Methods"] = METHODS
  header["Access-Control-Allow-Headers"] = HEADERS
  header["Access-Control-Max-Age"] = cors.maxAgeS
  req.ours, req.whole = true, true
  return ngx.exit(ngx.HTTP_NO_CONTENT)
end

local function access(req, settings)
  local allowed = settings.cors_origins
  if not allowed then return end
  local header, origin = ngx.header, ngx.var.http_origin
  local any = allowed["*"]
  if not any then header["Vary"] = "Origin" end
  if not origin or not (any or allowed[origin]) then return end
  header["Access-Control-Allow-Origin"] = any and "*" or origin
  header["Access-Control-Expose-Headers"] = EXPOSED
  if ngx.req.get_method() == "OPTIONS" and ngx.var.http_access_control_request_method then
    return preflight(req, settings.cors)
  end
end

return { compile = compile, access = access }
