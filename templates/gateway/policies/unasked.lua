-- The tokens of a stream are known only when its usage is asked for. Where tokens are limited, or belong on record, we
-- ask, and take the event that tells it out of the answer for a caller who did not ask. Such events come whole: what is
-- not yet ended by an empty line waits for its rest.
local edit = require "core.edit"

local concat, find, sub = table.concat, string.find, string.sub

local function access(req, settings)
  if not req.stream or req.doc.kinds.stream_options then return end
  local taken = req.taken
  if not (taken and taken.plan.tokens) and not settings.audit_options.streamTokens then return end
  edit.set(req, "stream_options", '{"include_usage":true}')
  req.unasked = {}
end

local function tells_usage_only(event)
  return find(event, '"usage": ?{') and find(event, '"choices": ?%[%]')
end

local function whole_events(text)
  if not find(text, '"usage":', 1, true) then return text end
  local out, from = {}, 1
  while true do
    local _, to = find(text, "\r?\n\r?\n", from)
    if not to then break end
    local event = sub(text, from, to)
    if not tells_usage_only(event) then out[#out + 1] = event end
    from = to + 1
  end
  return concat(out) .. sub(text, from)
end

--- One past the last empty line, or 1.
local function end_of_events(text)
  -- Most pieces end with an event.
  if sub(text, -2) == "\n\n" then return #text + 1 end
  local at, from = 1, 1
  while true do
    local _, to = find(text, "\n\r?\n", from)
    if not to then return at end
    at, from = to + 1, to + 1
  end
end

local function chunk(req, data, last)
  local held = req.unasked
  if not held or ngx.status ~= 200 then return end
  -- broken.lua has ended the stream: half an event before its own would spoil both.
  if ngx.arg[2] and not last then
    req.unasked = nil
    return data
  end
  local text = data
  if #held > 0 then
    held[#held + 1] = data
    -- Joined once its end is there: an event may be long, and its pieces many.
    if not last and not find(held.tail .. data, "\n\r?\n") then
      held.tail = sub(held.tail .. data, -2)
      return ""
    end
    text = concat(held)
  end
  local at = last and #text + 1 or end_of_events(text)
  if at <= #text then
    local rest = sub(text, at)
    req.unasked = { rest, tail = sub(rest, -2) }
    text = sub(text, 1, at - 1)
  elseif #held > 0 then
    req.unasked = {}
  end
  return whole_events(text)
end

return { access = access, chunk = chunk, engine = true }
