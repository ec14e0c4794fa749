-- gives other bits|may be too far apart|takes no|it is `kernel|would take too long|does not end
local k = require "kernel"
fv.compile(k.model, {target = "generic", kernels = {(k.text "":gsub("i < n0 {", "i = 0 to n0 * 4611686018427387904 {"))}})
