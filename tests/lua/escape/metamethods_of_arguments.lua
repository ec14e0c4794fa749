-- no metamethod of an argument was executed
local k = require "kernel"
local c, called = fv.compile(k.model, {target = "generic", backend = "interp"}), 0
local options = {dims = {n = 7}, inputs = {x = fv.tensor("f32", {7, 4}, 1)}, threads = 1}
local function close()
  called = called + 1
  options.inputs.x = nil
  c:close()
  collectgarbage()
end
-- An argument whose metamethods free what the call has read before.
local function hostile(t) return setmetatable(t, {__index = close, __newindex = close, __len = close, __pairs = close}) end
hostile(options) hostile(options.inputs) hostile(options.dims)
for _, call in ipairs{
  function() return c:profile(options) end, function() return c:cost(hostile{dims = {n = 7}}) end,
  function() return fv.run(c, options.inputs, hostile{dims = options.dims}) end,
  function() return fv.time(hostile{c, dims = options.dims, rounds = 1, seconds = 0.001, threads = 1}) end,
  function() return fv.diff(c, hostile{y = fv.tensor("f32", {7, 4}, 1)}, hostile{dims = {n = 7}}) end,
  function() return fv.compile(k.model, hostile{target = "generic", backend = "interp"}) end,
  function() return fv.quantize(k.model:copy(), hostile{to = "int8", ranges = hostile{x = {0, 1}}}) end} do
  local ok, why = pcall(call)
  assert(ok or why:match "no weights", why)
end
-- Tables of weak values do not keep what they contain.
collectgarbage("setpause", 0)
local function weak(t) return setmetatable(t, {__mode = "v"}) end
for _ = 1, 20 do
  pcall(fv.run, c, weak{x = fv.tensor("f32", {7, 4}, 1)}, {dims = {n = 7}})
  pcall(function() return c:profile{inputs = weak{x = fv.tensor("f32", {7, 4}, 1)}, threads = 1} end)
end
pcall(function() return fv.time(weak{fv.compile(k.model, {target = "generic", backend = "interp"}), dims = {n = 7}, rounds = 1, seconds = 0.001, threads = 1}) end)
assert(getmetatable "" == false and not pcall(function() getmetatable(c).__index = close end))
error(called == 0 and "no metamethod of an argument was executed" or "escaped")
