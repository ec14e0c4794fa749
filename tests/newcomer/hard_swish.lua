-- Idea: mobile models spell HardSwish in many ways: x * clip(x + 3, 0, 6) / 6, with the factor or the quotient, and in any place.
local pass = fv.rules{
  name = "hard-swish", purpose = "x * clip(x + 3, 0, 6) / 6 is HardSwish", ends = "each takes a Clip away",
  "rule quotient: Div(Mul(x, Clip(Add(x, 3), 0, 6)), 6) where float(x) => HardSwish(x) rounding",
  "rule factor: Mul(x, Div(Clip(Add(x, 3), 0, 6), 6) | Mul(Clip(Add(x, 3), 0, 6), ~(1 / 6)) | HardSigmoid(x, alpha=0.16666667)) where float(x) => HardSwish(x) rounding",
}

local function spelled(body)
  return fv.parse([[
fovea-ir 1
module "spelled"
symbol n 0..64
const @three: f32[] = 3.0
const @zero: f32[] = 0.0
const @six: f32[] = 6.0
const @sixth: f32[] = 0.16666667
func @main(%x: f32[n, 4]) -> (%y) {
]] .. body .. [[

  return %y
}]])
end
local clip = "%a = Add(%x, @three) %c = Clip(%a, @zero, @six) "
for name, body in pairs{
  ["the quotient behind"] = clip .. "%m = Mul(%c, %x) %y = Div(%m, @six)",
  ["the quotient before"] = clip .. "%d = Div(%c, @six) %y = Mul(%x, %d)",
  ["a factor"] = clip .. "%d = Mul(@sixth, %c) %y = Mul(%d, %x)",
  ["HardSigmoid"] = "%s = HardSigmoid(%x) {alpha = 0.16666667} %y = Mul(%s, %x)",
} do
  fv.test(name, function()
    local m = spelled(body)
    local before = fv.compile(m, {backend = "interp"})
    m:run{pass, "remove-dead"}
    assert(m:find("y").op.name == "HardSwish", tostring(m:find("y").op))
    local _, agree = fv.diff(before, fv.compile(m, {backend = "interp"}), {dims = {n = 9}, atol = 1e-6})
    assert(agree)
  end)
end
