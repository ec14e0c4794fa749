-- An experiment: weights of products are rounded to 4 bits, one scale a matrix, and the error of each is a row of a table.
local o = fv.options{ bits = {default = 4, doc = "of a weight, with its sign"} }
local most = 2 ^ (o.bits - 1) - 1

local function rounded(m, w)
  local t, largest = w.tensor, 0
  for i = 1, #t do largest = math.max(largest, math.abs(t[i])) end
  local scale, square, error = largest / most, 0, 0
  local b = m:buffer(t.elem, t.dims)
  for i = 1, #t do
    b[i] = scale > 0 and math.floor(t[i] / scale + 0.5) * scale or 0
    square, error = square + t[i] ^ 2, error + (b[i] - t[i]) ^ 2
  end
  return m:const(w.name .. "_rounded", b), square > 0 and math.sqrt(error / square) or 0
end

fv.pass{
  name = "round-weights", purpose = "weights of products have few bits",
  run = function(m, pass)
    for op in m.main:walk "MatMul" do
      local w = op.inputs[2]
      if w.tensor and w.type.elem == "f32" then
        local new, error = rounded(m, w)
        print(("%-40s %-14s %.4f"):format(op.origin[1] or "", tostring(w.type), error))
        op:set_input(2, new)
        pass:count "weight"
      end
    end
  end
}
