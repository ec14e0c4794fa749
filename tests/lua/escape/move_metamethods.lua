-- as many instructions as it may
table.move(setmetatable({}, {__index = rawlen, __newindex = rawlen}), 1, 1 << 60, 2)
