-- A peephole: x * sigmoid(1.702 * x) is the quick Gelu of CLIP, one operator where a runtime has it.
-- The text says what it does to numbers; it is tried on random instances when it is read.
fv.rules{
  name = "quick-gelu", purpose = "x * sigmoid(a * x) becomes com.microsoft.QuickGelu",
  ends = "each takes a Sigmoid away",
  fv.rule("rule quick-gelu: Mul(x, Sigmoid(Mul(x, 1.702))) where type(x) == f32 => com.microsoft.QuickGelu(x, alpha=1.702) rounding"),
}
