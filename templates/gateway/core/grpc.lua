-- Engines that are asked over gRPC: SGLang's native service, which carries OpenAI's JSON. nginx speaks HTTP/2 (grpc_pass,
-- with the same balancer, tries and time limits as proxy_pass); here its messages become what an engine says over HTTP,
-- before any policy sees them.
--
-- Streams pass piece by piece. An answer that is not streamed is fetched whole by a subrequest: SGLang sends the head of
-- its answer before it knows whether there is one, and the caller's status must wait for that. A stream's status cannot:
-- what goes wrong after the head is an error event.
local balancer = require "core.balancer"
local home = require "core.home"
local metrics = require "core.metrics"
local outcome = require "core.outcome"
local reply = require "core.reply"
local request = require "core.request"
local status = require "core.grpc_status"
local sys = require "core.sys"
local wire = require "core.grpc_wire"

local concat, sub = table.concat, string.sub

local SERVICE = "/sglang.runtime.v1.SglangService/"
local methods = {
  chat = "ChatComplete",
  completions = "Complete",
  generate = "Complete",
  embeddings = "OpenAIEmbed",
}
-- What the connection needs, or nginx.conf writes anew; all other headers of the caller end here, as over HTTP.
local kept = { ["host"] = true, ["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true }

local EARLY = 300 -- ms that nginx's timers may be early: one that moves by less is left as it is

metrics.counter("gateway_grpc_status_total", "Answers of engines over gRPC by their status.")

local M = {
  -- ms, as proxy_next_upstream_timeout: a failure that came later than that has cost GPU time already.
  FAST = 2500,
}

local function clear_headers()
  for name in pairs(ngx.req.get_headers(0)) do
    if not kept[name] then ngx.req.clear_header(name) end
  end
end

--- Leaves the access phase for the location that asks the engine.
function M.send(req)
  local trace, var = {}, ngx.var
  if var.gateway_traceparent ~= "" then trace.traceparent = var.gateway_traceparent end
  if var.gateway_tracestate ~= "" then trace.tracestate = var.gateway_tracestate end
  clear_headers()
  req.grpc = {
    path = SERVICE .. methods[req.route],
    frame = wire.request(req.doc.body, trace),
    began = sys.msec(),
    asked = req.attempts,
    parts = {},
    have = 0,
    want = 5,
  }
  if not req.stream or req.route == "embeddings" then return ngx.exec "@grpc_whole" end
  ngx.req.set_uri(req.grpc.path)
  ngx.req.set_body_data(req.grpc.frame)
  return M.stream()
end

function M.stream()
  return ngx.exec "@grpc_stream"
end

--- Whether to ask once more: the engine had not begun to answer, it failed fast, and somebody is left to ask. A lone peer
--- is, once: it may have closed the connection that was kept to it. Where the balancer found nobody the last time (breakers
--- are open), it is not asked again: nothing would end that, for no time passes in between.
--- @param failure 502, or 504 where time ran out
function M.again(req, failure)
  local state, tries, asked = req.grpc, req.version.tries, req.attempts
  if not state or state.headed or asked == state.asked or sys.msec() - state.began > M.FAST then return false end
  state.asked = asked
  if tries == 1 and failure == 502 then tries = 2 end
  return asked < balancer.TRIES and asked - req.asked_before < tries
end

--- @return gRPC's status as a number; nil when the engine told none
local function told(code)
  metrics.add("gateway_grpc_status_total", 'status="' .. (code and tonumber(code) or "none") .. '"', 1)
  return code and (tonumber(code) or 2)
end

--- The HTTP status of the last try: what nginx has for the request's own may still be of the one before.
local function http_status()
  return tonumber((ngx.var.upstream_status or ""):match "(%d+)$") or 502
end

local function is_grpc()
  local kind = ngx.var.upstream_http_content_type
  return http_status() == 200 and kind and sub(kind, 1, 16) == "application/grpc"
end

--- @return the refusal that the head alone is; nil when more comes
local function refused_by_head(req)
  if not is_grpc() then return status.stranger(http_status()) end
  req.grpc.headed = true
  local code = ngx.var.upstream_http_grpc_status
  if not code then return nil end
  code = told(code)
  return code == 0 and status.stranger(502) or status.refusal(code, wire.words(ngx.var.upstream_http_grpc_message or ""))
end

local function refused_by_trailer()
  local code = told(ngx.var.upstream_trailer_grpc_status)
  if not code then return status.stranger(502) end
  return code ~= 0 and status.refusal(code, wire.words(ngx.var.upstream_trailer_grpc_message or "")) or nil
end

--- The head of a stream.
local function head(req)
  local refusal, header = refused_by_head(req), ngx.header
  if not refusal then
    ngx.status = 200
    header["Content-Type"] = "text/event-stream; charset=utf-8"
    header["Cache-Control"] = "no-store"
    header["Content-Length"] = nil
    return
  end
  req.grpc.error = reply.error_body(refusal)
  ngx.status = refusal.status
  header["Content-Type"] = "application/json"
  header["Content-Length"] = #req.grpc.error
  for name, value in pairs(refusal.headers or {}) do header[name] = value end
end

--- One event; JSON may have line ends between its words only.
local function event(json)
  if json:find("[\r\n]") then json = json:gsub("[\r\n]+", " ") end
  return "data: " .. json .. "\n\n"
end

--- The events of the whole messages in a text, and what of it is left.
--- @return nil where the bytes are no messages
local function events(state, text)
  local out, at = {}, 1
  while true do
    local message, to = wire.frame(text, at)
    if message == nil then
      state.want = to
      return concat(out), sub(text, at)
    end
    local json, finished = wire.message(message or "\255")
    if not json then return nil end
    at = to
    if json ~= "" then
      out[#out + 1] = event(json)
      state.failed = state.failed or status.of_json(json)
    end
    if finished == 1 and not state.failed then
      out[#out + 1] = "data: [DONE]\n\n"
      state.finished = true
    end
  end
end

--- What a stream's end has to say.
local function ending(req, state)
  local refusal = refused_by_trailer()
  if state.finished or state.failed then return "" end
  if not refusal and state.have == 0 then return "data: [DONE]\n\n" end
  refusal = refusal or status.stranger(502)
  state.failed = refusal.status
  return event(reply.error_body(refusal))
end

--- A piece of a stream as events. What is not yet whole waits for its rest, unjoined: it may be long.
function M.turn(req, data, last)
  local state = req.grpc
  if state.error then return last and state.error or "" end
  local out = ""
  if #data > 0 then
    state.parts[#state.parts + 1] = data
    state.have = state.have + #data
    if state.have >= state.want then
      local text, rest = events(state, concat(state.parts))
      if not text then
        req.broke = true
        ngx.arg[2] = true
        return outcome.broken_event
      end
      out, state.parts, state.have = text, { rest }, #rest
    end
  end
  if last then out = out .. ending(req, state) end
  if state.failed and state.failed >= 500 then req.broke = true end
  return out
end

--- A piece of the subrequest's answer, on its way into memory.
--- @return what nginx shall make of it: nothing, or ngx.ERROR to let go of the engine
function M.collect(req)
  local state, data, last = req.grpc, ngx.arg[1], ngx.arg[2]
  if #data > 0 then state.heard = sys.msec() end
  state.have = state.have + #data
  if state.have > wire.LONGEST + 5 then return ngx.ERROR end
  if last and not state.refusal then state.refusal = refused_by_trailer() end
end

--- The subrequest knows nothing of the request it is part of.
function M.adopt()
  if not ngx.is_subrequest then return end
  local req = ngx.ctx.req
  request.lend(req)
  req.grpc.patience = 1000 * tonumber((ngx.var.gateway_deadline:match "^%d+"))
  ngx.var.gateway_id = req.id
  ngx.var.gateway_authorization = home.engine_authorization
end

function M.head(req)
  if ngx.is_subrequest then
    req.grpc.heard = sys.msec()
    req.grpc.refusal = refused_by_head(req)
    return
  end
  return head(req)
end

local function first_json(text)
  local at = 1
  while true do
    local message, to = wire.frame(text, at)
    local json, other = wire.message(message or "\255")
    if not json then return nil end
    if json ~= "" then return json, other end
    at = to
  end
end

local function answer(req, http, text, headers)
  ngx.status = http
  ngx.header["Content-Type"] = "application/json"
  for name, value in pairs(headers or {}) do ngx.header[name] = value end
  -- What the subrequest's balancer said stands in variables of its own.
  if req.degraded then ngx.var.gateway_degraded = req.degraded end
  -- The policy's answer has another size.
  if req.route ~= "generate" then ngx.header["Content-Length"] = #text end
  ngx.print(text)
  return ngx.exit(ngx.HTTP_OK)
end

--- An engine that fell silent after its head: nginx tells no more than that the answer is not whole.
local function timed_out(state, got)
  return got.truncated and state.headed and sys.msec() - state.heard >= state.patience - EARLY
end

--- @return the answer's status, JSON and headers; or the status for which nobody answered
local function fetch(req)
  local state = req.grpc
  state.have, state.refusal = 0, nil
  local got = ngx.location.capture(state.path, { method = ngx.HTTP_POST, body = state.frame, ctx = { req = req } })
  if got.status == 502 or got.status == 504 then return got.status end
  if timed_out(state, got) then return 504 end
  local refusal = state.refusal
  if refusal then return refusal.status, reply.error_body(refusal), refusal.headers end
  local json, other = first_json(got.body)
  if got.truncated or not json then return 502 end
  if req.route == "embeddings" and other >= 400 and other < 600 then return other, json end
  return status.of_json(json) or 200, json
end

--- Answers a request that is not streamed.
--- @return the status for which nobody answered, when that is so
function M.whole(req)
  while true do
    local http, json, headers = fetch(req)
    if json then return answer(req, http, json, headers) end
    if not M.again(req, http) then return http end
  end
end

return M
