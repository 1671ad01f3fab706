-- One id for the whole chain: the caller's X-Request-Id when it is a plain word of at most 64, else our own.
local crypto = require "core.crypto"

local tohex = require("bit").tohex

local PLAIN = "^[%w._%-]+$"
local pid, prefix, count

--- 64 bits of a worker's birth, then a count.
local function make()
  if pid ~= ngx.worker.pid() then
    pid, count = ngx.worker.pid(), 0
    local urandom = assert(io.open("/dev/urandom", "rb"))
    prefix = crypto.hex(urandom:read(8))
    urandom:close()
  end
  count = count + 1
  return prefix .. tohex(count)
end

local function access(req)
  local given = ngx.var.http_x_request_id
  local id = given and #given <= 64 and given:find(PLAIN) and given or make()
  req.id = id
  ngx.var.gateway_id = id
end

return { access = access }
