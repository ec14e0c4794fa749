-- kernel 'Relu_0': (index [0-9]+, out of range|what it requires)
local k = require "kernel"
k.run(k.text("if n0 == 308 { y[i + 1000000] = 1.0 if i < 308 y[1000000 - n0 * 0] = 1.0 }", "for"))
