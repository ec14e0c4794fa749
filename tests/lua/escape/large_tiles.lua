-- its tiles are larger than 1048576 bytes together
local k = require "kernel"
local tiles = {}
for i = 1, 200 do tiles[i] = "tile t" .. i .. ": u8[65536]" end
fv.compile(k.model, {target = "generic", kernels = {k.text(table.concat(tiles, " "))}})
