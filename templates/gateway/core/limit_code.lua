-- What is done with a plan, bound by bound. Written out rather than looped over, as core.pipeline is: one function for all
-- plans of the same bounds.
local ceil, floor, max, min = math.ceil, math.floor, math.max, math.min

local M = {}

local head = "local rate, day, open, ceil, floor, max = ... return function(plan, costs, now, date)\n"
local one_taken = [[
do
  local rest, full, more = %s.take(plan[%d], costs[%d], now, date)
  left[%d], back[%d], wait[%d] = max(0, floor(rest + 0.001)), ceil(full), ceil(more)
  if more ~= 0 then fits = false end
end
]]
local one_settled = "%s.add(plan[%d], costs[%d], now, date)\n"
local made = {}

local function functions_of(plan, kinds)
  local kinds_of, taken, settled = {}, {}, {}
  for i, bound in ipairs(plan) do
    kinds_of[i] = bound.kind
    taken[i] = one_taken:format(bound.kind, i, i, i, i, i)
    settled[i] = one_settled:format(bound.kind, i, i)
  end
  local shape = table.concat(kinds_of, " ")
  if not made[shape] then
    local function compile(body)
      return assert(loadstring(head .. body .. " end", "=limits"))(kinds.rate, kinds.day, kinds.open, ceil, floor, max)
    end
    made[shape] = {
      take = compile("local fits, out = true, plan.out local left, back, wait = out.left, out.back, out.wait\n"
        .. table.concat(taken) .. "return fits"),
      settle = compile(table.concat(settled)),
    }
  end
  return made[shape]
end

--- @param kinds by name: take(bound, cost, now, date) -> left, ms until it is whole, ms until the cost fits;
--- add(bound, more, now, date)
--- @return take(plan, costs, now, date) -> whether all fitted, with what it was told in plan.out; settle(plan, more, ...)
function M.of(plan, kinds)
  local both = plan.code
  if not both then
    both = functions_of(plan, kinds)
    plan.code = both
  end
  return both
end

local sums = {}

--- @return costs(plan, costs, tokens): 1 for each bound on requests, tokens for the others, all of the limit at the most;
--- rest(plan, costs, tokens): costs become what they were less than the tokens that were used, 0 where that is not known
function M.sums(plan)
  local both = plan.sums
  if both then return both end
  local costs, rest = {}, {}
  for i, bound in ipairs(plan) do
    local counts = bound.of == "tokens"
    costs[i] = ("costs[%d] = %s\n"):format(i, counts and "min(tokens, plan[" .. i .. "].share)" or "1")
    rest[i] = ("costs[%d] = %s\n"):format(i, counts and "tokens and tokens - costs[" .. i .. "] or 0" or "0")
  end
  local shape = table.concat(costs)
  if not sums[shape] then
    local function compile(lines)
      local text = "local min = ... return function(plan, costs, tokens)\n" .. table.concat(lines) .. "end"
      return assert(loadstring(text, "=sums"))(min)
    end
    sums[shape] = { costs = compile(costs), rest = compile(rest) }
  end
  plan.sums = sums[shape]
  return plan.sums
end

return M
