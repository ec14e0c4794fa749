-- as many instructions as it may
local t = {} for i = 1, 1e5 do t[i] = {} end while true do collectgarbage() end
