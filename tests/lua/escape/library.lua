-- a call stands in no loop|is u8 of rank|is f32 of rank
local k = require "kernel"
fv.compile(k.model, {target = "generic", kernels = {"kernel Relu_0(x: f32[n0], out y: f32[n0]; n0 in 0..4000) { call image_pixels(x, y) }"}})
