-- as many instructions as it may
local x <close> = setmetatable({}, {__close = function() while true do pcall(string.rep, "", 1 << 62) end end}) error "x"
