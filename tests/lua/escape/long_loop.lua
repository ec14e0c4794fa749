-- what it requires does not hold, or its loops would take too long
local k = require "kernel"
k.run(k.text "if n0 == 308 { for j < 1 << 62 { y[i] = 1.0 } }")
