-- as many instructions as it may
table.remove(setmetatable({}, {__index = rawlen, __newindex = rawlen, __len = function() return 1 << 60 end}), 1.0)
