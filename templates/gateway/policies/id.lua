-- One id for the whole chain: the caller's X-Request-Id when it is a plain word of at most 64, else our own.
local crypto = require "core.crypto"

local tohex = require("bit").tohex

local PLAIN = "^[%w._%-]+$"
local pid, birth, prefix, count

local pairs_of_digits = {}
for i = 0, 255 do pairs_of_digits[i] = tohex(i, 2) end

--- 64 bits of a worker's birth, then a count of 32: what changes with each request is one string.
local function make()
  if pid ~= ngx.worker.pid() then
    pid, count = ngx.worker.pid(), 0
    local urandom = assert(io.open("/dev/urandom", "rb"))
    birth = crypto.hex(urandom:read(8))
    urandom:close()
    prefix = birth .. tohex(0, 6)
  end
  count = count + 1
  local low = count % 256
  if low == 0 then prefix = birth .. tohex(count / 256, 6) end
  return prefix .. pairs_of_digits[low]
end

local function access(req)
  local given = ngx.var.http_x_request_id
  local id = given and #given <= 64 and given:find(PLAIN) and given or make()
  req.id = id
  ngx.var.gateway_id = id
end

return { access = access }
