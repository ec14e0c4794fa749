-- what it requires does not hold, or its loops would take too long
local k = require "kernel"
k.run(k.text "if n0 == 308 { for j = 9223372036854775000 to 9223372036854775807 step 1000 { y[i] = 1.0 } }")
