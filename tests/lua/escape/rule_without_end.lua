-- as many instructions as it may
local k = require "kernel"
local r = fv.rule("rule forever: Relu(x) => Abs(x) exact", function(c) while true do end end)
k.model:run{fv.rules{name = "forever", ends = "never", r}}
