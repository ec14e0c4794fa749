-- as many instructions as it may
local k = require "kernel" while true do pcall(fv.compile, k.model, {target = "generic", kernels = {k.text "while true { }"}}) end
