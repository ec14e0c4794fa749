# Tests random numbers: without a seed each run draws others, also each iteration of a loop; a seed that is given repeats them, with the
# same bits on every consumer, target and number of threads.
. "$(dirname "$0")/lib.sh"
cat >draws.fvir <<'T'
fovea-ir 1
module "draws"
symbol n 0..64
const @times: i64[] = 3
const @yes: bool[] = true
const @two: i64[1] = [2]
func @main(%x: f32[n]) -> (%u, %g, %b, %m, %l, %s) {
  %u = RandomUniformLike(%x)
  %g = RandomNormalLike(%x)
  %b = Bernoulli(%u)
  %p = RandomUniform() {shape = [2, 5]}
  %m = Multinomial(%p) {sample_size = 3}
  %l = Loop(@times, @yes) {body = ^(%i: i64[], %go: bool[]) {
    %rows = Loop(@times, @yes) {body = ^(%j: i64[], %on: bool[]) {
      %r = RandomUniformLike(%x)
      return %on, %r
    }}
    return %go, %rows
  }}
  %s = Loop(@times, @yes) {body = ^(%k: i64[], %more: bool[]) {
    %t = RandomUniformLike(%x) {seed = 3.0}
    return %more, %t
  }}
  return %u, %g, %b, %m, %l, %s
}
T
# draw NAME OPTION...: the outputs of a run, in files of the folder NAME
draw() {
    local folder=$1
    shift
    "$fovea" run draws.fvir --dim n=3 -q --format=npy -o "$folder" "$@" >out 2>err || tell "a run with $*" no
}
# equal A B NAME, differ A B NAME
equal() { diff -rq "$1" "$2" >out 2>err && tell "$3" yes || tell "$3" no; }
differ() { diff -rq "$1" "$2" >out 2>err && tell "$3" no || tell "$3" yes; }
draw first
draw second
for output in u g l; do
    differ first/$output.npy second/$output.npy "two runs without a seed draw other numbers: $output"
done
equal first/s.npy second/s.npy "an operator with a seed repeats"
draw seven --seed 7
differ first seven "a seed that is given"
for o in --backend=interp --backend=c --threads=2 --schedule=naive --target=generic "--backend=interp --target=cortex-m4" -O0; do
    # shellcheck disable=SC2086 # several options
    draw other --seed 7 $o
    equal seven/u.npy other/u.npy "the same seed with $o, uniform"
    equal seven/m.npy other/m.npy "the same seed with $o, classes"
    equal seven/l.npy other/l.npy "the same seed with $o, in loops"
    rm -rf other
done
draw zero --seed 0
differ seven zero "0 is a seed"
draw again --seed 0
equal zero again "0 repeats"
# Each of the 9 iterations draws other numbers.
/usr/bin/python3 - <<'P' >out 2>err && tell "iterations differ" yes || tell "iterations differ" no
import numpy, sys
rows = numpy.load("zero/l.npy").reshape(9, 3)
seeded = numpy.load("zero/s.npy")
sys.exit(len({r.tobytes() for r in rows}) != 9 or len({r.tobytes() for r in seeded}) != 3)
P
# What compares runs repeats the numbers.
check "naive and optimized" 0 '1 passed, 0 failed' "$fovea" test draws.fvir --dim n=3
check "two consumers" 0 ', 0 differ' "$fovea" diff draws.fvir draws.fvir --dim n=3
"$fovea" compile draws.fvir --dim n=3 --emit=kernels -q -o draws.fvk
check "the text reads the seed" 0 'read [a-z_]* = env.seed' cat draws.fvk
"$fovea" run draws.fvk -q --seed 7 --format=npy -o text
equal seven/l.npy text/l.npy "the text of the program draws the same"
finish
