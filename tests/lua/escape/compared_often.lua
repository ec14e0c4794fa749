-- as many instructions as it may
local a, b = ("x"):rep(1 << 24), ("x"):rep((1 << 24) - 1) .. "y" while true do local t = a < b end
