-- as many instructions as it may
while true do pcall(string.find, ("a"):rep(100000), ".-.-.-.-.-b") end
