-- What an engine's gRPC status, or the error it tells in place of an answer, is over HTTP. The pairs are Google's:
-- https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto, but for CANCELLED: who waits for the answer
-- did not cancel it.
local cjson = require "cjson.safe"
local reply = require "core.reply"

local of_status = {
  [1] = { 503, "engine_cancelled" },
  [2] = { 500, "engine_error" },
  [3] = { 400, "invalid_request" },
  [4] = { 504, "engine_timeout" },
  [5] = { 404, "not_found" },
  [6] = { 409, "conflict" },
  [7] = { 403, "permission_denied" },
  [8] = { 429, "engine_overloaded" },
  [9] = { 400, "invalid_request" },
  [10] = { 409, "conflict" },
  [11] = { 400, "invalid_request" },
  [12] = { 501, "not_implemented" },
  [13] = { 500, "engine_error" },
  [14] = { 503, "engine_unavailable" },
  [15] = { 500, "engine_error" },
  [16] = { 401, "invalid_api_key" },
}

local later = { [429] = 1, [503] = 1, [504] = 1 } -- s

local M = {}

--- @param words of the engine; nil where it had none
function M.refusal(status, words)
  local found = of_status[status] or of_status[2]
  local http, code = found[1], found[2]
  if not words or words == "" then words = "The engine failed." end
  return reply.refusal(http, code, words, nil, later[http] and { ["Retry-After"] = later[http] })
end

--- No gRPC status at all: a proxy before the engine, or something that is no engine.
function M.stranger(http)
  local status = http >= 400 and http < 600 and http or 502
  return reply.refusal(status, "engine_unavailable", "The engine did not answer as one.", nil, {
    ["Retry-After"] = later[status],
  })
end

local function status_of(code, kind)
  if type(code) == "number" and code >= 400 and code < 600 then return code end
  if type(kind) == "string" and kind:lower():find("bad_?request") or kind == "invalid_request_error" then return 400 end
  return 500
end

--- SGLang tells some errors as JSON in place of an answer: OpenAI's `{"error": {...}}`, or `{"object": "error", ...}`.
--- @return the HTTP status it means; nil for an answer
function M.of_json(json)
  if not json:find '^%s*{%s*"error"%s*:' and not json:find '^%s*{%s*"object"%s*:%s*"error"' then return nil end
  local told = cjson.decode(json)
  if type(told) ~= "table" then return nil end
  if told.object == "error" then return status_of(told.code, told.type) end
  if type(told.error) == "table" then return status_of(told.error.code, told.error.type) end
  if type(told.error) == "string" then return 500 end
end

return M
