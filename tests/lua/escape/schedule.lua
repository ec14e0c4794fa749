-- expected
local k = require "kernel"
fv.compile(k.model, {target = "generic", schedules = {{match = "y", name = "map", params = {task = 1 << 62}}}})
fv.compile(k.model, {target = "generic", schedules = {{match = "y", name = "map", params = {task = 0}}}})
