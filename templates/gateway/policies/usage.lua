-- What the answer tells about itself as it passes: its first byte, its size, the tokens it says it used, and whether
-- it came to its end. Inside a JSON string a quote is always escaped, so `"usage":` cannot be faked by a model's text.
local sys = require "core.sys"

local find, match = string.find, string.match

local function tokens(req, data)
  local at = find(data, '"usage":', 1, true)
  if not at then return end
  req.prompt_tokens = tonumber(match(data, '"prompt_tokens": ?(%d+)', at)) or req.prompt_tokens
  req.completion_tokens = tonumber(match(data, '"completion_tokens": ?(%d+)', at)) or req.completion_tokens
end

local function chunk(req, data, last)
  if #data > 0 then
    if not req.first then req.first = sys.msec() - req.started end
    req.bytes = req.bytes + #data
    tokens(req, data)
    if req.stream and find(data, "data: [DONE]", 1, true) then req.finished = true end
  end
  if last then req.whole = req.finished or not req.stream or ngx.status ~= 200 end
end

return { chunk = chunk, engine = true }
