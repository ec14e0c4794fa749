-- kernel 'Relu_0': index -?[0-9]+, computed of input 'x'.*, out of range
local k = require "kernel"
k.run(k.text "if n0 == 308 { y[i] = x[i64(x[i] * 1.0e9) + 5000] }")
