-- as many instructions as it may
local s = ("x"):rep(1 << 25) while true do pcall(function() return s .. "y" end) end
