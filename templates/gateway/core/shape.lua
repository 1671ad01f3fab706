-- Whether options are whole, said when settings are taken and not when a request trips over a missing number.
local M = {}

--- @param wanted by name: a type's name, 'optional ' before it where it may be missing, or such a table again
--- Raises with the path of the first field that is missing or of another type.
function M.check(options, wanted, path)
  if type(options) ~= "table" then error(path .. " is not an object", 0) end
  for name, kind in pairs(wanted) do
    local value, at = options[name], path .. "." .. name
    if type(kind) == "table" then
      M.check(value, kind, at)
    else
      local optional, word = kind:match "^(optional ?)(%l+)$"
      if not (optional and value == nil) and type(value) ~= (word or kind) then error(at .. " is no " .. (word or kind), 0) end
    end
  end
end

return M
