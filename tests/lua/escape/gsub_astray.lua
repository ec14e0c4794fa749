-- as many instructions as it may
string.gsub(("a"):rep(100000), ".-.-.-b", "")
