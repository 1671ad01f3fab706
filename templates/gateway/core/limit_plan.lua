-- Which bounds hold for a key: its own, those of every key where it has none of its own, and its tenant's. Made once a revision and key.
local shape = require "core.shape"

local M = {}

-- LimitOptions and LimitBounds of src/gateway/limits.ts
local whole = {
  key = "optional table",
  tenant = "optional table",
  tenants = "optional table",
  perEngine = "optional number",
  instances = "number",
  reserveTokens = "number",
}
local bounds = { requestsPerMinute = true, tokensPerMinute = true, tokensPerDay = true, concurrent = true }

-- In the order in which callers see them. `per` names the field in LimitBounds of src/gateway/limits.ts.
local fields = {
  { per = "requestsPerMinute", kind = "rate", of = "requests" },
  { per = "tokensPerMinute", kind = "rate", of = "tokens" },
  { per = "tokensPerDay", kind = "day", of = "tokens" },
  { per = "concurrent", kind = "open", of = "requests" },
}

--- @param own what takes the place of `given`, bound by bound; 'none' takes one away
local function add(plan, given, own, scope, prefix, instances)
  for _, field in ipairs(fields) do
    local limit = own and own[field.per] or given and given[field.per]
    if limit and limit ~= "none" then
      plan[#plan + 1] = {
        kind = field.kind,
        of = field.of,
        per = field.per,
        scope = scope,
        limit = limit,
        -- What one instance allows by itself when there is no Redis to ask.
        share = math.max(1, math.floor(limit / instances)),
        key = prefix .. field.per .. ":",
      }
      if field.of == "tokens" then plan.tokens = true end
    end
  end
end

local function check_bound(name, limit, path)
  if not bounds[name] then error(path .. "." .. name .. " is no limit", 0) end
  if type(limit) ~= "number" then error(path .. "." .. name .. " is no number", 0) end
  if limit < 1 then error(path .. "." .. name .. " is less than 1", 0) end
end

local function check_bounds(given, path)
  for name, limit in pairs(given or {}) do check_bound(name, limit, path) end
end

--- Raises for limits of a key or a client that would not hold as they were meant.
function M.check_own(holder)
  for name, limit in pairs(holder.limits or {}) do
    check_bound(name, limit == "none" and 1 or limit, holder.id .. ".limits")
  end
end

--- Raises for limits that would not hold as they were meant.
function M.check(limits)
  shape.check(limits, whole, "limits")
  if limits.instances < 1 then error("limits.instances is less than 1", 0) end
  check_bounds(limits.key, "limits.key")
  check_bounds(limits.tenant, "limits.tenant")
  for name, given in pairs(limits.tenants or {}) do check_bounds(given, "limits.tenants." .. name) end
end

--- Where in the plan those bounds are that callers are told of: not of what others' ends give back.
local function told(plan, of)
  local list = {}
  for i, bound in ipairs(plan) do
    if bound.of == of and bound.kind ~= "open" then list[#list + 1] = i end
  end
  return list
end

--- A key's name in shared memory, which hashes names byte by byte: 70 of them cost 0.3 us, ten times the rest.
function M.near(key)
  return ngx.md5_bin(key):sub(1, 8)
end

--- @param bounds a list of { kind, of, share, limit, key }
--- @return the plan: the bounds; `told` by 'requests' and 'tokens'; `out`: room for what core.limit_local and
--- core.limit_redis tell of each bound, valid until the next request
function M.arrange(bounds)
  for _, bound in ipairs(bounds) do
    bound.near = M.near(bound.key)
    bound.limit_text, bound.share_text = tostring(bound.limit), tostring(bound.share)
  end
  bounds.told = { requests = told(bounds, "requests"), tokens = told(bounds, "tokens") }
  bounds.out = { left = {}, back = {}, wait = {} }
  return bounds
end

--- @param limits LimitOptions of src/gateway/limits.ts
--- @return the plan, with tokens = true where tokens count
function M.of(limits, key)
  local plan, tag = {}, "limit:{" .. ngx.md5(key.tenant) .. "}:"
  local shared = limits.tenants and limits.tenants[key.tenant] or limits.tenant
  add(plan, limits.key, key.limits, "key", tag .. key.id .. ":", limits.instances)
  add(plan, shared, nil, "tenant", tag .. "all:", limits.instances)
  return M.arrange(plan)
end

return M
