-- seconds is 1000000000.0, more than the [0-9.]+ that --script-steps leaves
local k = require "kernel"
fv.time{fv.compile(k.model, {target = "generic"}), dims = {n = 77}, seconds = 1e9}
