-- it is written for one target
local k = require "kernel"
fv.compile(k.model, {target = "generic", kernels = {(k.text("if n0 > 100000 { y[i:8] = x[i:8] }", "for"))}})
