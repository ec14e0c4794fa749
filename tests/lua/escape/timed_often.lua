-- as many instructions as it may|more than the [0-9.]+ that --script-steps leaves
local k = require "kernel" local c = fv.compile(k.model, {target = "generic"}) while true do fv.time{c, dims = {n = 77}, threads = 1, seconds = 0.01} end
