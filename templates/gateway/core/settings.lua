-- What changes while the gateway runs: keys, models, versions, peers, limits. One document with a growing revision, kept
-- in shared memory; each worker compiles it once a revision. It comes from settings.json (polled) or the admin port.
local cjson = require "cjson.safe"
local home = require "core.home"
local pipeline = require "core.pipeline"

local dict = ngx.shared.gateway_settings
local POLL = 0.25 -- seconds

local M = {}
local current = { revision = -1 }
local seen -- text of settings.json at the last look

--- @return the compiled settings, or nil and what is wrong with them
local function compile(text)
  local document, err = cjson.decode(text)
  if type(document) ~= "table" then return nil, "not JSON: " .. tostring(err) end
  if type(document.revision) ~= "number" then return nil, "revision is not a number" end
  local ok, compiled = pcall(pipeline.compile, document)
  if not ok then return nil, tostring(compiled) end
  return compiled
end

--- Compiles what is in force anew.
function M.adopt()
  local compiled, err = compile(dict:get "text")
  if compiled then
    current = compiled
  else
    ngx.log(ngx.ERR, "settings not adopted: ", err)
  end
end

--- The settings of now: a revision that a PUT was answered for holds for every request that comes after.
function M.current()
  if dict:get "revision" ~= current.revision then M.adopt() end
  return current
end

function M.text()
  return dict:get "text"
end

--- Takes a document whose revision is higher than the one in force.
--- @return true, or nil, 'stale' | 'invalid' | 'full' | 'busy', and the reason
function M.offer(text)
  local compiled, err = compile(text)
  if not compiled then return nil, "invalid", err end
  if not dict:add("offering", true, 5) then return nil, "busy", "another change is being taken" end
  local revision = dict:get "revision" or -1
  local ok, code, reason = true, nil, nil
  if compiled.revision <= revision then
    ok, code, reason = nil, "stale", "revision " .. revision .. " is in force"
  else
    local stored, why = dict:safe_set("text", text)
    if stored then
      dict:set("revision", compiled.revision)
    else
      ok, code, reason = nil, "full", why
    end
  end
  dict:delete "offering"
  return ok, code, reason
end

--- Looks whether settings.json was replaced (a rename, or a ConfigMap's link swapped).
local function poll()
  local text, err = home.read "settings.json"
  if not text then return ngx.log(ngx.ERR, "settings.json: ", err) end
  if text == seen then return end
  seen = text
  local ok, code, reason = M.offer(text)
  if not ok and code ~= "stale" then ngx.log(ngx.ERR, "settings.json refused: ", reason) end
end

--- In the master: the gateway does not start without settings it can read.
function M.load()
  local text = assert(home.read "settings.json")
  local ok, code, reason = M.offer(text)
  if not ok and code ~= "stale" then error("settings.json: " .. reason) end
end

--- In each worker; one of them polls.
function M.work()
  M.adopt()
  if ngx.worker.id() == 0 then
    assert(ngx.timer.every(POLL, function(premature)
      if not premature then poll() end
    end))
  end
end

return M
