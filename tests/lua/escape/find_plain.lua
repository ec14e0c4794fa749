-- as many instructions as it may
while true do string.find(("a"):rep(1e6), ("a"):rep(1e5) .. "b", 1, true) end
