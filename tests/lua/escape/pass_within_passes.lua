-- as many instructions as it may|stack overflow
local k = require "kernel"
local p
p = fv.pass{name = "inner", run = function(m) pcall(string.find, ("a"):rep(100000), ".-.-.-.-.-b") pcall(m.run, m, {p}) end}
k.model:run{p}
