-- as many instructions as it may
local t = {} for i = 1, 1990 do t = setmetatable({}, {__index = t}) end while true do local x = t.none end
