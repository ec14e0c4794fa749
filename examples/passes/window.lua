-- An attention of one's own: scores are capped softly, and a query sees itself and the keys of a window before it. What
-- happens to a score is a formula over its position; it becomes a part of the one kernel that attention is.
local o = fv.options{
  cap = {default = 30.0, doc = "no score is larger"},
  window = {default = 128, doc = "so many keys, the query's own among them"},
}
fv.op{
  name = "CapWindow", domain = "com.example", purpose = "cap * tanh(s / cap) within a window, else -inf",
  inputs = {"S"}, attributes = {cap = 30.0, window = 128},
  formula = "Y[b.., i, j] = select(j <= i && i - j < window, cap * tanh(S[b.., i, j] / cap), -inf)",
}
fv.pass{
  name = "cap-window", purpose = "scores of each attention are capped, and see a window",
  run = function(m, pass)
    for op in m.main:walk "Softmax" do
      local scores = op.inputs[1]
      local product = scores.op and scores.op.inputs[1].op -- what is scaled
      if product and product.name == "MatMul" then
        op:set_input(1, op:before("com.example.CapWindow", scores, {cap = o.cap, window = o.window}))
        pass:count "attention"
      end
    end
  end
}
