-- What the scripts here have in common: a model of one kernel, and that kernel with more in it.
local m = fv.parse [[
fovea-ir 1
module "relu"
symbol n 0..1000
func @main(%x: f32[n, 4]) -> (%y) {
  %y = Relu(%x)
  return %y
}]]
local k = {}

-- The kernel of the model, with statements behind those that give its result; `loop` is "parallel" or another kind.
function k.text(more, loop)
  local text = [[
kernel Relu_0(x: f32[n0], out y: f32[n0]; n0 in 0..4000) {
  LOOP i < n0 {
    y[i] = max(x[i], 0.0)
    MORE
  }
}]]
  return (text:gsub("LOOP", loop or "parallel"):gsub("MORE", (more:gsub("%%", "%%%%"))))
end

-- Runs it with n = 77, which no trial has, on each consumer: each has to refuse.
function k.run(text)
  local last
  for _, backend in ipairs{"interp", "jit", "c"} do
    local c = fv.compile(m, {target = "generic", backend = backend, kernels = {text}})
    assert(pcall(fv.run, c, nil, {dims = {n = 7}}))
    local ok, why = pcall(fv.run, c, nil, {dims = {n = 77}})
    if ok then error("escaped: " .. backend, 0) end
    if not why:find "kernel 'Relu_0'" then error(backend .. ": " .. why, 0) end
    last = why
  end
  error(last, 0)
end

k.model = m
return k
