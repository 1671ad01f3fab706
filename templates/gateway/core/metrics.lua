-- Counters and histograms: each worker adds in its own tables and hands the sums to shared memory now and then, so that
-- a request takes no lock. Names and their labels come from code, never from a caller.
local dict = ngx.shared.gateway_metrics

local FLUSH = 0.5 -- seconds
local M = {}
local families, order = {}, {}
local pending = {}

local function declare(name, kind, help, buckets)
  families[name] = { name = name, kind = kind, help = help, buckets = buckets }
  order[#order + 1] = name
end

function M.counter(name, help)
  declare(name, "counter", help)
end

--- A value that a function tells when it is asked: `read() -> { [labels] = number }`.
function M.gauge(name, help, read)
  declare(name, "gauge", help)
  families[name].read = read
end

--- @param buckets upper bounds, ascending
function M.histogram(name, help, buckets)
  declare(name, "histogram", help, buckets)
end

function M.add(name, labels, value)
  local series = pending[name]
  if not series then
    series = {}
    pending[name] = series
  end
  series[labels] = (series[labels] or 0) + value
end

--- Kept as counts per bucket, made cumulative when they are read.
function M.observe(name, labels, value)
  local buckets = families[name].buckets
  local n = #buckets
  local i = 1
  while i <= n and value > buckets[i] do i = i + 1 end
  local series = pending[name]
  if not series then
    series = {}
    pending[name] = series
  end
  local one = series[labels]
  if not one then
    one = { sum = 0 }
    for b = 1, n + 1 do one[b] = 0 end
    series[labels] = one
  end
  one[i] = one[i] + 1
  one.sum = one.sum + value
end

local function put(key, value)
  local _, err = dict:incr(key, value, 0)
  if err then ngx.log(ngx.ERR, "metrics: ", err) end
end

function M.flush()
  for name, series in pairs(pending) do
    for labels, value in pairs(series) do
      if type(value) == "number" then
        put(name .. "{" .. labels .. "}", value)
      else
        for b = 1, #value do
          if value[b] > 0 then put(name .. "{" .. labels .. "}" .. b, value[b]) end
        end
        put(name .. "{" .. labels .. "}sum", value.sum)
      end
    end
  end
  pending = {}
end

local function histogram(out, name, family, series)
  for labels, values in pairs(series) do
    local total = 0
    for b = 1, #family.buckets + 1 do
      total = total + (values[tostring(b)] or 0)
      local le = family.buckets[b] or "+Inf"
      out[#out + 1] = name .. "_bucket{" .. labels .. ',le="' .. le .. '"} ' .. total
    end
    out[#out + 1] = name .. "_sum{" .. labels .. "} " .. (values.sum or 0)
    out[#out + 1] = name .. "_count{" .. labels .. "} " .. total
  end
end

local function stored()
  local series = {}
  for _, key in ipairs(dict:get_keys(0)) do
    local name, labels, rest = key:match "^([%w_]+){(.*)}(%w*)$"
    if name then
      series[name] = series[name] or {}
      series[name][labels] = series[name][labels] or {}
      series[name][labels][rest] = dict:get(key)
    end
  end
  return series
end

--- The Prometheus text format, version 0.0.4.
function M.text()
  M.flush()
  local series, out = stored(), {}
  for _, name in ipairs(order) do
    local family = families[name]
    out[#out + 1] = "# HELP " .. name .. " " .. family.help
    out[#out + 1] = "# TYPE " .. name .. " " .. family.kind
    if family.read then
      for labels, value in pairs(family.read()) do out[#out + 1] = name .. "{" .. labels .. "} " .. value end
    elseif family.kind == "histogram" then
      histogram(out, name, family, series[name] or {})
    else
      for labels, value in pairs(series[name] or {}) do
        out[#out + 1] = name .. "{" .. labels .. "} " .. value[""]
      end
    end
  end
  return table.concat(out, "\n") .. "\n"
end

function M.work()
  assert(ngx.timer.every(FLUSH, function() M.flush() end))
end

return M
