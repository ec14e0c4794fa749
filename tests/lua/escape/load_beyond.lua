-- kernel 'Relu_0': (index [0-9]+, out of range|what it requires)
local k = require "kernel"
k.run(k.text "if n0 == 308 { y[i] = x[i + 123456789] }")
