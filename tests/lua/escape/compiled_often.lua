-- as many instructions as it may
local k = require "kernel" while true do fv.compile(k.model, {target = "generic"}) end
