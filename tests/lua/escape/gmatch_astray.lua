-- as many instructions as it may
for x in string.gmatch(("a"):rep(100000), ".-.-.-b") do end
