-- What the answer tells about itself as it passes: its first byte, its size, the tokens it says it used, and whether
-- it came to its end. Inside a JSON string a quote is always escaped, so `"usage":` cannot be faked by a model's text.
local clock = require("core.sys").clock

local byte, find = string.byte, string.find

--- The whole number after a field's name; by hand, for patterns are not compiled and took half of the time here.
local function number_after(data, name, from)
  local _, at = find(data, name, from, true)
  if not at then return nil end
  if byte(data, at + 1) == 32 then at = at + 1 end
  local value
  while true do
    at = at + 1
    local c = byte(data, at)
    if not c or c < 48 or c > 57 then return value end
    value = (value or 0) * 10 + c - 48
  end
end

local function tokens(req, data)
  local at = find(data, '"usage":', 1, true)
  if not at then return end
  req.prompt_tokens = number_after(data, '"prompt_tokens":', at) or req.prompt_tokens
  req.completion_tokens = number_after(data, '"completion_tokens":', at) or req.completion_tokens
end

local function chunk(req, data, last)
  if #data > 0 then
    if not req.first then req.first = tonumber(clock.ngx_current_msec) - req.started end
    req.bytes = req.bytes + #data
    tokens(req, data)
    if req.stream and find(data, "data: [DONE]", 1, true) then req.finished = true end
  end
  if last then req.whole = req.finished or not req.stream or ngx.status ~= 200 end
end

return { chunk = chunk, engine = true }
