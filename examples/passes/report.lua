-- Counts and reports: operators, how many weights each kind reads, and the largest of them. It changes nothing.
local o = fv.options{ top = {default = 3, doc = "so many of the largest weights"} }

local function report(m)
  local kinds, count, bytes, weights = {}, {}, {}, {}
  for op in m.main:walk() do
    if not count[op.name] then kinds[#kinds + 1] = op.name end
    count[op.name] = (count[op.name] or 0) + 1
    for _, v in ipairs(op.inputs) do
      if v and v.tensor then bytes[op.name] = (bytes[op.name] or 0) + v.tensor.bytes end
    end
  end
  table.sort(kinds, function(a, b) return count[a] > count[b] or count[a] == count[b] and a < b end)
  for _, kind in ipairs(kinds) do
    print(("%-16s %4d  %8d bytes"):format(kind, count[kind], bytes[kind] or 0))
  end
  for _, v in ipairs(m.constants) do weights[#weights + 1] = v end
  table.sort(weights, function(a, b) return a.tensor.bytes > b.tensor.bytes or a.tensor.bytes == b.tensor.bytes and a.name < b.name end)
  for i = 1, math.min(o.top, #weights) do
    print(weights[i], weights[i].type, #weights[i].uses .. " uses")
  end
end

if ... then report(fv.load(...)) end -- fovea lua report.lua MODEL
fv.pass{name = "report", purpose = "what is in the graph at this point", run = report}
