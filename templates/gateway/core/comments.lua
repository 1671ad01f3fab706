-- Comments of SSE in the silence of a stream, so that nobody on the way to the caller takes it for dead: during a long
-- prefill, or between two events that are far apart. They begin once the engine has opened its answer: until then its
-- status may still be an error, and another engine may be asked.
--
-- nginx runs a body filter only when something is there to be sent. So a timer looks at the streams of its worker, and
-- gives nginx an empty buffer to flush for those that have been silent (ngx_http_send_special, which modules of nginx end
-- or flush a response with); in the filter the comment takes its place. A worker that leaves after a reload has no timers
-- any more: its last streams get none.
local ffi = require "ffi"
local request = require "core.request"
local sys = require "core.sys"

local sub = string.sub

ffi.cdef "intptr_t ngx_http_send_special(ngx_http_request_t *r, uintptr_t flags);"

local FLUSH = 2 -- NGX_HTTP_FLUSH
local LOOK = 0.5 -- s
local COMMENT = ": keep-alive\n\n"

local M = {}

--- Runs the body filter, and with it Lua, before it returns: never from compiled code.
local function flush(pointer)
  ffi.C.ngx_http_send_special(pointer, FLUSH)
end
jit.off(flush)

--- Between two events, and before the first.
local function between(state)
  local tail = state.tail
  return tail == "" or tail:find "\n\r?\n$" ~= nil
end

--- @param state what a stream has sent last: { pieces, tail }, since { seen, at }
local function silent(state, now, after)
  if state.pieces ~= state.seen then
    state.seen, state.at = state.pieces, now
    return false
  end
  return now - state.at >= after
end

local function look()
  local now = sys.msec()
  for _, req in pairs(request.all()) do
    local state, after = req.comments, req.now.keep_alive
    if state and after and not state.over and silent(state, now, 1000 * after) and between(state) then
      state.at, state.due = now, true
      flush(req.pointer)
      state.due = false
    end
  end
end

--- A stream has been opened.
function M.open(req)
  req.comments = { pieces = 0, tail = "" }
end

--- What goes out of it. The end is kept over two pieces: an empty line may be cut in its middle.
function M.said(req, data)
  local state, size = req.comments, #data
  state.pieces = state.pieces + 1
  state.tail = size >= 4 and data or sub(state.tail .. data, -8)
end

--- In the body filter.
--- @return whether the empty piece was there for a comment
function M.due(req)
  local state = req.comments
  if not state or not state.due then return false end
  state.due = false
  if ngx.arg[1] ~= "" or ngx.arg[2] then return false end
  ngx.arg[1] = COMMENT
  return true
end

--- In each worker. An nginx that keeps the function to itself has no comments, and says so.
function M.work()
  local there, why = pcall(function() return ffi.C.ngx_http_send_special end)
  if not there then return ngx.log(ngx.WARN, "silent streams get no comments: ", why) end
  assert(ngx.timer.every(LOOK, function(premature)
    if not premature then look() end
  end))
end

return M
