# Tests the command of a build without Lua: it reports that, and does everything else.
# Usage: SCRIPT FOVEA ROOT PROTOC
. "$(dirname "$0")/lib.sh"
printf 'fovea-ir 1\nmodule "m"\nfunc @main(%%x: f32[2]) -> (%%y) {\n  %%y = Relu(%%x)\n  return %%y\n}\n' >m.fvir
echo 'print(1)' >s.lua
check 'a script' 2 'needs Lua, and this build of Fovea has none' "$fovea" lua s.lua
check 'a script of another command' 2 'needs Lua' "$fovea" opt m.fvir --script s.lua
check 'help of a script' 2 'needs Lua' "$fovea" opt --help --script s.lua
check 'the rest' 0 'Relu' "$fovea" opt m.fvir
finish
