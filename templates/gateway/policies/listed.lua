-- Every request is listed before anything else is done with it, so that it gets its audit line even when its worker dies.
-- Where the settings want it, nothing is done that could not be put on record.
local audit = require "core.audit"
local in_hand = require "core.in_hand"
local metrics = require "core.metrics"
local reply = require "core.reply"
local shape = require "core.shape"

-- AuditOptions of src/gateway/audit.ts, and what holds where the settings name none.
local whole = {
  onError = "string",
  content = "boolean",
  contentBytes = "number",
  streamTokens = "boolean",
  rotateBytes = "number",
  rotateS = "number",
}
local usual = {
  onError = "continue",
  content = false,
  contentBytes = 0,
  streamTokens = true,
  rotateBytes = 64 * 1024 * 1024,
  rotateS = 86400,
}

metrics.counter("gateway_audit_refused_total", "Requests refused because the audit log could not be written.")

local M = {}

M.unavailable = reply.refusal(503, "audit_unavailable", "Requests cannot be put on record now. Please try again later.", nil, {
  ["Retry-After"] = 5,
})

function M.compile(settings)
  local options = settings.audit or usual
  shape.check(options, whole, "audit")
  if options.onError ~= "continue" and options.onError ~= "refuse" then error("audit.onError is neither continue nor refuse", 0) end
  settings.audit_options, settings.audit_content = options, options.content and options.contentBytes
end

function M.access(req, settings)
  in_hand.enter(req)
  if settings.audit_options.onError ~= "refuse" or audit.ready() then return end
  metrics.add("gateway_audit_refused_total", "", 1)
  return M.unavailable
end

return M
