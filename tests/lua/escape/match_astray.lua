-- as many instructions as it may
string.match(("a"):rep(200), ("a?"):rep(100) .. ("a"):rep(100) .. "b")
