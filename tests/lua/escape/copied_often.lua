-- as many instructions as it may
local k = require "kernel" while true do k.model:copy() end
