-- Clients of OAuth2 and the tokens they hold. A token is worth what its client is worth now: settings of this very
-- request decide, so that a client revoked takes its tokens with it.
local crypto = require "core.crypto"
local home = require "core.home"
local jwt = require "core.jwt"
local keys = require "core.token_keys"
local reply = require "core.reply"

local find = string.find

local M = {}
local ANY = "model:*"
local MOST = 64 -- narrower scopes that are kept of a client
local invalid = reply.refusal(401, "invalid_token", "This access token is not valid here.")
local expired = reply.refusal(401, "expired_token", "This access token has expired: ask /oauth2/token for another.")
local hash

--- A scope is 'model:*', or words 'model:ID'.
--- @return the set of model ids, or nil for all, and whether every word is one
local function models_of(scope)
  local allowed, well = {}, true
  for word in scope:gmatch "%S+" do
    if word == ANY then return nil, well end
    local id = word:match "^model:(.+)$"
    if id then allowed[id] = true else well = false end
  end
  return allowed, well
end

local kinds = { issuer = "string", audience = "string", ttlS = "number", leewayS = "number" }

function M.compile(settings)
  for name, kind in pairs(settings.oauth and kinds or {}) do
    if type(settings.oauth[name]) ~= kind then error("oauth." .. name .. " is not a " .. kind, 0) end
  end
  hash = hash or crypto.hmac_sha256(home.secrets.pepper)
  settings.client_by_id = {}
  for _, client in ipairs(settings.clients or {}) do
    if type(client.hash) ~= "string" or type(client.epoch) ~= "number" then error("a client without hash or epoch", 0) end
    if not client.revokedAt then settings.client_by_id[client.id] = client end
    local words = {}
    for _, id in ipairs(client.models or { "*" }) do words[#words + 1] = "model:" .. id end
    client.scope = table.concat(words, " ")
    client.allowed = models_of(client.scope)
    client.narrowed, client.narrowings = {}, 0
  end
  if settings.clients and not settings.oauth then error("clients without oauth", 0) end
end

local nobody = ("0"):rep(64)

--- The client of that id and secret. Takes as long for an unknown id as for a wrong secret.
function M.client(settings, id, secret)
  local client = settings.client_by_id[id]
  local digest = crypto.hex(hash(secret))
  local matches = crypto.equal(digest, client and client.hash or nobody)
  local previous = client and client.previous
  local matched_previous = crypto.equal(digest, previous and previous.hash or nobody)
  if not client or (client.expiresAt and client.expiresAt <= ngx.time()) then return nil end
  if matches or (matched_previous and previous.endsAt > ngx.time()) then return client end
end

--- @return the scope that is granted, each word once and in order, or nil when more was asked for than the client may have
function M.grant(settings, client, wanted)
  if not wanted or wanted == "" then return client.scope end
  local allowed, well = models_of(wanted)
  if not well then return nil end
  if not allowed then return not client.allowed and ANY or nil end
  local words = {}
  for id in pairs(allowed) do
    if client.allowed and not client.allowed[id] or not settings.model_by_id[id] then return nil end
    words[#words + 1] = "model:" .. id
  end
  table.sort(words)
  return table.concat(words, " ")
end

--- @return the token, or nil while there is no signing key
function M.issue(settings, client, scope)
  local signer = keys.now().current
  if not signer then return nil end
  local oauth, now = settings.oauth, ngx.time()
  return jwt.sign(signer, {
    iss = oauth.issuer,
    aud = oauth.audience,
    sub = client.id,
    client_id = client.id,
    tenant = client.tenant,
    scope = scope,
    epoch = client.epoch,
    iat = now,
    nbf = now,
    exp = now + oauth.ttlS,
    jti = jwt.random(),
  })
end

--- The client with the models of the token's scope, none that the client itself may no longer use.
local function narrow(client, scope)
  if scope == client.scope then return client end
  local known = client.narrowed[scope]
  if known then return known end
  local allowed = models_of(scope)
  if allowed and client.allowed then
    for id in pairs(allowed) do allowed[id] = client.allowed[id] end
  end
  known = setmetatable({ allowed = allowed or client.allowed }, { __index = client })
  if client.narrowings < MOST then
    client.narrowings = client.narrowings + 1
    client.narrowed[scope] = known
  end
  return known
end

--- Three parts between dots; an API key has none.
function M.is(text)
  local first = find(text, ".", 1, true)
  local second = first and find(text, ".", first + 1, true)
  return second ~= nil and not find(text, ".", second + 1, true)
end

-- Tokens whose signature was found good with the keys of now, by the whole header: two generations of at most KEPT.
-- Nothing that is not ours gets in, and in the usual form alone, so that nobody can push out another's; what can change
-- is held against the settings each time.
local KEPT = 512
local seen, older, count, of = {}, {}, 0, nil

--- @param header Authorization as it came
--- @return { claims, signer }, or nil where it was not found good before
function M.known(header)
  local now = keys.now()
  if of ~= now then seen, older, count, of = {}, {}, 0, now end
  return seen[header] or older[header]
end

--- @param header to know it by, or false
--- @return as M.known; nil where it is not good
function M.verify(text, header)
  local claims, signer = jwt.verify(text, keys.now().by_header)
  if not claims then return nil end
  local known = { claims = claims, signer = signer }
  if not header then return known end
  if count == KEPT then seen, older, count = {}, seen, 0 end
  seen[header], count = known, count + 1
  return known
end

local function times(claims, signer, oauth)
  local now, leeway = ngx.time(), oauth.leewayS
  local exp, nbf, iat = claims.exp, claims.nbf, claims.iat
  if type(exp) ~= "number" or type(nbf) ~= "number" or type(iat) ~= "number" then return invalid end
  if nbf > now + leeway or iat > now + leeway then return invalid end
  if signer.ends_at and signer.ends_at + leeway <= now then return expired end
  if exp + leeway <= now then return expired end
end

--- What policies.key does with a bearer that is a token. @param known of M.known or M.verify
function M.access(req, settings, known)
  local oauth = settings.oauth
  if not known or not oauth then return invalid end
  local claims, signer = known.claims, known.signer
  if claims.iss ~= oauth.issuer or claims.aud ~= oauth.audience then return invalid end
  local refusal = times(claims, signer, oauth)
  if refusal then return refusal end
  local client = settings.client_by_id[claims.sub]
  if not client or client.epoch ~= claims.epoch or type(claims.scope) ~= "string" then return invalid end
  if client.expiresAt and client.expiresAt <= ngx.time() then return invalid end
  req.key = narrow(client, claims.scope)
  req.tenant = client.tenant
end

return M
