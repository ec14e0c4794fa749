-- normalize.lua: the model takes pixels of 0 to 255 and normalizes them itself: (x / 255 - mean) / std in each channel.
-- With a model, `fovea lua normalize.lua MODEL` compares it with normalization before the model, and shows where time goes.
local o = fv.options{mean = {default = "0.485,0.456,0.406", doc = "of each channel"},
                     std = {default = "0.229,0.224,0.225", doc = "of each channel"}, target = "native"}
local mean, std = {}, {}
for v in o.mean:gmatch "[^,]+" do mean[#mean + 1] = tonumber(v) end
for v in o.std:gmatch "[^,]+" do std[#std + 1] = tonumber(v) end

local normalize = fv.pass{
  name = "normalize", purpose = "pixels of 0 to 255 are normalized in the model",
  run = function(m, pass)
    local x = m.main.params[1]
    local channels = x.type:dim(1).value
    assert(channels == #mean, ("input '%s' has not %d channels"):format(x.name, #mean))
    assert(#std == #mean, ("std has not %d numbers, as mean has"):format(#mean))
    local scale, shift = {}, {}
    for c = 1, channels do scale[c], shift[c] = 1 / (255 * std[c]), -mean[c] / std[c] end
    local uses, first = x.uses, m.main:ops()()
    local y = first:before("Mul", {x, m:const("scale", "f32", {1, channels, 1, 1}, scale)})
    y = first:before("Add", {y, m:const("shift", "f32", {1, channels, 1, 1}, shift)})
    for _, use in ipairs(uses) do use.op:set_input(use.index, y) end
    pass:count("input")
  end
}

local path = ...
if path then
  local m = fv.load(path)
  local a, b = fv.compile(m, {target = o.target}), fv.compile(m:copy():run{normalize}, {target = o.target})
  local name, pixels, normal = m.main.params[1].name, {}, {}
  local h, w = a.inputs[1].dims[3], a.inputs[1].dims[4]
  for i = 1, #mean * h * w do
    local c = (i - 1) // (h * w) + 1
    pixels[i] = math.random(0, 255)
    normal[i] = (pixels[i] / 255 - mean[c]) / std[c]
  end
  local function run(c, t) return fv.run(c, {[name] = fv.tensor("f32", {1, #mean, h, w}, t)}) end
  for _, row in ipairs((fv.diff(run(a, normal), run(b, pixels), {atol = 1e-4}))) do
    print(row.name, row.differs and "differs" or "agrees", ("cosine %.6f"):format(row.cosine))
  end
  for _, l in ipairs(b:profile{threads = 1}.launches) do print(l.origin, l.calls) end
end
