-- written out it has more than [0-9]+ statements
local k = require "kernel"
fv.compile(k.model, {target = "generic", kernels = {k.text "unroll a < 4096 { unroll b < 4096 { unroll c < 4096 { y[i] = max(x[i], 0.0) } } }"}})
