-- as many instructions as it may
xpcall(error, function() while true do end end)
