-- as many instructions as it may
load(function() return " " end)
