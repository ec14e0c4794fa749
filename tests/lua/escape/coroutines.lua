-- as many instructions as it may
while true do coroutine.wrap(string.rep)("", 1 << 62) end
