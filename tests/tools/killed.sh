# Kills processes while they write files: the destination must be complete or absent, and after the next run there must
# be no other file. FOVEA_SEED chooses the moments.
. "$(dirname "$0")/lib.sh"
RANDOM=${FOVEA_SEED:-1}
layer m.fvir '%y = Relu(%h)'
head -c 1048576 /dev/zero >zeros.bin
cat >large.fvir <<'T'
fovea-ir 1
module "large"
symbol n 0..8
const @w: f32[512, 512] = file "zeros.bin" 0 1048576
func @main(%x: f32[n, 512]) -> (%y) {
  %y = MatMul(%x, @w)
  return %y
}
T
# works NAME COMMAND...: it ends with status 0
works() {
    what=$1
    shift
    "$@" >out 2>err </dev/null && tell "$what" yes || tell "$what" no
}
# A folder of its own for each: DIR holds these NAMES alone.
holds() {
    dir=$1
    shift
    found=$(ls -A "$dir" | LC_ALL=C sort | tr '\n' ' ')
    [ "$found" = "$* " ] && tell "$dir holds $*" yes || tell "$dir holds $found, not $*" no
}
# killed DIR OUT COMMAND...: `-o DIR/OUT` is killed, with all that it has started, at several moments of the time that it takes
killed() {
    dir=$1 out=$2
    shift 2
    mkdir "$dir"
    start=$(date +%s%N)
    works "$dir" "$@" -o "$dir/$out"
    takes=$(($(date +%s%N) - start))
    rm -rf "$dir"
    mkdir "$dir"
    for _ in 1 2 3 4 5 6; do
        # shellcheck disable=SC2094 # of the two one is a variable, the other the name of a file
        setsid "$@" -o "$dir/$out" >out 2>err </dev/null &
        sleep "$(printf '0.%09d' $((takes * RANDOM / 32768 % 1000000000)))"
        kill -9 -- "-$!" 2>>err
        wait $! 2>>err
    done
    works "$dir, in the end" "$@" -o "$dir/$out"
}
for suffix in so o a ll s fvk c; do
    killed "$suffix" "m.$suffix" "$fovea" compile -q m.fvir
done
for suffix in so o a ll s; do
    case $suffix in so) holds so m.h m.so ;; o) holds o m.h m.o ;; a) holds a m.a m.h ;; *) holds "$suffix" "m.$suffix" ;; esac
done
holds fvk m.fvk
holds c m.c m.h
killed texts large.fvk "$fovea" compile -q large.fvir
holds texts large.fvk large.fvk.bin
killed onnx large.onnx "$fovea" opt -q large.fvir --weights=file
holds onnx large.onnx large.onnx.data
killed code large.so "$fovea" compile -q large.fvir --weights=file
holds code large.h large.so large.weights
killed folder c/ "$fovea" compile -q large.fvir
[ -z "$(ls -A folder/c | grep '^\.')" ] && tell 'a folder of C has no other' yes || tell 'a folder of C has another' no
holds folder c

# ---- what a process left, and what is in use ----
mkdir place
left() { mkdir "place/$1" && : >"place/$1/model.so"; }
left .fovea-000000
left .fovea-111111
left .fovea-is-not-one
exec 9<place/.fovea-111111
flock -n 9 || tell 'a folder can be locked' no
works 'beside what others left' "$fovea" compile m.fvir -q -o place/m.so
holds place .fovea-111111 .fovea-is-not-one m.h m.so
exec 9<&-
works 'it is in use no more' "$fovea" compile m.fvir -q -o place/m.so
holds place .fovea-is-not-one m.h m.so
export TMPDIR=$PWD/tmp
mkdir tmp tmp/.fovea-222222
: >tmp/.fovea-222222/model
works 'to standard output' "$fovea" compile m.fvir -q --emit=obj -o -
[ -z "$(ls -A tmp)" ] && tell 'the temporary folder is empty' yes || tell "the temporary folder has $(ls -A tmp)" no

finish
