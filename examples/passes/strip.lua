-- Takes out what training leaves in a model: Dropout, which does nothing when nobody trains, and Identity.
local drops = {Dropout = true, Identity = true}

fv.pass{
  name = "strip", purpose = "Dropout and Identity are gone",
  run = function(m, pass)
    for op in m.main:walk() do
      local mask = op.outputs[2]
      if drops[op.name] and not (mask and #mask.uses > 0) then
        pass:count(op.name)
        op:replace(op.inputs[1])
      end
    end
  end
}
