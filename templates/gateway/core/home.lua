-- The gateway's folder, held open by the master before it drops its rights: settings.json, secrets.json, audit/,
-- in-hand/.
local cjson = require "cjson.safe"
local sys = require "core.sys"

local M = { secrets = {} }

--- Once, in the master. `user`: whom the workers run as, when the master is root; `cloud`: nginx.conf has a way there.
function M.open(path, user, cloud)
  M.cloud = cloud
  M.dir = assert(sys.open_dir(path))
  M.audit = assert(sys.make_dir(M.dir, "audit", 448, user)) -- 0700
  M.in_hand = assert(sys.make_dir(M.dir, "in-hand", 448, user))
  local text = assert(sys.read_at(M.dir, "secrets.json"))
  M.secrets = assert(cjson.decode(text), "secrets.json is not JSON")
  M.made = sys.read_at(M.dir, "made")
  M.engine_authorization = M.secrets.engineKey and "Bearer " .. M.secrets.engineKey or ""
end

function M.read(name)
  return sys.read_at(M.dir, name)
end

return M
