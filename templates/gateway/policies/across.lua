-- Every version that speaks as the drawn one does has failed, fast and before a byte of an answer: one that speaks the
-- other protocol is asked, where the settings allow another version. nginx's own next try cannot change the protocol.
local balancer = require "core.balancer"
local degrade = require "core.degrade"
local grpc = require "core.grpc"
local sys = require "core.sys"

-- What engines call the routes, as in src/gateway/nginx.ts.
local paths = {
  chat = "/v1/chat/completions",
  completions = "/v1/completions",
  generate = "/v1/completions",
  embeddings = "/v1/embeddings",
}

local function compile(settings)
  for _, model in ipairs(settings.models) do
    for _, version in ipairs(model.open) do
      version.across = false
      for _, other in ipairs(model.open) do
        if settings.other_version and other.protocol ~= version.protocol then version.across = true end
      end
    end
  end
end

local function may(req)
  -- Where nobody was asked since the last move, there is nobody left.
  if req.attempts == req.asked_before or req.attempts >= balancer.TRIES or not req.version.across then return false end
  return not (req.grpc and req.grpc.headed) and sys.msec() - req.sent <= grpc.FAST
end

--- Before the first byte only: nobody comes here later.
local function rescue(req)
  if not may(req) then return end
  if req.holding then balancer.give_back(req) end
  if not degrade.move(req, true) then return end
  req.asked_before = req.attempts
  -- Else nginx would put the status of the failure in the place of the answer's.
  ngx.status = 200
  if req.version.protocol == "grpc" then return grpc.send(req) end
  req.grpc = nil
  ngx.req.set_uri(paths[req.route])
  ngx.req.set_body_data(req.doc.body)
  return ngx.exec "@http"
end

return { compile = compile, rescue = rescue, engine = true }
