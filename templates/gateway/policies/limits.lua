-- How much a key and its tenant may ask for: requests and tokens a minute, tokens a day (UTC), requests at the same time.
-- Over all instances by Redis; each instance its share of the limit where there is none, or while it does not answer.
-- Tokens are taken by estimate and settled by what the answer says it used. A minute is a bucket that is filled evenly:
-- in any span of t seconds nobody gets more than limit * (1 + t / 60).
local code = require "core.limit_code"
local home = require "core.home"
local far = require "core.limit_redis"
local metrics = require "core.metrics"
local near = require "core.limit_local"
local plans = require "core.limit_plan"
local redis = require "core.redis"
local reply = require "core.reply"
local new = require "table.new"
local clock = require("core.sys").clock
local vars = require "core.vars"

local ceil, floor, min = math.ceil, math.floor, math.min
local find = string.find

local BYTES_PER_TOKEN = 4

metrics.counter("gateway_limited_total", "Requests that a limit refused, by scope and limit.")
metrics.counter("gateway_limits_alone_total", "Requests whose limits this instance decided alone, though there is a Redis.")

local words = {
  requestsPerMinute = "requests per minute",
  tokensPerMinute = "tokens per minute",
  tokensPerDay = "tokens per day",
  concurrent = "requests at the same time",
}

local function compile(settings)
  local limits = settings.limits
  if not limits then return end
  plans.check(limits)
  for _, key in ipairs(settings.keys) do plans.check_own(key) end
  for _, client in ipairs(settings.clients or {}) do plans.check_own(client) end
  settings.limit_plans = {}
  settings.limit_client = redis.of(settings.redis, home.secrets.redisPassword)
end

local function plan_of(settings, key)
  local plan = settings.limit_plans[key.id]
  if not plan then
    plan = plans.of(settings.limits, key)
    settings.limit_plans[key.id] = plan
  end
  return plan
end

local day, shown = nil, nil
local function date()
  local today = floor(ngx.time() / 86400)
  if today ~= day then
    day, shown = today, os.date("!%Y-%m-%d", ngx.time())
  end
  return shown
end

local function midnight()
  return (86400 - ngx.time() % 86400) * 1000
end

--- Tokens that an answer may come to: an embedding has none.
local function longest_answer(req, cap)
  if req.route == "embeddings" then return 0 end
  local fields = req.fields
  local wanted = fields.max_completion_tokens or fields.max_tokens
  local tokens = type(wanted) == "number" and wanted >= 0 and min(wanted, cap) or cap
  local n = type(fields.n) == "number" and fields.n >= 1 and min(fields.n, 128) or 1
  return floor(tokens) * floor(n)
end

local function prompt(req)
  return ceil(req.body_bytes / BYTES_PER_TOKEN)
end

--- What more than a whole limit would cost counts as all of it: an estimate refuses nobody for ever.
local function costs_of(req, plan, limits, costs)
  local tokens = plan.tokens and prompt(req) + longest_answer(req, limits.reserveTokens) or 0
  code.sums(plan).costs(plan, costs, tokens)
end

-- What requests took, once it is given back: who settles it keeps none of its tables.
local spare, spares = {}, 0
local SPARES = 1024

local function taking(plan)
  local taken = spare[spares]
  if taken then spares = spares - 1 else taken = { costs = new(8, 0) } end
  taken.plan, taken.date, taken.client, taken.member, taken.events = plan, date(), nil, nil, nil
  return taken
end

local function give_up(taken)
  if spares == SPARES then return end
  spares = spares + 1
  spare[spares] = taken
end

-- Variables of nginx.conf, which sends them as x-ratelimit-limit-requests and so on: a third of what headers cost here.
local told = {}
for _, of in ipairs { "requests", "tokens" } do
  local name = "gateway_" .. of .. "_"
  told[of] = { limit = name .. "limit", left = name .. "left", back = name .. "back" }
end

--- Of several bounds the one that has least left is the one that a caller must know.
local function tell(plan, out, of, local_only)
  local list, names = plan.told[of], told[of]
  local least = list[1]
  if not least then return end
  for i = 2, #list do
    if out.left[list[i]] < out.left[least] then least = list[i] end
  end
  local bound = plan[least]
  vars.text(names.limit, local_only and bound.share_text or bound.limit_text)
  vars.whole(names.left, out.left[least])
  vars.duration(names.back, bound.kind == "day" and midnight() or out.back[least])
end

--- ms until the cost fits. When another request ends is not known: a second is a polite time to ask again.
local function wait_of(bound, wait)
  if wait >= 0 then return wait end
  return bound.kind == "day" and midnight() or 1000
end

local function refusal(plan, out, local_only)
  local longest, at = 0, nil
  for i, bound in ipairs(plan) do
    local wait = wait_of(bound, out.wait[i])
    if wait > longest then
      longest, at = wait, bound
    end
  end
  metrics.add("gateway_limited_total", 'scope="' .. at.scope .. '",limit="' .. at.per .. '"', 1)
  local seconds = ceil(longest / 1000)
  local text = string.format("Rate limit reached for this %s: %d %s. Please try again in %d s.",
    at.scope == "key" and "API key" or "tenant", local_only and at.share or at.limit, words[at.per], seconds)
  local code = at.kind == "day" and "insufficient_quota" or "rate_limit_exceeded"
  return reply.refusal(429, code, text, nil, { ["Retry-After"] = seconds })
end

local function take(taken, client)
  local plan, costs = taken.plan, taken.costs
  if client then
    local fits, out, member = far.take(client, plan, costs, taken.date)
    if fits ~= nil then
      taken.client, taken.member = client, member
      return fits, out
    end
    metrics.add("gateway_limits_alone_total", "", 1)
  end
  return near.take(plan, costs, tonumber(clock.ngx_current_msec), taken.date)
end

local function access(req, settings)
  if not settings.limits then return end
  local plan = plan_of(settings, req.key)
  if #plan == 0 then return end
  local taken = taking(plan)
  costs_of(req, plan, settings.limits, taken.costs)
  local fits, out = take(taken, settings.limit_client)
  local alone = not taken.client
  if fits then req.taken = taken else give_up(taken) end
  tell(plan, out, "requests", alone)
  tell(plan, out, "tokens", alone)
  if not fits then return refusal(plan, out, alone) end
end

--- Events of a stream, for the time when it tells no usage.
local function chunk(req, data)
  local taken = req.taken
  if not taken or not taken.plan.tokens or not req.stream then return end
  local at, events = find(data, "data: {", 1, true), taken.events or 0
  while at do
    events = events + 1
    at = find(data, "data: {", at + 7, true)
  end
  taken.events = events
end

--- @return tokens, or nil where the estimate is all there is
local function used(req)
  if req.ours or req.attempts == 0 then return 0 end
  if req.prompt_tokens then return req.prompt_tokens + (req.completion_tokens or 0) end
  if ngx.status == 499 then return prompt(req) end
  if ngx.status >= 400 then return 0 end
  return req.stream and prompt(req) + (req.taken.events or 0) or nil
end

local function done(req)
  local taken = req.taken
  if not taken then return end
  local plan, more = taken.plan, taken.costs
  code.sums(plan).rest(plan, more, used(req))
  if taken.client then
    far.settle(taken.client, plan, more, taken.member, taken.date)
  else
    near.settle(plan, more, tonumber(clock.ngx_current_msec), taken.date)
  end
  req.taken = nil
  give_up(taken)
end

return { compile = compile, access = access, chunk = chunk, done = done, engine = true }
