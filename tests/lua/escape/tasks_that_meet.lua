-- cannot prove that iterations of the parallel loop over 'i' store different elements
local k = require "kernel"
fv.compile(k.model, {target = "generic", kernels = {(k.text "y[i * 4611686018427387904 * 4] = 1.0")}})
