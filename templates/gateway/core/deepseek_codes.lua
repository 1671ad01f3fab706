-- The statuses of our refusals on the paths of DeepSeek's base URLs (https://api.deepseek.com and its /beta), which knows
-- 400 401 402 422 429 500 503 and no others. https://api-docs.deepseek.com/quick_start/error_codes
local find = string.find

local as = { [404] = 400, [413] = 400, [502] = 503, [504] = 503 }

--- @return the status that the caller gets
return function(refusal)
  local asked = ngx.var.request_uri
  local theirs = asked and (find(asked, "/beta/", 1, true) == 1 or find(asked, "/chat/", 1, true) == 1)
  if not theirs then return refusal.status end
  if refusal.code == "insufficient_quota" then return 402 end
  if refusal.status == 400 and refusal.param then return 422 end
  return as[refusal.status] or refusal.status
end
