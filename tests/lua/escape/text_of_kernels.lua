-- expected
local k = require "kernel"
local ok, why = pcall(fv.parse, "fovea-program 1\n" .. k.text "while true { }")
assert(not ok)
fv.parse(k.text "while true { }")
