-- Idea: a factor behind a product with constant weights belongs into the weights: (x w) c = x (w c). Exporters leave it there for
-- the scale of queries, for instance.
local function other(op, v) return op.inputs[1] == v and op.inputs[2] or op.inputs[1] end

local pass = fv.pass{
  name = "fold-scale", purpose = "factors of products become a part of their weights",
  run = function(m, pass)
    for op in m.main:walk "MatMul" do
      local w, uses = op.inputs[2], op.output.uses
      local mul = #uses == 1 and uses[1].op
      local c = mul and mul.name == "Mul" and other(mul, op.output)
      if w.tensor and c and c.tensor and c.tensor.count == 1 and mul.output.type == op.output.type then
        local scaled = m:buffer(w.tensor.elem, w.tensor.dims)
        for i = 1, #scaled do scaled[i] = w.tensor[i] * c.tensor[1] end
        op:set_input(2, m:const(w.name .. "_scaled", scaled))
        mul:replace(op.output)
        pass:count "factor"
      end
    end
  end
}

local text = [[
fovea-ir 1
module "scaled"
symbol n 0..64
const @w: f32[4, 3] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
const @half: f32[] = 0.5
func @main(%x: f32[n, 4]) -> (%y, %z) {
  %h = MatMul(%x, @w) loc("/q")
  %y = Mul(@half, %h) loc("/scale")
  %k = MatMul(%x, @w) loc("/k")
  %s = Mul(%k, @half)
  %z = Add(%s, %k)
  return %y, %z
}]]
fv.test("a factor is folded, where nothing else reads the product", function()
  local m = fv.parse(text)
  local before = fv.compile(m, {backend = "interp"})
  m:run{pass, "remove-dead"}
  assert(m:find("y").op.name == "MatMul")
  assert(m:find("s").op.name == "Mul")
  assert(m:find("w").tensor[12] == 12, "the weights that others read stay")
  local _, agree = fv.diff(before, fv.compile(m, {backend = "interp"}), {dims = {n = 5}, rtol = 1e-6, atol = 1e-6})
  assert(agree)
end)
