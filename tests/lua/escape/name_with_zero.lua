-- 'kept' ends with a byte 0
local k = require "kernel"
k.model:save "kept\0.fvir"
