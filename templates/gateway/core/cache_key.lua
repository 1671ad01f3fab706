-- Which requests may be answered from the cache, and under which key. Two requests share a key when tenant, model, its
-- revision and every parameter that can change the answer are the same, in whatever order and with whatever white space
-- they were written. The key is an HMAC, so that who can read Redis cannot try out prompts.
local answers = require "core.cache_answer"
local json = require "core.json"

local concat, sort = table.concat, table.sort
local format = string.format

local EXACT = 2 ^ 53 -- beyond it two numbers of JSON may become the same double
local FORMAT = "1"

-- What does not change the answer: how it is sent, for whom, and how urgently.
local aside = {
  stream = true,
  stream_options = true,
  model = true, -- stands in the key by its own name, without aliases
  user = true,
  metadata = true,
  store = true,
  request_id = true,
  safety_identifier = true,
  prompt_cache_key = true,
  priority = true,
  service_tier = true,
}

local M = {}

--- What the caller wants: the headers `X-Cache: on | off | refresh` and `Cache-Control: no-store | no-cache`.
--- Without them, only answers at temperature 0 are taken from and put into the cache (embeddings have none), and with
--- `onlyOnRequest` not even these.
--- @return 'use', 'refresh' (do not look, but store), or nil
function M.wish(req, options)
  local asked, control = ngx.var.http_x_cache, ngx.var.http_cache_control
  if asked == "off" or (control and control:find("no-store", 1, true)) then return nil end
  local wanted = asked == "on" or asked == "refresh"
  if not wanted and not options.onlyOnRequest then
    if req.route == "embeddings" then wanted = options.embeddings else wanted = req.fields.temperature == 0 end
  end
  if not wanted then return nil end
  if asked == "refresh" or (control and control:find("no-cache", 1, true)) then return "refresh" end
  return "use"
end

local write

local function text(out, value)
  local n = #out
  out[n + 1] = "s" .. #value .. ":"
  out[n + 2] = value
end

local function number(out, value)
  if value >= EXACT or value <= -EXACT then return nil end
  out[#out + 1] = "n" .. format("%.17g", value) .. ";"
  return true
end

local function list(out, values)
  out[#out + 1] = "a" .. #values .. ":"
  for i = 1, #values do
    if not write(out, values[i]) then return nil end
  end
  return true
end

local function object(out, fields)
  local names = {}
  for name in pairs(fields) do names[#names + 1] = name end
  sort(names)
  out[#out + 1] = "o" .. #names .. ":"
  for i = 1, #names do
    text(out, names[i])
    if not write(out, fields[names[i]]) then return nil end
  end
  return true
end

local words = { [true] = "t", [false] = "f", [json.null] = "z" }

--- Unambiguous without escaping: every piece says its kind and its size.
--- @return true, or nil for what two doubles cannot tell apart, and for what is no value
function write(out, value)
  local kind = type(value)
  if kind == "string" then
    text(out, value)
    return true
  end
  if kind == "number" then return number(out, value) end
  if kind == "table" then
    if value[1] ~= nil then return list(out, value) end
    return object(out, value)
  end
  local word = value ~= nil and words[value] or nil
  out[#out + 1] = word
  return word and true
end

local function parameter(out, doc, name)
  local kind = doc.kinds[name]
  if aside[name] or kind == "null" then return true end
  text(out, name)
  local value = doc.values[name]
  -- Containers and long strings are decoded only here.
  if value == nil then value = json.decode(doc, name) end
  return write(out, value)
end

--- @param hmac function(text) -> 32 bytes
--- @return the key as Redis and the shared dictionary know it, or nil when the request has none
function M.of(req, hmac)
  local doc, version = req.doc, req.version
  local out = {}
  for _, part in ipairs { FORMAT, req.tenant, answers.kind_of(req.route), req.model.id, version.revision or version.name } do
    text(out, part)
  end
  local names = {}
  for name in pairs(doc.kinds) do names[#names + 1] = name end
  sort(names)
  for i = 1, #names do
    if not parameter(out, doc, names[i]) then return nil end
  end
  return "answer:" .. ngx.encode_base64(hmac(concat(out)), true)
end

return M
