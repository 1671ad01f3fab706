-- Work that one worker does at a time, and another goes on with when it dies over it. A claim is named after the holder
-- who died before it, so that of several who see that, one takes its place.
local sys = require "core.sys"

local M = {}

--- @param seconds after which it is forgotten, unless it is kept
--- @return the claim, or nil while another holds it
function M.take(dict, name, seconds)
  local claim, after = { dict = dict, seconds = seconds }, 0
  while true do
    local key = name .. ":" .. after
    claim[#claim + 1] = key
    if dict:add(key, ngx.worker.pid(), seconds) then return claim end
    after = dict:get(key)
    if not after or sys.alive(after) then return nil end
  end
end

function M.keep(claim)
  claim.dict:set(claim[#claim], ngx.worker.pid(), claim.seconds)
end

function M.give(claim)
  for _, key in ipairs(claim) do claim.dict:delete(key) end
end

return M
