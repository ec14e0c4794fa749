-- kernel 'Relu_0': index -?[0-9]+, out of range
local k = require "kernel"
k.run(k.text "if n0 == 308 { y[i] = x[(1 << (n0 - 309)) / (n0 - 308) + (n0 << 63) % (n0 - 308) + (n0 >> 4611686018427387904) + 1000] }")
