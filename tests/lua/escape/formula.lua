-- an index in the data is out of range
fv.op{name = "Far", domain = "com.example", inputs = {{name = "X", rank = 1}}, formula = "Y[i < dim(X, 0)] = X[i + 1000000]"}
local m = fv.parse [[
fovea-ir 1
module "far"
symbol n 0..1000
func @main(%x: f32[n]) -> (%y) {
  %y = com.example.Far(%x)
  return %y
}]]
local last
for _, backend in ipairs{"interp", "jit", "c"} do
  local ok, why = pcall(function() return fv.run(fv.compile(m, {backend = backend}), nil, {dims = {n = 5}}) end)
  if ok then error("escaped: " .. backend, 0) end
  last = why
end
error(last, 0)
