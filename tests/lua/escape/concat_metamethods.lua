-- as many instructions as it may
table.concat(setmetatable({}, {__index = table.concat}), "", 1, 1 << 62)
