-- as many instructions as it may
xpcall(function() while true do end end, function() while true do end end)
