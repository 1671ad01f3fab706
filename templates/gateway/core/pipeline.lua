-- The life of a request, in order: one policy, one file, one line. A policy is a table with any of
--   engine = true                      only for routes that an engine answers
--   compile(settings)                  once a revision: lookups into settings; may raise
--   access(req, settings) -> refusal   before anything is sent on
--   chunk(req, data, last) -> data     each piece of the answer; nil leaves it as it is
--   rescue(req, settings) -> true      no engine answered; true: this policy has, in its place
--   done(req, settings)                once, after the last byte
local names = {
  "policies.id", -- X-Request-Id, in and out
  "policies.method", -- what the route allows
  "policies.key", -- who calls
  "policies.body", -- in memory, JSON, one object
  "policies.model", -- known, and within the key's scope
  "policies.version", -- blue or green, by weight
  "policies.cache", -- answers given before
  "policies.usage", -- tokens, first byte, whole or cut
  "policies.peer", -- load of the peers
  "policies.metrics",
  "policies.audit",
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

--- Turns the document into what the phases read: its own fields, the policies' lookups, and the lists of functions.
function M.compile(settings)
  for _, policy in ipairs(policies) do
    if policy.compile then policy.compile(settings) end
  end
  settings.access = { engine = collect("access", true), own = collect("access", false) }
  settings.chunk = collect("chunk", true)
  settings.rescue = collect("rescue", true)
  settings.done = collect("done", true)
  return settings
end

return M
