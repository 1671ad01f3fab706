-- Answers that were given before. What may be cached and under which name: core.cache_key; where it lies:
-- core.cache_store. A caller who wants a stream gets a stored answer as a stream, and the other way round. Equal requests
-- that come while the first is under way wait for its answer: long for JSON, which they could not have sooner, briefly
-- for a stream, whose first token counts. `X-Cache` on the answer says hit, miss, bypass, or stale.
local answers = require "core.cache_answer"
local cjson = require "cjson.safe"
local flight = require "core.cache_flight"
local generated = require "policies.generated"
local home = require "core.home"
local json = require "core.json"
local keys = require "core.cache_key"
local metrics = require "core.metrics"
local redis = require "core.redis"
local replay = require "core.cache_replay"
local shape = require "core.shape"
local store = require "core.cache_store"
local sys = require "core.sys"

-- CacheOptions of src/gateway/cache.ts
local whole = {
  ttlS = "number",
  staleS = "number",
  maxBytes = "number",
  localBytes = "number",
  localS = "number",
  embeddings = "boolean",
  onlyOnRequest = "boolean",
  flight = { waitMs = "number", streamWaitMs = "number" },
  replay = { pieceBytes = "number", everyMs = "number", longestMs = "number" },
  queue = { entries = "number", bytes = "number" },
}

metrics.counter("gateway_cache_total", "Requests by what the cache had for them.")
metrics.counter("gateway_cache_answers_total", "Answers of engines by whether they could be kept.")
metrics.gauge("gateway_cache_free_bytes", "Free room in the shared memory of the cache.", function()
  return { [""] = ngx.shared.gateway_cache:free_space() }
end)

local last = {}

--- The store for these settings, the same one (with its queue) for as long as they stay equal.
local function store_of(options, client)
  local text = cjson.encode(options)
  if last.text ~= text or last.client ~= client then
    last = { text = text, client = client, store = store.new(options, home.secrets.cacheSecret, client) }
  end
  return last.store
end

local function compile(settings)
  if not settings.cache then return end
  shape.check(settings.cache, whole, "cache")
  if not home.secrets.cacheSecret then error("secrets.json holds no cacheSecret", 0) end
  settings.last_resort = settings.last_resort or settings.cache.staleS > 0
  settings.cache_store = store_of(settings.cache, redis.of(settings.redis, home.secrets.redisPassword))
end

--- @param how what the metrics call it, when it is more exact than what the caller sees
local function verdict(req, word, how)
  req.cache = word
  ngx.var.gateway_cache = word
  metrics.add("gateway_cache_total", 'model="' .. req.model.id .. '",result="' .. (how or word) .. '"', 1)
end

local function wants_usage(req)
  if not req.stream or req.doc.kinds.stream_options ~= "object" then return false end
  return json.decode(req.doc, "stream_options").include_usage == true
end

--- A stream that did not tell its usage cannot answer who wants to know it.
local function serves(entry, cache)
  return entry.kind == cache.kind and not (entry.bare and (cache.usage or not cache.stream))
end

--- Sends the answer and ends the request.
local function answer(req, entry, word, how)
  verdict(req, word, how)
  ngx.status = 200
  ngx.header["Age"] = math.max(0, ngx.time() - entry.stored)
  local function sent(bytes)
    req.first = req.first or sys.msec() - req.started
    req.bytes = req.bytes + bytes
  end
  local cache = req.cached
  req.ours, cache.collected = true, nil
  if cache.stream then
    req.whole = replay.stream(entry, req.now.cache.replay, cache, sent)
  else
    req.whole = replay.json(entry, cache, sent)
  end
  return ngx.exit(ngx.HTTP_OK)
end

--- @return a fresh entry and where it was found; a stale one is remembered for when no engine answers
local function look(req, settings)
  local cache, from = req.cached, settings.cache_store
  local entry = from:near(cache.key)
  if entry and serves(entry, cache) then return entry, "local" end
  entry = from:far(cache.key)
  if not entry or not serves(entry, cache) then return nil end
  if entry.fresh > ngx.time() then return entry, "redis" end
  cache.stale = entry
  return nil
end

local function wait(req, settings)
  local cache, bounds = req.cached, settings.cache.flight
  local limit = cache.stream and bounds.streamWaitMs or bounds.waitMs
  return flight.follow(cache.key, limit, function()
    local entry = settings.cache_store:near(cache.key)
    return entry and serves(entry, cache) and entry
  end)
end

local function access(req, settings)
  local options = settings.cache
  local kind = options and answers.kind_of(req.route)
  if not kind then return end
  local wish = keys.wish(req, options)
  local key = wish and req.version and keys.of(req, settings.cache_store.name)
  if not key then return verdict(req, "bypass") end
  local stream = req.stream and kind ~= "embeddings"
  local cache = { key = key, kind = kind, stream = stream, usage = wants_usage(req) }
  cache.turn = req.route == "generate" and generated.turned or nil
  req.cached = cache
  if wish == "use" then
    local entry, where = look(req, settings)
    if entry then return answer(req, entry, "hit", where) end
    cache.leads = flight.lead(key)
    entry = not cache.leads and wait(req, settings)
    if entry then return answer(req, entry, "hit", "flight") end
  end
  verdict(req, "miss", wish == "refresh" and "refresh" or nil)
  cache.collected = answers.collect(kind, stream, options.maxBytes)
end

local function land(cache)
  if cache.leads then
    cache.leads = nil
    flight.land(cache.key)
  end
end

local function keep(req, cache, collected)
  local options = req.now.cache
  local text, more = answers.finish(collected, options.maxBytes)
  if text then
    local kept = { kind = cache.kind, json = text, bare = more }
    req.now.cache_store:put(cache.key, kept, flight.wanted(cache.key))
  end
  metrics.add("gateway_cache_answers_total", 'result="' .. (text and "kept" or more) .. '"', 1)
end

--- An answer we cannot read is the caller's all the same: nothing that goes wrong here reaches it.
local function try(req, cache, what, ...)
  local ok, err = pcall(what, ...)
  if ok then return end
  ngx.log(ngx.ERR, "cache: request ", req.id, ": ", err)
  cache.collected = nil
end

local function chunk(req, data, is_last)
  local cache = req.cached
  local collected = cache and cache.collected
  if not collected then return end
  if ngx.status ~= 200 then
    cache.collected = nil
    return
  end
  if #data > 0 and not collected.broken then try(req, cache, collected.add, collected, data) end
  if is_last and cache.collected then
    cache.collected = nil
    try(req, cache, keep, req, cache, collected)
    land(cache)
  end
end

local function done(req)
  if req.cached then land(req.cached) end
end

--- When no engine answers: what was stored and is no longer fresh, where the settings keep that (staleS).
--- @return true when it was sent
local function rescue(req)
  local entry = req.cached and req.cached.stale
  if not entry then return false end
  answer(req, entry, "stale")
  return true
end

return { compile = compile, access = access, chunk = chunk, done = done, rescue = rescue, engine = true }
