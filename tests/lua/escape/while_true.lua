-- reaches outside of what it is given|does not end after
local k = require "kernel"
fv.compile(k.model, {target = "generic", kernels = {k.text "while true { }"}})
