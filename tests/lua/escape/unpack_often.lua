-- as many instructions as it may
while true do table.unpack({}, 1, 1e5) end
