-- what it requires does not hold, or its loops would take too long|index in the data
local k = require "kernel"
local c = fv.compile(k.model, {target = "generic", kernels = {k.text "tile t: i64 = n0 while t == 308 { y[i] = 1.0 }"}})
fv.run(c, nil, {dims = {n = 77}, threads = 1})
