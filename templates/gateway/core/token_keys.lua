-- The keys that tokens are signed with: the current one, and the one before it until the last of its tokens has ended.
-- They come from secrets.json when nginx starts or reloads, and from the admin port in between: workers may not read that
-- file. What is in force is in shared memory, for all workers and for those that come after a crash.
local cjson = require "cjson.safe"
local home = require "core.home"
local jwt = require "core.jwt"

local dict = ngx.shared.gateway_tokens
local MIN_SECRET = 32 -- bytes, RFC 7518, 3.2

local M = {}
local none = { version = 0, by_header = {}, kids = {} }
local now = none

local function signer(key)
  assert(type(key) == "table" and type(key.kid) == "string" and key.kid:find "^[%w_-]+$" and #key.kid <= 64, "kid")
  local secret = type(key.secret) == "string" and key.secret:find "^[%w_-]+$" and jwt.decode_base64url(key.secret)
  assert(secret and #secret >= MIN_SECRET, "a secret of " .. MIN_SECRET .. " bytes in base64url is needed")
  return jwt.signer(key.kid, secret)
end

local function build(text)
  local document = assert(cjson.decode(text))
  assert(type(document) == "table" and type(document.version) == "number", "version is not a number")
  local current = signer(document.current)
  local keys = { version = document.version, current = current, by_header = { [current.header] = current } }
  keys.kids = { current.kid }
  if document.previous then
    local previous = signer(document.previous)
    assert(previous.kid ~= current.kid, "two keys of one kid")
    assert(type(document.previous.endsAt) == "number", "endsAt is not a number")
    previous.ends_at = document.previous.endsAt
    keys.by_header[previous.header] = previous
    keys.kids[2] = previous.kid
  end
  return keys
end

local function store(text, version)
  assert(dict:safe_set("text", text))
  assert(dict:set("version", version))
end

--- In the master: the file is the truth after a start or a reload.
function M.load()
  local given = home.secrets.tokenKeys
  if not given then return end
  local text = cjson.encode(given)
  local ok, keys = pcall(build, text)
  if not ok then error("secrets.json: tokenKeys: " .. tostring(keys), 0) end
  store(text, keys.version)
end

--- @return version, current (absent: none yet), by_header, kids
function M.now()
  local version = dict:get "version"
  if version and version ~= now.version then now = build(dict:get "text") end
  return now
end

--- Takes keys whose version is higher than the one in force.
--- @return true, or nil, 'stale' | 'invalid', and the reason
function M.offer(text)
  local ok, keys = pcall(build, text)
  if not ok then return nil, "invalid", "these are no signing keys" end
  if keys.version <= M.now().version then return nil, "stale", "version " .. M.now().version .. " is in force" end
  store(text, keys.version)
  return true
end

return M
