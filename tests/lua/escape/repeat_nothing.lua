-- as many instructions as it may
string.rep("", 1 << 62) while true do string.rep("", 1 << 62) end
