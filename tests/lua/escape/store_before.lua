-- kernel 'Relu_0': index -[0-9]+, out of range
local k = require "kernel"
k.run(k.text("if n0 == 308 { for j < 10 { y[n0 - 1000 - j] = 1.0 if i == 0 } }", "for"))
