-- How a request ended, and the words for the errors that nginx raises itself.
local reply = require "core.reply"

local words = {
  [400] = { "bad_request", "The request is not well-formed HTTP." },
  [404] = { "unknown_url", "There is no such URL here." },
  [405] = { "method_not_allowed", "This method is not allowed here." },
  [408] = { "request_timeout", "The request came too slowly." },
  [411] = { "length_required", "A Content-Length is needed." },
  [413] = { "request_too_large", "The request body is too large." },
  [414] = { "url_too_long", "The URL is too long." },
  [431] = { "headers_too_large", "The request headers are too large." },
  [497] = { "https_needed", "This port speaks HTTPS: call it by https://." },
  [494] = { "headers_too_large", "The request headers are too large." },
  [501] = { "not_implemented", "This is not implemented." },
  [502] = { "engine_unavailable", "The engine could not be reached or broke off." },
  [503] = { "no_engine", "No engine serves this model now." },
  [504] = { "engine_timeout", "The engine did not answer in time." },
  [505] = { "http_version", "This version of HTTP is not spoken here." },
}

local broken = reply.refusal(502, "stream_broken", "The engine broke the stream off.")

local no_cloud = reply.refusal(503, "cloud_unavailable", "No engine answers, and the cloud did not either.", nil, {
  ["Retry-After"] = 5,
})

local M = { broken_event = "data: " .. reply.error_body(broken) .. "\n\n", no_cloud = no_cloud }

function M.refusal(_, status)
  local word = words[status] or { "internal_error", "The gateway failed." }
  local answered = (status == 494 and 431) or (status == 497 and 400) or (words[status] and status) or 500
  local headers = answered >= 502 and answered <= 504 and { ["Retry-After"] = 1 } or nil
  return reply.refusal(answered, word[1], word[2], nil, headers)
end

--- refused: we answered; complete: the engine's answer went out to its end; cut: it broke off, or the caller left.
function M.of(req)
  if req.refusal then return "refused" end
  if not req.engine then return "complete" end
  return req.whole and "complete" or "cut"
end

return M
