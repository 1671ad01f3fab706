-- The life of a request, in order: one policy, one file, one line. A policy is a table with any of
--   engine = true                      only for routes that an engine answers
--   compile(settings)                  once a revision: lookups into settings; may raise
--   access(req, settings) -> refusal   before anything is sent on
--   chunk(req, data, last) -> data     each piece of the answer; nil leaves it as it is
--   rescue(req, settings) -> true      no engine answered; true: this policy has, in its place
--   done(req, settings)                once, after the last byte
local names = {
  "policies.id", -- X-Request-Id, in and out
  "policies.listed", -- in hand from here on; or nothing is done, while it could not be put on record
  "policies.cors", -- pages of other origins
  "policies.method", -- what the route allows
  "policies.key", -- who calls
  "policies.body", -- in memory, JSON, one object
  "policies.generate", -- /v1/text/generate as a text completion
  "policies.model", -- known, and within the key's scope
  "policies.validate", -- types and ranges of parameters
  "policies.deepseek", -- thinking and reasoning_effort, as engines understand them
  "policies.version", -- blue or green, by weight
  "policies.across", -- a version of another protocol, when those of the same failed
  "policies.limits", -- how much the key and its tenant may ask for
  "policies.audit", -- what is on record of it; before those that may answer themselves
  "policies.cache", -- answers given before
  "policies.cloud", -- the last resort when no engine answers
  "policies.breaker", -- peers and versions that fail are left alone
  "policies.full", -- room in the engines
  "policies.usage", -- tokens, first byte, whole or cut
  "policies.broken", -- an error event where a stream breaks off
  "policies.unasked", -- usage of streams, asked for the limits' sake
  "policies.peer", -- load of the peers
  "policies.generated", -- its answers
  "policies.comments", -- streams that fall silent; after all that change what goes out
  "policies.metrics",
}

local policies = {}
for i, name in ipairs(names) do policies[i] = require(name) end

local M = {}

local function collect(phase, engine)
  local list = {}
  for _, policy in ipairs(policies) do
    if policy[phase] and (engine or not policy.engine) then list[#list + 1] = policy[phase] end
  end
  return list
end

local calls = {
  access = "local answer = f%d(req, settings) if answer then return answer end",
  rescue = "local answer = f%d(req, settings) if answer then return answer end",
  chunk = "local other = f%d(req, data, last) if other and other ~= data then data = other changed = true end",
  done = "f%d(req, settings)",
}

--- One function that calls the phase's functions in turn. Written out rather than looped over: a loop around functions
--- of all kinds keeps LuaJIT from compiling what they do.
local function chain(phase, engine)
  local list = collect(phase, engine)
  local names, lines = { "_" }, {}
  for i = 1, #list do
    names[i] = "f" .. i
    lines[i] = "do " .. calls[phase]:format(i) .. " end"
  end
  local chunk = phase == "chunk"
  local text = "local " .. table.concat(names, ", ") .. " = ...\nreturn function(req, "
    .. (chunk and "data, last) local changed = false\n" or "settings)\n")
    .. table.concat(lines, "\n")
    .. (chunk and "\nreturn changed and data\nend" or "\nend")
  return assert(loadstring(text, "=" .. phase))(unpack(list))
end

-- Made once: a new revision of the settings runs the machine code of the one before.
local phases = {
  access = chain("access", true),
  access_own = chain("access", false),
  chunk = chain("chunk", true),
  rescue = chain("rescue", true),
  done = chain("done", true),
}

--- Turns the document into what the phases read: its own fields, the policies' lookups, and the chains.
function M.compile(settings)
  for _, policy in ipairs(policies) do
    if policy.compile then policy.compile(settings) end
  end
  for name, run in pairs(phases) do settings[name] = run end
  return settings
end

return M
