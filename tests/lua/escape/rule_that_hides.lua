-- as many instructions as it may
local k = require "kernel"
local r = fv.rule("rule forever: Relu(x) => Abs(x) exact", function(c) return select(2, xpcall(string.find, function() while true do end end, ("a"):rep(100000), ".-.-.-.-.-b")) end)
k.model:run{fv.rules{name = "forever", ends = "never", r}}
