-- API keys: HMAC-SHA256 with a pepper, looked up by digest, so that neither the store nor the time it takes tells a key.
local crypto = require "core.crypto"
local home = require "core.home"
local reply = require "core.reply"
local token = require "core.token"

local sub = string.sub

local SCHEME = "^[Bb][Ee][Aa][Rr][Ee][Rr] +([%w._~+/=%-]+)$"
local LONGEST = 2048

local missing = reply.refusal(401, "missing_api_key", "No API key was given: send Authorization: Bearer sk-...")
local wrong = reply.refusal(401, "invalid_api_key", "This API key is not known here.")
local expired = reply.refusal(401, "expired_api_key", "This API key has expired.")
local hash

local function compile(settings)
  hash = hash or crypto.hmac_sha256(home.secrets.pepper)
  local by_hash = {}
  for _, key in ipairs(settings.keys) do
    if not key.revokedAt then by_hash[crypto.unhex(key.hash)] = key end
  end
  settings.key_by_hash = by_hash
  -- Keys that were given in the usual form, by the whole header: none but those that are good here, so they are few.
  settings.key_by_header = {}
  token.compile(settings)
end

local function admit(req, key)
  if key.expiresAt and key.expiresAt <= ngx.time() then return expired end
  req.key, req.tenant = key, key.tenant
end

local function access(req, settings)
  local given = ngx.var.http_authorization
  if not given or given == "" then return missing end
  local key = settings.key_by_header[given]
  if key then return admit(req, key) end
  local claims = token.known(given)
  if claims then return token.access(req, settings, claims) end
  if #given > LONGEST then return wrong end
  -- The usual form without a pattern: those are not compiled.
  local usual = sub(given, 1, 7) == "Bearer "
  local secret = usual and sub(given, 8) or given:match(SCHEME)
  if secret and sub(secret, 1, 3) ~= "sk-" and token.is(secret) then
    return token.access(req, settings, token.verify(secret, usual and given))
  end
  key = secret and settings.key_by_hash[hash(secret)]
  if not key then return wrong end
  if usual then settings.key_by_header[given] = key end
  return admit(req, key)
end

return { compile = compile, access = access }
