-- reaches outside of what it is given
local k = require "kernel"
k.run(k.text "let at = i + 100000 let ok = at + 9223372036854775807 < 0 y[i] = x[at] if ok else 0.0")
