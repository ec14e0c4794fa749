-- as many instructions as it may
table.sort(setmetatable({}, {__index = rawlen, __newindex = rawlen, __len = function() return 1 << 30 end}))
