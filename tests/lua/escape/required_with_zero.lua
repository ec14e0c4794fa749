-- 'kernel' ends with a byte 0
require "kernel\0/../../secret"
