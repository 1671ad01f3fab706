-- Where answers are kept: this gateway's shared memory in front, Redis behind it for all instances. In Redis an answer is
-- sealed under a key of its own with its name as the additional data, so that one that was changed, cut, or moved under
-- another name does not open and is a miss. In shared memory it lies open: whoever reads that reads the sealing key too.
local crypto = require "core.crypto"
local gcm = require "core.crypto_gcm"
local metrics = require "core.metrics"

local dict = ngx.shared.gateway_cache

local BATCH_BYTES = 512 * 1024
local BATCH = 32
local HANDED_S = 3 -- a large answer stays in shared memory so long for those who wait for it

local M = {}
local Store = {}
Store.__index = Store

metrics.counter("gateway_cache_writes_total", "Answers on their way into Redis, by how they went.")

--- @param options CacheOptions of src/gateway/cache.ts
--- @param secret any text of high entropy
--- @param redis a client, or nil: then shared memory alone
function M.new(options, secret, redis)
  return setmetatable({
    options = options,
    redis = redis,
    name = crypto.hmac_sha256(crypto.hmac_sha256(secret) "names of cached answers"),
    seal_key = crypto.hmac_sha256(crypto.hmac_sha256(secret) "keys of cached answers"),
    queue = {},
    bytes = 0,
  }, Store)
end

--- One line that says when, until when and what, then the answer's JSON. `bare`: a stream that did not tell its usage.
local function pack(entry)
  local whole = entry.bare and "bare" or "whole"
  return string.format("1 %d %d %s %s\n", entry.stored, entry.fresh, entry.kind, whole) .. entry.json
end

local function unpack_entry(text)
  local stored, fresh, kind, whole, at = text:match "^1 (%d+) (%d+) (%l+) (%l+)\n()"
  if not stored then return nil end
  return {
    stored = tonumber(stored),
    fresh = tonumber(fresh),
    kind = kind,
    bare = whole == "bare",
    json = text:sub(at),
  }
end

function Store:keep(key, entry, text, seconds)
  local left = entry.fresh - ngx.time()
  if left > 0 and seconds > 0 then dict:set(key, text, math.min(seconds, left)) end
end

--- What lies in shared memory, fresh.
function Store:near(key)
  local text = dict:get(key)
  return text and unpack_entry(text)
end

--- @return the entry, fresh or stale, or nil
function Store:far(key)
  local redis = self.redis
  if not redis then return nil end
  local sealed = redis:get(key)
  if not sealed then return nil end
  local text = gcm.open(self.seal_key(key), key, sealed)
  local entry = text and unpack_entry(text)
  if not entry then
    metrics.add("gateway_cache_writes_total", 'result="unreadable"', 1)
    return nil
  end
  if #entry.json <= self.options.localBytes then self:keep(key, entry, text, self.options.localS) end
  return entry
end

local function count(result, n)
  metrics.add("gateway_cache_writes_total", 'result="' .. result .. '"', n or 1)
end

--- The next commands of the queue, sealed only now.
function Store:batch()
  local commands, bytes = {}, 0
  while self.queue[1] and #commands < BATCH and bytes < BATCH_BYTES do
    local one = table.remove(self.queue, 1)
    self.bytes = self.bytes - #one.text
    bytes = bytes + #one.text
    commands[#commands + 1] = { "SET", one.key, gcm.seal(self.seal_key(one.key), one.key, one.text), "EX", one.ttl }
  end
  return commands
end

local function write_all(store)
  while store.queue[1] do
    local commands = store:batch()
    local stored = 0
    for _, reply in ipairs(store.redis:pipeline(commands, store.redis.options.writeMs)) do
      if reply == "OK" then stored = stored + 1 end
    end
    count("stored", stored)
    count("lost", #commands - stored)
  end
end

--- Also when the worker is about to leave: what waits is written first.
local function drain(_, store)
  local ok, err = pcall(write_all, store)
  store.draining = false
  if not ok then ngx.log(ngx.ERR, "cache: ", err) end
end

--- From any phase: the answer is put into shared memory now and written to Redis by this worker's one timer.
--- @param answer { kind = 'chat' | 'completions' | 'embeddings', json =, bare = }
--- @param wanted somebody waits for it
function Store:put(key, answer, wanted)
  local options, now = self.options, ngx.time()
  local entry = { stored = now, fresh = now + options.ttlS, kind = answer.kind, bare = answer.bare, json = answer.json }
  local text = pack(entry)
  local small = #answer.json <= options.localBytes
  self:keep(key, entry, text, small and options.localS or wanted and HANDED_S or 0)
  if not self.redis then return end
  if #self.queue >= options.queue.entries or self.bytes + #text > options.queue.bytes then return count "full" end
  self.queue[#self.queue + 1] = { key = key, text = text, ttl = options.ttlS + options.staleS }
  self.bytes = self.bytes + #text
  if not self.draining then
    self.draining = ngx.timer.at(0, drain, self) or false
  end
end

return M
