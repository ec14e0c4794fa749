# Tests the command of a build without images: it reports that, and does everything else.
# Usage: SCRIPT FOVEA ROOT PROTOC
. "$(dirname "$0")/lib.sh"
decoder() { printf 'fovea-ir 1\nmodule "m"\n%s\nfunc @main(%s) -> (%%y) {\n  %%y = ImageDecoder(%s)\n  return %%y\n}\n' "$1" "$2" "$3"; }
decoder '' '%x: u8[12]' '%x' >m.fvir
decoder 'const @x: u8[12] = [80, 53, 32, 49, 32, 49, 32, 50, 53, 53, 10, 7]' '' '@x' >c.fvir
for backend in interp jit; do
    check "$backend" 1 '^m.fvir: error: image_size: this build of Fovea decodes no images' "$fovea" run m.fvir --backend=$backend
    check "$backend, a constant" 1 '^c.fvir: error: image_size: this build of Fovea decodes no images' "$fovea" run c.fvir --backend=$backend
done
check 'passes' 0 'fv.ImagePixels' "$fovea" opt m.fvir
check 'kernels' 0 'call image_size' "$fovea" compile m.fvir --emit=kernels -o -
check 'generated C' 1 'depends on no library' "$fovea" compile m.fvir -o m.c
absent m.c
finish
