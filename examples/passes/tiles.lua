-- tiles.lua: a search over register tiles for the contraction that takes the most cycles. MODEL [ROWS...] are tried with each width.
local o = fv.options{seconds = {default = 1.0, doc = "that all of them are timed"}, threads = 1, target = "native"}
local m = fv.load((...))
local rows = {select(2, ...)}
if #rows == 0 then rows = {2, 4, 6, 8} end

local plain = fv.compile(m, {target = o.target})
local worst
for _, l in ipairs(plain:cost().launches) do
  if l.schedule:match "^contract" and (not worst or l.cycles > worst.cycles) then worst = l end
end
assert(worst, "there is no contraction")
local node = worst.origin:match "[^,]+"
print("default", worst.schedule:match "rows = %d+, columns = %d+")

local tried, names = {plain}, {"default"}
for _, r in ipairs(rows) do
  for _, c in ipairs{16, 32, 64} do
    local how = {match = node, name = "contract", params = {rows = tonumber(r), columns = c}}
    local ok, made = pcall(fv.compile, m, {schedules = {how}, target = o.target})
    if ok then
      tried[#tried + 1], names[#names + 1] = made, r .. " x " .. c
      assert(select(2, fv.diff(plain, made, {atol = 0, rtol = 0})), "a schedule changes no bit")
    end
  end
end
tried.seconds, tried.threads = o.seconds, o.threads
local best = 1
local t = fv.time(tried)
for i = 2, #t do if t[i].ratio < t[best].ratio then best = i end end
print("tried", #t - 1)
print("best", names[best], ("%.2f of the default's time"):format(t[best].ratio))
