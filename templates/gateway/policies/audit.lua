-- One line a request, written at once: a line is in the kernel before the next request of this worker begins. Prompts and
-- answers stand in it only where the settings want them, and then sealed.
local audit = require "core.audit"
local cjson = require "cjson"
local in_hand = require "core.in_hand"
local lines = require "core.audit_line"
local listed = require "policies.listed"
local room = require "core.audit_room"

local concat, sub = table.concat, string.sub

local M = {}

function M.access(req)
  lines.tell(req)
end

--- What goes out to the caller, up to a bound.
function M.heard(req, data)
  local most = req.now.audit_content
  if #data == 0 then return end
  local said = req.heard
  if not said then
    said = { bytes = 0 }
    req.heard = said
  end
  if said.bytes < most then said[#said + 1] = sub(data, 1, most - said.bytes) end
  said.bytes = said.bytes + #data
end

local function content(req, most)
  local prompt, heard = req.body, req.heard
  if not prompt and not heard then return "" end
  local text = cjson.encode {
    prompt = prompt and sub(prompt, 1, most) or cjson.null,
    answer = heard and concat(heard) or cjson.null,
    cut = prompt and #prompt > most or heard and heard.bytes > most or false,
  }
  local sealed = audit.seal(req.id, text)
  return sealed and ',"content":"' .. ngx.encode_base64(sealed) .. '"' or ""
end

function M.done(req, settings)
  -- Before the line is begun: it may open a file.
  local more = settings.audit_content and content(req, settings.audit_content)
  lines.of(req)
  if more then room.text(more) end
  in_hand.closing(req)
  audit.write(req.refusal == listed.unavailable)
  in_hand.leave(req)
end

return M
