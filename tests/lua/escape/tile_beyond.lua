-- kernel 'Relu_0': (index [0-9]+, out of range|what it requires)
local k = require "kernel"
k.run(k.text "tile t: f32[4] if n0 == 308 { t[i + 100000] = 1.0 y[i] = t[i + 100000] }")
