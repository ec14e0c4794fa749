-- Idea: which products of a model can be computed in bf16? One at a time gets operands that are rounded, and the error of the
-- outputs ranks them: the table is written where --output says.
local o = fv.options{seed = {default = 1, doc = "of the inputs"}}

local function rounded(op, v)
  return op:before("Cast", op:before("Cast", v, {to = 16}), {to = 1})      -- bf16, f32
end

local function rank(load)
  local reference, rows = fv.compile(load()), {}
  local n = 0
  for _ in load().main:walk "MatMul" do n = n + 1 end
  for i = 1, n do
    local m, at = load(), 0
    local name
    for op in m.main:walk "MatMul" do
      at = at + 1
      if at == i then
        name = op.origin[1] or op.output.name
        op:set_input(1, rounded(op, op.inputs[1]))
        op:set_input(2, rounded(op, op.inputs[2]))
      end
    end
    local c <close> = fv.compile(m)
    local worst = 0
    for _, r in ipairs((fv.diff(reference, c, {seed = o.seed}))) do worst = math.max(worst, r.absolute or 1 / 0) end
    rows[#rows + 1] = {node = name, error = worst}
  end
  table.sort(rows, function(a, b) return a.error < b.error or a.error == b.error and a.node < b.node end)
  return rows
end

if ... then
  local path = ...
  local rows = rank(function() return fv.load(path) end)
  for _, r in ipairs(rows) do print(r.node, ("%.3g"):format(r.error)) end
  fv.save("bf16.csv", rows, {"node", "error"})
end

fv.test("the product with larger operands is worse", function()
  local rows = rank(function() return fv.parse [[
fovea-ir 1
module "two"
const @small: f32[2, 2] = [0.011, 0.012, 0.013, 0.014]
const @large: f32[2, 2] = [101.3, 102.7, 103.1, 104.9]
func @main(%x: f32[3, 2]) -> (%y, %z) {
  %y = MatMul(%x, @small) loc("/small")
  %z = MatMul(%x, @large) loc("/large")
  return %y, %z
}]] end)
  assert(#rows == 2 and rows[1].node == "/small" and rows[2].node == "/large")
  assert(rows[1].error > 0 and rows[2].error > 100 * rows[1].error)
end)
