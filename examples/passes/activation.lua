-- A new activation in the place of one that a model has: s * relu(x)^2 + b, as a formula. It becomes a part of the kernel that
-- makes what it is applied to.
local o = fv.options{ from = {default = "Relu", doc = "the operator that gives way"} }

fv.op{
  name = "StarRelu", domain = "com.example", purpose = "scale * max(x, 0)^2 + bias",
  attributes = {scale = 0.8944, bias = -0.4472},
  formula = "r = max(X, 0); Y = scale * r * r + bias",
}
fv.pass{
  name = "star-relu", purpose = "another activation",
  run = function(m, pass)
    for op in m.main:walk(o.from) do
      op:replace(op:before("com.example.StarRelu", op.inputs[1]))
      pass:count(o.from)
    end
  end
}
