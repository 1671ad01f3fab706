-- The audit log's file: opened by each worker in the folder the master holds, appended to with one write(2) a line
-- (O_APPEND keeps lines of several workers apart), so that a kill -9 loses nothing and a full disk is known at once.
local home = require "core.home"
local sys = require "core.sys"

local NAME = "audit.ndjson"
local M = {}
local fd

local function open()
  local err
  fd, err = sys.open_at(home.audit, NAME, sys.WRONLY + sys.CREAT + sys.APPEND, 384) -- 0600
  return fd, err
end

--- @return true, or nil and the reason
function M.write(line)
  if not fd then
    local _, err = open()
    if err then
      ngx.log(ngx.ALERT, "audit: ", err)
      return nil, err
    end
  end
  local ok, err = sys.write(fd, line)
  if not ok then ngx.log(ngx.ALERT, "audit: ", err) end
  return ok, err
end

return M
