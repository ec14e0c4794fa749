-- as many instructions as it may
local s = ("x"):rep(1 << 24) while true do utf8.len(s) end
