# Tests the subcommands: what they print and write, and their statuses.
. "$(dirname "$0")/lib.sh"
dates=$root/examples/dates/dates.onnx

# ---- models ----
cat >add.fvir <<'T'
fovea-ir 1
module "add"
symbol n 0..8
func @main(%x: f32[n, 2], %z: f32[2]) -> (%y) {
  %y = Add(%x, %z) : f32[n, 2]    loc("add node")
  return %y
}
T
cat >scale.fvk <<'T'
kernel scale(A: f32[n, 4], inout C: f32[n, 4], out D: f32[]; n) {
  parallel i < n {
    vector j < 4 {
      C[i, j] = C[i, j] * A[i, j]
    }
  }
}
T
sed 's/, out D: f32\[\]//' scale.fvk >scale2.fvk
npy x.npy '<f4' '2, 2' '\0\0\200\77\0\0\0\100\0\0\100\100\0\0\200\100' # 1 2 3 4
npy z.npy '<f4' '2,' '\0\0\200\77\0\0\200\77'                          # 1 1
npy y.npy '<f4' '2, 2' '\0\0\0\100\0\0\100\100\0\0\200\100\0\0\240\100'  # 2 3 4 5
backends="jit interp c"
"$fovea" run add.fvir --backend=jit >/dev/null 2>&1 || backends="interp c" # built without LLVM

# ---- the command itself ----
check help 0 'usage: fovea COMMAND' "$fovea" --help
check version 0 '^fovea [0-9]' "$fovea" --version
for c in compile run test generate bench tune calibrate inspect opt lua diff quantize reduce view shard weights ops; do
    check "help $c" 0 "usage: fovea $c .*OPTIONS" "$fovea" $c --help
    check "help of $c" 0 'common options' "$fovea" help $c
    [ "$(awk 'length > 100' out | wc -l)" = 0 ] && tell "width of help $c" yes || tell "width of help $c" no
done
# common options that would do nothing are not taken, but for those of FOVEA_FLAGS
for c in 'compile --threads=2' 'inspect --atol=1' 'view --rtol=1' 'lua --json' 'reduce --schedule=naive' 'ops -O2' 'tune --atol=1' \
    'calibrate --target=native' 'generate --rtol=1' 'quantize --atol=1'; do
    check "$c" 2 'there is no -.* here; see' "$fovea" $c x
done
check 'ignored for others' 0 'Softmax' env FOVEA_FLAGS='--threads=2 --json' "$fovea" ops Softmax
check nothing 2 'usage: fovea' "$fovea"
check 'misspelt command' 2 "did you mean 'compile'" "$fovea" comple
check 'no such command' 2 'there is no command' "$fovea" frobnicate
check 'misspelt option' 2 'did you mean --input' "$fovea" run m --inptu=3
check 'option of another' 2 'there is no --markdown here' "$fovea" run m --markdown
check 'misspelt target' 2 "did you mean 'x86-64-v2'" "$fovea" run add.fvir --target=x86-64-v5
check 'misspelt processor' 2 "did you mean 'zen4'" "$fovea" run add.fvir --processor=zen44
check 'no such processor' 2 'there are generic, haswell' "$fovea" run add.fvir --processor=itanium
check 'a processor of another architecture' 2 "processor 'neoverse-n1' is aarch64, the target x86-64-v3 is not" "$fovea" \
    inspect add.fvir --target=x86-64-v3 --processor=neoverse-n1
check 'a processor' 0 'target     x86-64-v3, processor zen3' "$fovea" inspect add.fvir --target=x86-64-v3 --processor=zen3
check 'a processor for kernels' 1 'which are made already: --processor does not apply' "$fovea" inspect scale2.fvk --processor=haswell
check 'misspelt pass' 2 "did you mean 'legalise'" "$fovea" opt add.fvir --passes=legalize
check 'misspelt emit' 2 "did you mean 'kernels'" "$fovea" compile add.fvir --emit=kernel
check 'misspelt backend' 2 'there is no backend' "$fovea" run add.fvir --backend=gpu
check 'misspelt fourth backend' 2 "there is no backend 'gpu'" "$fovea" run add.fvir --backend=interp,interp,interp,gpu
check 'too many backends' 2 'names more than 3 backends' "$fovea" run add.fvir --backend=interp,interp,interp,interp
check 'misspelt input' 1 "did you mean 'text'" "$fovea" run "$dates" --input txet=x.npy
check 'misspelt dim' 1 "there is no dim 'nn'" "$fovea" run add.fvir --dim nn=3
check 'no model' 2 'MODEL is missing' "$fovea" run
check 'two models' 2 'one MODEL only' "$fovea" run a b
check 'no value' 2 'needs a value' "$fovea" run add.fvir --dim
check 'bad number' 2 'takes a number' "$fovea" run add.fvir --threads=many
check 'bad level' 2 'there is no level' "$fovea" run add.fvir -O7
check 'flag with value' 2 'takes no value' "$fovea" run add.fvir --verify=yes
FOVEA_FLAGS='--dim n=5 --markdown --seed 3' check 'FOVEA_FLAGS' 0 'f32\[5, 2\]' "$fovea" run add.fvir --backend=interp -v
FOVEA_FLAGS='--dim n=5' ASAN_OPTIONS=detect_leaks=1:exitcode=99 check 'FOVEA_FLAGS leaks nothing' 0 'f32\[5, 2\]' \
    "$fovea" run add.fvir --backend=interp # where it was built with the sanitizer
FOVEA_FLAGS="$(printf ' -q%.0s' $(seq 65))" check 'many FOVEA_FLAGS' 2 'more than 64 words' "$fovea" ops
FOVEA_FLAGS='--nonsense' check 'bad FOVEA_FLAGS' 2 'unknown option' "$fovea" ops
check 'colour' 1 "$(printf '\033')\\[1;31merror:" "$fovea" run missing.onnx --color=always
NO_COLOR=1 check 'no colour' 1 '^missing.onnx: error: ' "$fovea" run missing.onnx

# ---- 2: the command line; 1: what depends on the model ----
for o in --dim=n --dim=n=x --dim=n=5..2 --dim=n=1.. --dim==3 --dim=n=99999999999999; do
    check "malformed $o" 2 '^fovea run: error: --dim .*: ' "$fovea" run add.fvir "$o"
done
check 'dim too large' 2 'a dim is at most 1099511627776' "$fovea" run add.fvir --dim n=1099511627777
check 'dim out of bounds' 1 'that dim is within 0..8' "$fovea" run add.fvir --dim n=9
check 'malformed input' 2 'expected NAME=FILE' "$fovea" run add.fvir --input x
check 'malformed state' 2 'expected INPUT=OUTPUT' "$fovea" run add.fvir --state x
check 'a word of C as a name' 2 'no prefix for names' "$fovea" compile add.fvir -o x.c --name int
check 'two kinds at once' 2 'another kind of file' "$fovea" compile add.fvir -o x.c --emit=obj
check 'a folder of an object' 2 'another kind of file' "$fovea" compile add.fvir -o x/ --emit=obj
check 'C to standard output' 2 'more than one file' "$fovea" compile add.fvir --emit=c -o -
check 'opt writes no C' 2 'opt writes graph IR' "$fovea" opt add.fvir -o x.c
check 'opt writes no library' 2 'opt writes graph IR' "$fovea" opt add.fvir -o x.so
check 'a dump that never comes' 2 'that pass is not run' "$fovea" opt add.fvir -O0 --dump-after=share
check 'table of one' 2 'takes neither' "$fovea" ops --markdown Gemm
absent x.c x.h x x.so

# ---- run ----
for b in $backends; do
    check "run $b" 0 'y  f32\[2, 2\]  min 2  max 5  2 3 4 5$' "$fovea" run add.fvir --backend=$b --input x=x.npy --input z=z.npy
done
check 'random' 0 'f32\[1, 2\]' "$fovea" run add.fvir --backend=interp
noted "note: dim 'n' is not given, 1 is taken; --dim n=N sets it"
check 'quiet' 0 '^$' sh -c "'$fovea' run add.fvir --backend=interp -q -o q.npy && echo"
printf 'fovea-ir 1\nmodule "words"\nsymbol n 0..9\nsymbol m 0..9\nfunc @main(%%x: string[n, m]) -> (%%y) {\n  %%y = Identity(%%x)\n  return %%y\n}\n' >words.fvir
echo '[["a", "\u00e4\u0000"], ["", "b"]]' >words.json
check 'strings of lists' 0 '^y  string\[2, 2\] "a" "ä.x00" "" "b"$' "$fovea" run words.fvir --backend=interp --input x=words.json
echo '[[], []]' >words.json
check 'empty lists' 0 '^y  string\[2, 0\]$' "$fovea" run words.fvir --backend=interp --input x=words.json
# a tensor of the first list's dims would have 4e10 strings
awk 'BEGIN { printf "[[\"\""; for (i = 1; i < 200000; i++) printf ",\"\""; printf "]"; for (i = 1; i < 200000; i++) printf ",[]"; print "]" }' >words.json
check 'lists not all as long' 1 'it is no string, nor a list of strings, or of such lists, all as long' "$fovea" run words.fvir --input x=words.json
check 'same seed' 0 . "$fovea" run add.fvir --backend=interp --dim n=3 --seed 7 -o a.npy
check 'same seed again' 0 . "$fovea" run add.fvir --backend=interp --dim n=3 --seed 7 -o b.npy
cmp -s a.npy b.npy && tell 'equal bits' yes || tell 'equal bits' no
check 'threads' 0 . env FOVEA_NUM_THREADS=3 "$fovea" run "$dates" -o t3.npy
check 'one thread' 0 . "$fovea" run "$dates" --threads=1 -o t1.npy
cmp -s t1.npy t3.npy && tell 'equal bits for threads' yes || tell 'equal bits for threads' no
check 'expected' 0 '1 of 1 outputs as expected' "$fovea" run add.fvir --backend=interp --input x=x.npy --input z=z.npy --expect .
npy y.npy '<f4' '2, 2' '\0\0\0\100\0\0\100\100\0\0\200\100\0\0\300\100' # the last one is 6
check 'not expected' 1 'FAILED y: element 3 is 5, expected 6' "$fovea" run add.fvir --backend=interp --input x=x.npy --input z=z.npy --expect .
check 'tolerance' 0 'as expected' "$fovea" run add.fvir --backend=interp --input x=x.npy --input z=z.npy --expect . --atol=1
check 'folder' 0 'y -> folder/y.npy' "$fovea" run add.fvir --backend=interp --dim n=2 -o folder
present folder/y.npy
check 'protobuf' 0 'y -> folder/y.pb' "$fovea" run add.fvir --backend=interp --dim n=2 -o folder/ --format=pb
present folder/y.pb
check 'to standard output' 0 NUMPY sh -c "'$fovea' run add.fvir --backend=interp --dim n=3 --seed 7 -o - >s.npy && cmp s.npy a.npy && head -c 6 s.npy"
absent ./-
check 'a protobuf to standard output' 0 . sh -c "'$fovea' run add.fvir --backend=interp --dim n=2 -o - --format=pb | cmp - folder/y.pb && echo same"
check 'expected of a file' 0 '1 of 1 outputs as expected' "$fovea" run add.fvir --backend=interp --dim n=3 --seed 7 --expect a.npy
check 'expected of a protobuf' 0 '1 of 1 outputs as expected' "$fovea" run add.fvir --backend=interp --dim n=2 --expect folder/y.pb
check 'expected, quietly' 0 '^$' sh -c "'$fovea' run add.fvir --backend=interp --dim n=3 --seed 7 --expect a.npy -q && echo"
check 'expected of no file' 1 "cannot open 'none.npy'" "$fovea" run add.fvir --backend=interp --dim n=3 --expect none.npy
check 'two to standard output' 2 '--json and -o - both want standard output' "$fovea" run add.fvir -o - --json
for q in "run add.fvir --backend=interp --dim n=2" "inspect add.fvir" "opt add.fvir" "ops Add" "test add.fvir --backend=interp"; do
    check "as much quietly: $q" 0 '^same$' sh -c "'$fovea' $q 2>err >loud; '$fovea' $q -q >quiet 2>&1; cmp loud quiet && echo same"
done
check 'data set' 0 '1 of 1 outputs' "$fovea" run "$dates" --data-set "$root/examples/dates/test/test_data_set_0" --expect "$root/examples/dates/test/test_data_set_0"
check 'standard input' 0 'min 2  max 5' sh -c "cat add.fvir | '$fovea' run - --backend=interp --input x=x.npy --input z=z.npy"
check 'model on standard input' 0 probs sh -c "cat '$dates' | '$fovea' run - --backend=interp"
check 'a kernel' 0 'C  f32\[3, 4\]' "$fovea" run scale2.fvk --backend=interp --dim n=3
check 'kernel on standard input' 0 'C  f32\[1, 4\]' sh -c "cat scale2.fvk | '$fovea' run - --backend=interp"
check 'json' 0 '"schema": 1' "$fovea" run add.fvir --backend=interp --dim n=1 --json
said '"type": "f32"'

# ---- dims that a model's relations exclude ----
relations() { printf 'fovea-ir 1\n%s\nfunc @main(%%x: f32[n], %%z: f32[%s]) -> (%%y) {\n  %%y = Add(%%x, %%z)    loc("sum")\n  return %%y\n}\n' "$1" "$2"; }
relations 'symbol n 2..100' 48 >one.fvir
relations 'symbol n 0..100' 48 >two.fvir
relations 'assume n == min(n, 30) "rows of a table"' n >many.fvir
relations 'symbol n 64..128' 48 >none.fvir
relations 'assume n == min(n, 30) "rows of a table"
assume n == max(n, 40) "rows of another"' n >never.fvir
check 'the one size' 0 'f32\[48\]' "$fovea" run one.fvir --backend=interp
"$fovea" compile two.fvir -q -o two.fvk
check 'one of two sizes' 0 'f32\[48\]' "$fovea" run two.fvk --backend=interp --dim n=1
check 'neither of two sizes' 1 "dims contradict each other: n and 48 are equal, or one of them is 1: broadcast, node 'sum'" \
    "$fovea" run two.fvk --backend=interp --dim n=7
check 'more than both' 1 "dim 'n' is 49, may be 1 to 48" "$fovea" run two.fvk --backend=interp --dim n=49
check 'a size that cannot be' 1 "node 'sum' \(Add\): shapes do not broadcast: axis 0 has n \(64 to 128\) and 48" "$fovea" run none.fvir
check 'relations that contradict each other' 1 'its dims have no values for which this holds: n == max\(n, 40\): rows of another' \
    "$fovea" run never.fvir
check 'a sequence that a table bounds' 0 'f32\[30\]' sh -c "sed 's/\bn\b/seq/g' many.fvir | '$fovea' run - --backend=interp"
check 'bounds in a header' 0 'many.h' "$fovea" compile many.fvir -o many.c
grep -q 'int64_t n; /\* n: 0 to 30 \*/' many.h && tell 'header: 0 to 30' yes || tell 'header: 0 to 30' no
check 'inspected within bounds' 0 'dims +n in 0..30' "$fovea" inspect many.fvir

# ---- compile ----
check 'to C' 0 'add.c +[0-9.]+ kB' "$fovea" compile add.fvir -o add.c
said 'target +[a-z0-9-]'
said 'workspace +0 bytes'
said 'call +int add_run\('
present add.c add.h
check 'to a folder' 0 'tree/Makefile' "$fovea" compile add.fvir -o tree/ --name tree
make -s -C tree check >out 2>err && tell 'self-test' yes || tell 'self-test' no
cat >four.fvir <<'T'
fovea-ir 1
module "four"
symbol n 0..100
const @w: f32[4, 1] = [1, 2, 3, 4]
func @main(%x: f32[2, n]) -> (%y) {
  %y = MatMul(%x, @w)
  return %y
}
T
cat >range.fvir <<'T'
fovea-ir 1
module "range"
const @w: f32[1] = [2]
func @main(%i: i64[9]) -> (%y) {
  %y = Gather(@w, %i)
  return %y
}
T
for cc in gcc clang; do # the dims of which a run goes well; no warnings where none does
    command -v $cc >/dev/null || continue
    check "self-test with dims, $cc" 0 'one thread: ok' sh -c "rm -rf four; '$fovea' compile four.fvir -q -o four/ && make -s -C four check CC=$cc CFLAGS='-O1 -Werror'"
    grep -q '^    {{4}, ' four/four_selftest.c && tell 'dims of the self-test' yes || tell 'dims of the self-test' no
    check "self-test without a result, $cc" 0 'one thread: ok' sh -c "rm -rf range; '$fovea' compile range.fvir -q -o range/ && make -s -C range check CC=$cc CFLAGS='-O1 -Werror'"
done
check 'to graph' 0 'a.fvir' "$fovea" compile "$dates" -o a.fvir
present a.fvir a.fvir.bin
check 'to kernels' 0 'a.fvk' "$fovea" compile "$dates" -o a.fvk
present a.fvk a.fvk.bin
for f in "$dates" a.fvir a.fvk; do
    check "$f runs" 0 '1 of 1 outputs' "$fovea" run $f --backend=interp --data-set "$root/examples/dates/test/test_data_set_1" --expect "$root/examples/dates/test/test_data_set_1"
done
check 'text to standard output' 0 '^fovea-program 1' "$fovea" compile add.fvir --emit=kernels -o -
check 'graph to standard output' 0 '^fovea-ir 1' "$fovea" compile add.fvir --emit=ir -o -
for text in 'opt -o -' 'compile --emit=ir -o -' 'compile --emit=kernels -o -'; do # whole: nothing lies beside it
    check "through a pipe: $text" 0 '1 of 1 outputs' sh -c "'$fovea' ${text%% *} '$dates' ${text#* } | '$fovea' run - --backend=interp --data-set '$root/examples/dates/test/test_data_set_1' --expect '$root/examples/dates/test/test_data_set_1'"
done
check 'a graph for people' 0 '= \.\.\.$' "$fovea" opt "$dates"
noted 'note: larger constants are left out; -o - writes them'
check 'read as if it was whole' 1 'was left out when the text was written; .*-o -' sh -c "'$fovea' opt '$dates' | '$fovea' run -"
check 'same bytes' 0 . "$fovea" compile "$dates" -o b.c --name a
cp b.c b1.c
check 'same bytes again' 0 . "$fovea" compile "$dates" -o b.c --name a
cmp -s b.c b1.c && tell 'equal bytes' yes || tell 'equal bytes' no
check 'json of compile' 0 '"workspace_bytes"' "$fovea" compile add.fvir -o j.c --json
check 'quiet compile' 0 '^$' sh -c "'$fovea' compile add.fvir -o k.c -q && echo"
for n in my__model 'a[1]' BERT int 'model (2)' 3x 'ünï' x.y -dash; do # any name of a file, and what its names begin with
    cp add.fvir "./$n.fvir"
    check "a file called $n" 0 'call +int [a-zA-Z0-9_]+_run' "$fovea" compile "./$n.fvir" --target=generic -o "./$n.c"
    noted '^[^ ]*.*: note: names begin with [a-zA-Z0-9_]+_: .* --name gives another'
    check "C of $n" 0 . sh -c "cc -std=c99 -c './$n.c' -o n.o && nm n.o"
    check "a folder called $n" 0 'one thread: ok' sh -c "'$fovea' compile './$n.fvir' -q -o './$n/' && make -s -C './$n' check"
    case $backends in jit*) check "a library called $n" 0 'f32\[2, 2\]' sh -c "'$fovea' compile './$n.fvir' -q -o './$n.so' && '$fovea' run './$n.so' --dim n=2" ;; esac
done
check 'unknown suffix' 2 'does not say what to write' "$fovea" compile add.fvir -o add.txt
check 'over the model' 1 'would overwrite the model' "$fovea" compile add.fvir -o add.fvir
check 'bad name' 2 'no prefix for names' "$fovea" compile add.fvir -o x.c --name 3x
case $backends in jit*)
    check 'to .so' 0 'call .*fv_load' "$fovea" compile add.fvir -o add.so
    check 'run .so' 0 'min 2  max 5' "$fovea" run add.so --input x=x.npy --input z=z.npy
    check 'too late for .so' 0 '^add.so: note: is compiled already, --target does nothing' "$fovea" run add.so --target=generic
    check 'malformed dim of .so' 2 'expected NAME=N' "$fovea" run add.so --dim n
    check 'dim of .so' 0 'f32\[4, 2\]' "$fovea" run add.so --dim n=4
    check 'to .o .a .ll .s' 0 . sh -c "for s in o a ll s; do '$fovea' compile add.fvir -o add.\$s --target=aarch64 || exit 1; done"
    check 'assembly to standard output' 0 add_run "$fovea" compile add.fvir --emit=asm -o -
    check 'default name' 0 'add.so' "$fovea" compile add.fvir
    ;;
esac

# ---- the self-test has several sizes; folders for bare metal ----
cat >sizes.fvir <<'T'
fovea-ir 1
module "sizes"
symbol n 1..64
symbol m 2..5
func @main(%x: f32[n, m], %z: f32[m, n]) -> (%y) {
  %y = MatMul(%x, %z)
  return %y
}
T
check 'sizes of the self-test' 0 'one thread: ok' sh -c "'$fovea' compile sizes.fvir -q -o sizes/ && make -s -C sizes check CFLAGS='-O1 -Werror'"
for dims in '1, 2' '3, 5' '7, 5' '4, 5'; do
    grep -q "^    {{$dims}, " sizes/sizes_selftest.c && tell "self-test with $dims" yes || tell "self-test with $dims" no
done
check 'the self-test sees a wrong result' 2 'outputs differ' sh -c "sed -i '/{{7, 5}/s/UINT64_C(0x[0-9a-f]*)/UINT64_C(0x1)/' sizes/sizes_selftest.c; make -s -C sizes check"
check 'a folder for bare metal' 0 '^CROSS .= arm-none-eabi-$' sh -c "'$fovea' compile sizes.fvir --target=cortex-m4 -q -o bare/ && cat bare/Makefile"
absent bare/bare_threads.c
grep -q pthread bare/Makefile && tell 'no pthread' no || tell 'no pthread' yes
if command -v arm-none-eabi-gcc >/dev/null; then
    check 'its library' 0 'bare.o: .*ARM' sh -c "make -s -C bare && cd bare && file=bare.o && readelf -h \$file | sed \"s/^/\$file: /\""
fi

# ---- what stopped a run ----
cat >pick.fvir <<'T'
fovea-ir 1
module "pick"
symbol n 1..64
const @w: f32[4, 3] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
func @main(%ids: i64[n], %x: f32[n, 3]) -> (%y) {
  %g = Gather(@w, %ids) loc("pick")
  %h = Mul(%g, %x) loc("scale")
  %y = Relu(%h) loc("relu")
  return %y
}
T
npy ids.npy '<i8' '3,' '\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0'
for b in $backends; do
    check "an index out of range, $b" 1 "error: node 'pick': input 'ids'\[2\] is 5, out of range: may be -4 to 3" "$fovea" run pick.fvir --input ids=ids.npy --backend=$b
done
cat >pairs.fvir <<'T'
fovea-ir 1
module "pairs"
symbol n 1..64
const @w: f32[4, 3] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
func @main(%at: i64[n, 2]) -> (%y) {
  %y = GatherND(@w, %at) loc("pick")
  return %y
}
T
npy pairs.npy '<i8' '2, 2' '\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0'
for b in $backends; do
    check "the second index of a pair, $b" 1 "error: node 'pick': input 'at'\[1, 1\] is 3, out of range: may be -3 to 2" "$fovea" run pairs.fvir --input at=pairs.npy --backend=$b
done
cat >reads.fvir <<'T'
fovea-ir 1
module "reads"
symbol n 0..64
func @main(%x: string[n]) -> (%y, %z, %w) {
  %y = Cast(%x) {to = 1} loc("floats")
  %z = Cast(%x) {to = 2} loc("bytes")
  %w = Cast(%y) {to = 8}
  return %y, %z, %w
}
T
echo '["12.50", "1e2", "255.9"]' >reads.json
echo '["12.50", "1e2", "256"]' >range.json
sed '/Cast/d; s/%y = .*//; s/symbol n.*/symbol n 0..100000/; s/-> .*{/-> (%y, %z) {\n  %y = StringConcat(%x, %x)\n  %z = StringConcat(%y, %x)/; s/return.*/return %y, %z/' reads.fvir >large.fvir
awk 'BEGIN { printf "[\"first\""; for (i = 0; i < 9999; i++) printf ",\"%d\"", i; print "]" }' >large.json
check 'several outputs of a size that data decides' 0 '^y  string\[10000\] "firstfirst" "00" "11"' "$fovea" run large.fvir --input x=large.json --backend=interp
said '^z  string\[10000\] "firstfirstfirst" "000" "111"'
echo '["12.50", "ten", "255"]' >words.json
for b in $backends; do
    check "strings as numbers, $b" 0 '^y  f32\[3\] .* 12.5 100 255.9$' "$fovea" run reads.fvir --input x=reads.json --backend=$b
    said '^z  u8\[3\] .* 12 100 255$'
    said '^w  string\[3\] "12.5" "100.0" "255.9"$'
    check "a number out of range, $b" 1 "error: node 'bytes': value 'x.is_u8'\[2\] is false" "$fovea" run reads.fvir --input x=range.json --backend=$b
    check "what is no number, $b" 1 "error: node 'floats': value 'x.is_number'\[1\] is false" "$fovea" run reads.fvir --input x=words.json --backend=$b
done
sed 's/Gather(@w, %ids)/Gather(@w, %i)/; s/^func.*/&\n  %i = Add(%ids, %ids) loc("double")/' pick.fvir >sum.fvir
check 'an index that is computed' 1 "error: node 'pick': index 10, computed of input 'ids'\[2\], out of range: may be -4 to 3" "$fovea" run sum.fvir --input ids=ids.npy --backend=interp
sed 's/%ids: i64/%ids: i32/' pick.fvir >narrow.fvir
npy narrow.npy '<i4' '2,' '\1\0\0\0\373\377\377\377'
check 'an i32 that counts from the end' 1 "error: node 'pick': input 'ids'\[1\] is -5, out of range: may be -4 to 3" "$fovea" run narrow.fvir --input ids=narrow.npy --backend=interp
cat >wrap.fvk <<'T'
kernel wrap(X: i32[2], W: f32[4], out Y: f32[2]) {
  for i < 2 {
    let at = i64(select(X[i] < 0, X[i] + 4, X[i]))
    Y[i] = W[at] if require(0 <= at && at < 4) else 0.0
  }
}
T
check 'an i32 to which the size is added as i32' 1 "error: kernel 'wrap': input 'X'\[1\] is -5, out of range: may be -4 to 3" "$fovea" run wrap.fvk --input X=narrow.npy --backend=interp
sed 's/Gather(@w, %ids)/Gather(@w, %i)/; s/%ids: i64/%ids: f32/; s/^func.*/&\n  %i = Cast(%ids) {to = 7}/' pick.fvir >float.fvir
npy float.npy '<f4' '2,' '\0\0\0\0\0\0\34\301' # 0 -9.75
check 'an index that was a float' 1 "error: node 'pick': index -9, computed of input 'ids'\[1\], out of range: may be -4 to 3" "$fovea" run float.fvir --input ids=float.npy --backend=interp
sed 's/^func @main(/&%t: f32[k, 3], /; s/@w, %ids/%t, %ids/; s/^symbol n.*/&\nsymbol k 0..64/' pick.fvir >none.fvir
npy none.npy '<f4' '0, 3' ''
check 'an index into nothing' 1 "error: node 'pick': input 'ids'\[0\] is 0, out of range: there are no elements" "$fovea" run none.fvir --input t=none.npy --input ids=ids.npy --backend=interp
check 'a name for what repeats' 0 't0 = select\(t1 < 0, t1 \+ 4, t1\), t1 = ids\[i0\] \+ ids\[i0\]$' "$fovea" inspect sum.fvir --schedules
cat >relation.fvir <<'T'
fovea-ir 1
module "relation"
symbol n 1..64
symbol m 1..64
const @s: i64[2] = [2, -1]
func @main(%x: f32[n, 2], %z: f32[m, 3]) -> (%y) {
  %a = Reshape(%z, @s) loc("flat")
  %y = MatMul(%x, %a) loc("product")
  return %y
}
T
cat >number.fvir <<'T'
fovea-ir 1
symbol n 0..64
symbol m 0..64
const @w: f32[8, 1] = [1, 2, 3, 4, 5, 6, 7, 8]
func @main(%x: f32[n], %z: f32[m]) -> (%y) {
  %a = Concat(%x, %z) {axis = 0}
  %y = MatMul(%a, @w) loc("product")
  return %y
}
T
cat >words.fvir <<'T'
fovea-ir 1
symbol n 0..64
symbol m 0..64
func @main(%x: f32[n], %z: f32[m]) -> (%y) {
  %y = Add(%x, %z) loc("sum")
  return %y
}
T
case $backends in jit*)
    check 'a library, and an index' 1 "error: node 'pick': an index in the data is out of range" sh -c "'$fovea' compile pick.fvir -q -o pick.so && '$fovea' run pick.so --input ids=ids.npy"
    check 'a library, and a relation' 1 "m \* 3 is 9, .* is 8 where n = 3, m = 3: reshape, node 'flat'" sh -c "'$fovea' compile relation.fvir -q -o relation.so && '$fovea' run relation.so --dim n=3 --dim m=3"
    check 'a library, and a relation to a number' 1 "each other: m \+ n is 5, not 8 where n = 2, m = 3: inner dims of a matrix product, node 'product'" sh -c "'$fovea' compile number.fvir -q -o number.so && '$fovea' run number.so --dim n=2 --dim m=3"
    check 'a library, and a relation in words' 1 "contradict each other where n = 2, m = 3: n and m are equal, or one of them is 1: broadcast, node 'sum'" sh -c "'$fovea' compile words.fvir -q -o words.so && '$fovea' run words.so --dim n=2 --dim m=3"
    ;;
esac

check 'a declaration of two lines' 0 '^        declared_out_dims \*actual, void \*workspace, size_t bytes, const fv_env \*env\);$' "$fovea" compile add.fvir -o declared.c

check 'the relations of C are no wide lines' 0 '^ +"max.min.m - 1, 1., 1 - m.' sh -c "'$fovea' compile words.fvir -q --target=generic -o words.c && ! grep '^ .\{120\}' words.c && cat words.c"

# ---- C compilers ----
mkdir temporary
TMPDIR=$work/temporary CC=nosuchcc check 'no such compiler' 1 "'nosuchcc' cannot be run; CC in the environment" "$fovea" run add.fvir --backend=c
TMPDIR=$work/temporary CC='cc -nosuchoption' check 'a compiler that fails' 1 "'cc -nosuchoption' failed .*nosuchoption" "$fovea" run add.fvir --backend=c
for name in BERT int 'x__y.5' model_t; do
    sed "s/^module .*/module \"$name\"/" add.fvir >named.fvir
    check "a model called $name, through C" 0 'f32\[1, 2\]' "$fovea" run named.fvir --backend=c
done
TMPDIR=$work/temporary CC='cc -w' check 'a compiler of two words' 0 'f32\[1, 2\]' "$fovea" run add.fvir --backend=c
[ -z "$(ls temporary)" ] && tell 'no folder is left' yes || tell 'no folder is left' no

# ---- test of a model alone ----
check 'a model alone' 0 '^2 passed, 0 failed' "$fovea" test add.fvir --backend=interp,c
noted '^add.fvir: note: there is no reference'
check 'a model alone, quietly' 0 '^1 passed, 0 failed' "$fovea" test -q add.fvir --backend=interp --dim n=5 --seed 3
[ -s err ] && tell 'nothing is said' no || tell 'nothing is said' yes
progress 'add.fvir: reads the model' "'$fovea' compile add.fvir -o add.fvk"
progress 'add.fvir: group' "'$fovea' compile add.fvir -o add.fvk"
progress '1 kernel, written to add.c' "'$fovea' compile add.fvir --target=generic -o add.c"
progress '0 passed, 0 failed: add.fvir \(interp\)' "'$fovea' test add.fvir --backend=interp"
check 'a model alone that is wrong' 1 '^FAILED half.fvir \(naive\): ' sh -c "printf 'fovea-ir 1\nfunc @main(' >half.fvir; '$fovea' test half.fvir"
check 'kernels alone' 1 'is no graph' "$fovea" test scale2.fvk
check 'no such model' 1 'is neither a folder nor a model' "$fovea" test none.onnx

# ---- states and dims ----
cat >cache.fvir <<'T'
fovea-ir 1
module "cache"
symbol p 0..64
func @main(%x: f32[1, 4], %past: f32[p, 4]) -> (%y, %present) {
  %present = Concat(%past, %x) {axis = 0}
  %y = Relu(%x)
  return %y, %present
}
T
onnx cache.onnx <<'T'
ir_version: 8
opset_import { version: 17 }
graph {
  name: "g"
  node { name: "cat" op_type: "Concat" input: "past" input: "x" output: "present" attribute { name: "axis" type: INT i: 0 } }
  input { name: "x" type { tensor_type { elem_type: 1 shape { dim { dim_value: 1 } } } } }
  input { name: "past" type { tensor_type { elem_type: 1 shape { dim { dim_param: "p" } } } } }
  output { name: "present" type { tensor_type { elem_type: 1 } } }
}
T
onnx odd.onnx <<'T'
ir_version: 8
opset_import { version: 17 }
graph {
  name: "g"
  node { name: "act" op_type: "Relu" input: "x" output: "y" attribute { name: "slope" type: INT i: 0 } }
  input { name: "x" type { tensor_type { elem_type: 1 shape { dim { dim_value: 2 } } } } }
  output { name: "y" type { tensor_type { elem_type: 1 shape { dim { dim_value: 3 } } } } }
}
T
for c in 'run odd.onnx' 'inspect odd.onnx' 'opt odd.onnx' 'compile odd.onnx -o odd.fvir' 'bench odd.onnx --rounds=1 --seconds=0.01'; do
    check "departs: $c" 0 "warning: node 'act'.*'slope' is not known; it is ignored" "$fovea" $c
    check "departs in shape: $c" 0 "warning: node 'act'.*'y' is declared as f32.3., but is f32.2.; the declaration is ignored" "$fovea" $c
    check "departs, strictly: $c" 1 "error: node 'act'.*'slope' is not known$" "$fovea" $c --strict
done
check 'departs, tested' 0 '1 passed, 0 failed' "$fovea" test odd.onnx
check 'departs, tested strictly' 1 "'slope' is not known" "$fovea" test odd.onnx --strict
check 'graphs are strict already' 0 . "$fovea" run odd.fvir --strict
for m in cache.fvir cache.onnx; do
    check "state of $m" 0 'present: f32.*, the next run.s past$' "$fovea" inspect $m --state past=present
    check "state of $m as json" 0 '"state_of": "past"' "$fovea" inspect $m --state past=present --json
    check "state of $m in the graph" 0 '%present state %past' "$fovea" opt $m --state past=present
    check "state of $m in C" 0 . "$fovea" compile $m --state past=present -o state.c
    grep -q 'present .*; past of the next run$' state.h && tell 'header tells it' yes || tell 'header tells it' no
    check "state of $m the wrong way" 1 'the input comes first: --state past=present' "$fovea" run $m --state present=past
    check "fixed dim of $m" 0 'f32\[8' "$fovea" run $m --dim p=7
    check "dim of an axis of $m" 0 'p in 2..5' "$fovea" inspect $m --dim past:0=2..5
    check "misspelt dim of $m" 1 "there is no dim 'pp'" "$fovea" compile $m --dim pp=3 -o no.c
done
for m in cache.fvir cache.onnx; do
    check "room of $m" 0 'present: f32.*, the next run.s past, in its memory, 9 on axis 0$' "$fovea" inspect $m --state past=present:9
    check "room of $m as json" 0 '"capacity": "room"' "$fovea" inspect $m --state past=present:room --json
    check "room of $m in the graph" 0 '%present state %past capacity 9' "$fovea" opt $m --state past=present:9
    check "room of $m, no number" 1 "the capacity is '1x', expected a number from 1 on, or a name" "$fovea" inspect $m --state past=present:1x
    check "room of $m in C" 0 . "$fovea" compile $m --state past=present:room -o room/
    grep -q 'past .*; in memory of room on axis 0$' room/room.h && tell 'header tells the room' yes || tell 'header tells the room' no
    check "room of $m tests itself" 0 'one thread: ok' make -s -C room check
    check "room of $m in a library" 0 . "$fovea" compile $m --state past=present:room -o room.so
    check "a run of $m in its room" 0 '^present +f32\[4' "$fovea" run room.so --dim p=3 --dim room=4
    check "a run of $m of room that it takes" 0 "dim 'room' is not given, 4 is taken" sh -c "'$fovea' run room.so --dim p=3 2>&1"
    check "a run of $m without room" 1 "input 'past' has capacity 3 on axis 0, output 'present' needs 4" "$fovea" run room.so --dim p=3 --dim room=3
    check "time of $m in its room" 0 . "$fovea" bench $m --state past=present:room --at p=3 --at room=9 --rounds=1 --seconds=0.01
done
"$fovea" inspect cache.fvir --state past=present --dim p=40..63 --schedules | grep -q 'writes 656 bytes' && tell 'two buffers are a copy' yes || tell 'two buffers are a copy' no
"$fovea" inspect cache.fvir --state past=present:64 --dim p=40..63 --schedules >written
[ "$(grep -c 'writes 16 bytes' written)" = 2 ] && ! grep -q 'writes 656' written && tell 'what is new is written' yes || tell 'what is new is written' no
check 'kernels have room' 0 . "$fovea" compile cache.fvir --state past=present:room -o room.fvk
check 'kernels keep it' 0 'the next run.s past, in its memory, room on axis 0$' "$fovea" inspect room.fvk
check 'definitions have room' 0 . "$fovea" compile cache.fvir --state past=present:room --emit=definitions -o room.fvd
for b in jit interp c; do
    check "kernels run in their room by $b" 0 'f32\[4, 4\]' "$fovea" run room.fvk --backend=$b --dim p=3 --dim room=6
done
check 'kernels have states' 0 . "$fovea" compile cache.fvir --state past=present -o state.fvk
check 'kernels keep them' 0 'the next run.s past$' "$fovea" inspect state.fvk
check 'kernels take none' 1 'declare states' "$fovea" inspect state.fvk --state past=present
check 'kernels have their dims' 1 'bound the dims' "$fovea" compile state.fvk --dim p=3 -o no.c
check 'a run of kernels takes them' 0 'f32\[4, 4\]' "$fovea" run state.fvk --dim p=3
absent no.c
for t in $(sed -n 's/^TARGET("\([^"]*\)".*/\1/p' "$root/ir/target/target.def") native; do
    check "help names $t" 0 "(, | )$t(,|\$)" "$fovea" compile --help
done
check 'native is one of them' 0 'target +native \([a-z0-9-]+(\+[a-z0-9-]+)*\)' "$fovea" inspect cache.fvir

# ---- inspect, opt, ops ----
check 'inspect' 0 'kernels +[0-9]+, [0-9]+ launches' "$fovea" inspect "$dates"
said 'inputs +text: i32\[1, 40\]'
said 'weights +[0-9.]+ kB in [0-9]+ constants'
check 'inspect ops' 0 'MatMul +[0-9]+ +[0-9]+' "$fovea" inspect "$dates" --ops
check 'inspect memory' 0 'workspace +[0-9]+ +[0-9]+ ' "$fovea" inspect "$dates" --memory
cat >parts.fvir <<'END'
fovea-ir 1
module "parts"
const @axis: i64[1] = [0]
func @main(%x: f32[n, 8], %w: f32[8, 8], %v: f32[8, 8]) -> (%y) {
  %a = MatMul(%x, %w)
  %b = MatMul(%x, %v)
  %c = Concat(%a, %b) {axis = 1}
  %d = Softmax(%c) {axis = -1}
  %y = ReduceSum(%d, @axis)
  return %y
}
END
check 'memory that is shared' 0 'workspace .* d: f32\[1, 16\], in place of c, parts a, b$' "$fovea" inspect parts.fvir --memory
said 'workspace  64 bytes; what is alive at once takes at least 64 bytes'
check 'the same as json' 0 '"in_place_of": \[' "$fovea" inspect parts.fvir --memory --json
said '"fixed": false'
check 'kernels keep that' 0 . "$fovea" compile parts.fvir -o parts.fvk
check 'and tell it' 0 'in place of c, parts a, b$' "$fovea" inspect parts.fvk --memory
check 'places that are fixed' 0 'workspace  1.0 kB, whatever the dims are within their bounds' "$fovea" inspect parts.fvir --memory --dim n=0..16
cat >within.fvir <<'END'
fovea-ir 1
module "within"
func @main(%x: f32[40, 40], %c: bool[]) -> (%y) {
  %y = If(%c) {then_branch = ^() {
    %a = Softmax(%x) {axis = 1}
    %b = MatMul(%a, %a)
    return %b
  }, else_branch = ^() {
    %r = Relu(%x)
    return %r
  }}
  return %y
}
END
check 'memory of a branch' 0 'workspace  6.4 kB; what is alive at once takes at least 6.4 kB' "$fovea" inspect within.fvir --memory
check 'inspect schedules' 0 'contract [{]rows = [0-9]+, columns = [0-9]+, .*[}], [0-9]+ launch' "$fovea" inspect "$dates" --schedules
check 'a prediction for each kernel' 0 '^  predicted +[0-9.e-]+ ms, at least [0-9.e-]+ [(][0-9]+%[)]' "$fovea" inspect "$dates" --schedules -v --target=x86-64-v3
said '^all kernels together: .* ms, at least .*; an estimate for one thread by the table of processors, generic$'
[ "$(grep -c '^  predicted' out)" = "$(grep -c '^  key' out)" ] && tell 'no kernel without a prediction' yes || tell 'no kernel without a prediction' no
check 'the processor of a prediction' 0 'by the table of processors, zen3$' "$fovea" inspect "$dates" --schedules -v --target=x86-64-v3 --processor=zen3
check 'predictions in json' 0 '"predicted_ms": [0-9.e-]+' "$fovea" inspect "$dates" --json --target=x86-64-v3
said '"source": "the table of processors, generic"'
"$fovea" inspect "$dates" --schedules | grep -q predicted && tell 'predictions need -v' no || tell 'predictions need -v' yes
check 'inspect json' 0 '"schedules": \[' "$fovea" inspect "$dates" --json
check 'inspect naive' 0 'naive' "$fovea" inspect "$dates" --schedule=naive
check 'inspect a kernel' 0 'as written' "$fovea" inspect scale2.fvk

# ---- inspect --why ----
cat >softmax.fvir <<'E'
fovea-ir 1
module "softmax"
symbol n 0..64
const @w: f32[4, 4] = [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]
const @two: f32[1] = [2]
func @main(%x: f32[n, 4]) -> (%y, %z) {
  %c = Mul(@two, @two)                    loc("constant")
  %m = MatMul(%x, @w)                     loc("/layer/MatMul")
  %p = Softmax(%m) {axis = -1}            loc("/layer/Softmax")
  %r = Mul(%p, %c)                        loc("/layer/Scale")
  %y = MatMul(%r, @w)                     loc("/layer/Out")
  %z = Neg(%x)                            loc("/Neg")
  return %y, %z
}
E
check 'why a node' 0 '^m: of /layer/MatMul, kernel MatMul_0, contract' "$fovea" inspect softmax.fvir --why /layer/MatMul
said "group +no +it is a contraction, and '/layer/Softmax' sums as well"
check 'why a value' 0 '^p: of /layer/Softmax, no kernel of its own, in Mul_1$' "$fovea" inspect softmax.fvir --why=p
said '^r: of /layer/Scale, kernel Mul_1'
said "group +yes +'/layer/Scale' computes its sums once per row"
check 'why a kernel' 0 '^p: of /layer/Softmax' "$fovea" inspect softmax.fvir --why Mul_1
check 'why, with all of it' 0 'second_contraction|contraction_summed: both have sums' "$fovea" inspect softmax.fvir --why m -v
check 'why, as json' 0 '"code": "contraction_summed"' "$fovea" inspect softmax.fvir --why m --json
said '"use": "/layer/Softmax"'
check 'why what costs most' 0 'kernel MatMul_0, contract .*; 2 launches, [0-9.e+-]+ % of the estimated time' "$fovea" inspect softmax.fvir --why
said 'kernel Neg_3, map'
check 'before the model' 0 'kernel MatMul_0' "$fovea" inspect --why softmax.fvir --dim n=3
check 'why not' 1 "there is no node, value or kernel '/layer/Sotfmax'; the nearest are /layer/Softmax" "$fovea" inspect softmax.fvir --why /layer/Sotfmax
check 'a part of a name' 1 'the nearest are /layer/Softmax' "$fovea" inspect softmax.fvir --why Soft
check 'nothing like it' 1 'there is no node, value or kernel .wombat.; --schedules lists' "$fovea" inspect softmax.fvir --why wombat
check 'no name' 2 'names no node' "$fovea" inspect softmax.fvir --why=
check 'what passes computed' 0 'constant: after the pass [a-z-]+ there is nothing of it' "$fovea" inspect softmax.fvir --why constant
check 'and as json' 0 '"why_nothing": "after the pass' "$fovea" inspect softmax.fvir --why constant --json
check 'an input' 0 'nothing is decided' "$fovea" inspect softmax.fvir --why x
check 'a constant' 0 '^w: a constant: what reads it' "$fovea" inspect softmax.fvir --why w
check 'a constant that passes made' 0 '^c: a constant' "$fovea" inspect softmax.fvir --why c
cat >sorted.fvir <<'E'
fovea-ir 1
module "sorted"
symbol n 0..64
const @k: i64[1] = [3]
func @main(%x: f32[n, 4]) -> (%y, %i) {
  %y, %i = TopK(%x, @k)                   loc("/TopK")
  return %y, %i
}
E
check 'why, of an operator with several kernels' 0 '^i: of /TopK, kernel order_fill_0, custom' "$fovea" inspect sorted.fvir --why
said '^i: of /TopK, kernel order_1, custom'
check 'why the first of them' 0 'schedule +yes +Order has a custom kernel' "$fovea" inspect sorted.fvir --why order_fill_0
check 'why naive' 0 'schedule +yes +--schedule=naive' "$fovea" inspect softmax.fvir --why /layer/Softmax --schedule=naive
check 'why without passes' 0 'group +no +it is a contraction' "$fovea" inspect softmax.fvir --why m -O0
"$fovea" compile softmax.fvir -q -o softmax.fvk && "$fovea" compile softmax.fvir -q --emit=definitions -o softmax.fvd
cat >view.fvir <<'E'
fovea-ir 1
module "view"
symbol n 0..64
const @s: i64[2] = [0, 12]
func @main(%x: f32[n, 3, 4]) -> (%y) {
  %e = Exp(%x)
  %r = Reshape(%e, @s)
  %y = Neg(%r)
  return %y
}
E
"$fovea" compile view.fvir -q --emit=definitions -o view.fvd
check 'why of kernels' 0 'no decisions: the file holds kernels' "$fovea" inspect softmax.fvk --why m
check 'why of kernels, as json' 0 '"why": null' "$fovea" inspect softmax.fvk --why --json
check 'why of definitions' 0 "steps up to 'merge' were done before" "$fovea" inspect softmax.fvd --why
check 'why of a value that is decided' 0 "r: it was decided about before 'merge'" "$fovea" inspect view.fvd --why r
check 'why of definitions, as json' 0 '"why_after": "merge"' "$fovea" inspect softmax.fvd --why --json
# random data of an operand that is an index lies inside what it is an index into
indexed() { # NAME OP: of %x and the index %i
    printf 'fovea-ir 1\nfunc @main(%%x: f32[3, 4], %%u: f32[2, 4], %%i: i64[2, 1]) -> (%%y) {\n  %%y = %s\n  return %%y\n}\n' "$2" >"$1.fvir"
    check "random indices of $1" 0 'y  f32' "$fovea" run "$1.fvir" --backend=interp
}
indexed gather 'Gather(%x, %i) {axis = -1}'
indexed gather_elements 'GatherElements(%x, %i) {axis = 1}'
indexed gather_nd 'GatherND(%x, %i)'
indexed gather_nd_batch 'GatherND(%u, %i) {batch_dims = 1}'
indexed scatter_nd 'ScatterND(%x, %i, %u)'
printf 'fovea-ir 1\nfunc @main(%%x: f32[3, 4], %%i: i64[2, 4], %%u: f32[2, 4]) -> (%%y) {\n  %%y = ScatterElements(%%x, %%i, %%u)\n  return %%y\n}\n' >scatter.fvir
check 'random indices of scatter' 0 'y  f32' "$fovea" run scatter.fvir --backend=interp
random() { # NAME PATTERN PARAMETERS OP [OPTIONS]: of random inputs comes what is declared
    printf 'fovea-ir 1\nfunc @main(%s) -> (%%y) {\n  %%y = %s\n  return %%y\n}\n' "$3" "$4" >"$1.fvir"
    check "random inputs of $1" 0 "$2" "$fovea" run "$1.fvir" --backend=interp "${@:5}"
}
random cumsum 'y  f32.5' '%x: f32[5], %a: i64[]' 'CumSum(%x, %a)'
random roi_align 'y  f32.3, 2, 1, 1' '%x: f32[1, 2, 4, 4], %r: f32[3, 4], %b: i64[3]' 'RoiAlign(%x, %r, %b)'
random loss 'y  f32' '%x: f32[3, 1], %t: i64[3]' 'NegativeLogLikelihoodLoss(%x, %t)'
# elements that are dims are such that the model's relations hold, with those that are given
random expand 'y  f32.3, 7' '%x: f32[3, 1], %s: i64[2]' 'Expand(%x, %s) : f32[3, 7]'
random pad 'y  f32.9' '%x: f32[4], %p: i64[2]' 'Pad(%x, %p) : f32[9]'
printf 'fovea-ir 1\nconst @one: i64[] = 1\nconst @four: i64[] = 4\nfunc @main(%%limit: i64[]) -> (%%y) {\n  %%y = Range(@four, %%limit, @one) : i64[6]\n  return %%y\n}\n' >range.fvir
printf '\x93NUMPY\x01\x00\x46\x00%-69s\n\x04\x00\x00\x00\x00\x00\x00\x00' "{'descr': '<i8', 'fortran_order': False, 'shape': (), }" >four.npy
check 'random limit of a range' 0 'y  i64.6.  min 4  max 9' "$fovea" run range.fvir
check 'a given limit that contradicts' 1 'dims contradict each other' "$fovea" run range.fvir --input limit=four.npy
printf '\x93NUMPY\x01\x00\x46\x00%-69s\n\x02\x00\x00\x00\x00\x00\x00\x00' "{'descr': '<i8', 'fortran_order': False, 'shape': (), }" >two.npy

check 'opt' 0 '^func @main' "$fovea" opt add.fvir
check 'opt verbose' 0 'legalise:' "$fovea" opt add.fvir -v --verify
check 'opt dump' 0 '# after legalise' "$fovea" opt add.fvir --dump-after=legalise
check 'a step is not run by opt' 2 'that step is not run' "$fovea" opt add.fvir --dump-after=group
check 'compile dump of a step' 0 'element %y\[i0, i1\] = %x\[i0, i1\] \+ %z\[i1\]' "$fovea" compile add.fvir --dump-after=group --emit=kernels -o -
check 'misspelt step' 2 "did you mean 'layout'" "$fovea" compile add.fvir --dump-after=layuot -o x.fvk
check 'a step by the name that it is switched off by' 0 '# after fold$' "$fovea" compile add.fvir --dump-after=fold-mask -o x.fvk
check 'times of passes' 0 '^remove-dead +[0-9.]+ ms$' "$fovea" opt add.fvir --time-passes
noted '^legalise +[0-9.]+ ms$'
check 'times of steps' 0 '^group +[0-9.]+ ms$' "$fovea" compile add.fvir -o x.fvk --time-passes
noted '^legalise +[0-9.]+ ms$'
noted '^join +[0-9.]+ ms$'
check 'times and a dump' 0 '^# after group$' "$fovea" compile add.fvir -o x.fvk --time-passes --dump-after=group
noted '^group +[0-9.]+ ms$'
check 'times of kernels' 1 'no pass and no step is run, --time-passes does not apply' "$fovea" compile x.fvk --time-passes -o again.fvk
check 'a folder of dumps' 0 'fovea run x.fvk' "$fovea" compile add.fvir --dump-dir=dumps -o x.fvk
present dumps/01-count-turns.fvir dumps/*-legalise.fvir dumps/*-define.fvd dumps/*-order.fvd dumps/*-join.fvd dumps/*-merge.fvd
for text in dumps/*.fvd; do # from any step on to the same program
    check "on from $text" 0 'fovea run again.fvk' "$fovea" compile "$text" --name=add -o again.fvk
    tell "$text: the same kernels" "$(diff -q <(sed -n '/^kernel/,/^}/p' x.fvk) <(sed -n '/^kernel/,/^}/p' again.fvk) >/dev/null && echo yes || echo no)"
done
mkdir full && ln -s /dev/full full/01-count-turns.fvir
check 'a dump to a full disk' 1 'No space' "$fovea" opt add.fvir --dump-dir=full
check 'a folder that cannot be made' 2 'No such file' "$fovea" compile add.fvir --dump-dir=no/where -o x.fvk
check 'a dump of a step that is not run alone' 2 'that step is not run' "$fovea" compile add.fvir --schedule=naive --dump-after=group -o x.fvk
check 'a dump of one that is' 0 '# after results' "$fovea" compile add.fvir --schedule=naive --dump-after=results -o x.fvk
check 'a dump of a step, and no lowering' 2 'that step is not run' "$fovea" compile add.fvir --dump-after=group --emit=ir -o -
check 'a dump of a step that is done' 1 'holds definitions after "group": --dump-after=define does not apply, that step is not run' "$fovea" compile dumps/*-group.fvd --dump-after=define -o x.fvk
check 'a dump of one that is to come' 0 '# after layout' "$fovea" compile dumps/*-group.fvd --dump-after=layout -o x.fvk
check 'a dump of a pass that is done' 1 'that pass is not run' "$fovea" compile dumps/*-group.fvd --dump-after=legalise -o x.fvk
check 'dumps when all is done' 1 'no step is to come' "$fovea" compile dumps/*-merge.fvd --dump-dir=dumps -o again.fvk
check 'dumps of kernels' 1 'holds kernels: no pass and no step is run' "$fovea" compile x.fvk --dump-after=define -o again.fvk
check 'passes of definitions' 1 'holds definitions: passes are for graphs' "$fovea" compile dumps/*-group.fvd --passes=legalise -o again.fvk
check 'passes of kernels' 1 'holds kernels: passes are for graphs' "$fovea" compile x.fvk --passes=legalise -o again.fvk
check 'a naive dump' 0 'after "extend"' "$fovea" compile add.fvir --schedule=naive --emit=definitions -o -

# ---- definitions ----
check 'definitions to standard output' 0 '^fovea-definitions 1 after "merge"' "$fovea" compile add.fvir --emit=definitions -o -
check 'definitions to a file' 0 'fovea run add.fvd' "$fovea" compile add.fvir -o add.fvd
for backend in $backends; do
    check "definitions run ($backend)" 0 'y  f32\[2, 2\]  min 2  max 5  2 3 4 5' "$fovea" run add.fvd --backend=$backend --input x=x.npy --input z=z.npy
done
cat >sums.fvd <<'T'
fovea-definitions 1 after "order"
module "sums"
symbol n 0..64
func @main(%x: f32[n, 24], %w: f32[24, 40], %v: f32[40, 24], %u: f32[24]) -> (%y) {
  %y = define(%x, %w, %v, %u) : f32[n, 40] {
    element %y[i, j] = (sum k < 24: %x[i, k] * %w[k, j]) * tanh(sum k < 24: %x[i, k] * %v[j, k]) + (sum r < 24: %x[i, r] * (%u[r] + f32(j)))
  }
  return %y
}
T
check 'several sums in one contraction' 0 'operand = packs' "$fovea" inspect sums.fvd --schedules
for n in 1 7 40; do
    mkdir sums$n
    "$fovea" run sums.fvd --dim n=$n --schedule=naive -o sums$n/ >/dev/null
    for backend in $backends; do
        check "several sums of $n rows ($backend)" 0 '' "$fovea" run sums.fvd --dim n=$n --backend=$backend --expect=sums$n --atol=0 --rtol=0
    done
done
check 'definitions through a pipe' 0 '^y ' sh -c "'$fovea' compile '$dates' --emit=definitions -o - | '$fovea' run - | sed 's/^probs/y/'"
check 'passes on definitions' 1 'holds definitions; passes are for graphs' "$fovea" opt add.fvd
check 'a graph of definitions' 1 'definitions have no graph to write' "$fovea" compile add.fvd -o add2.fvir
check 'definitions of kernels' 1 'kernels have no definitions to write' "$fovea" compile scale2.fvk -o x.fvd
check 'inspect definitions' 0 'kernels    1, 1 launch' "$fovea" inspect add.fvd
cat >symbols.fvd <<'T'
fovea-definitions 1 after "layout"
module "symbols"
symbol n 0..10
func @main(%x: f32[n]) -> (%y) {
  %y = define(%x) : f32[n] {
    element %y[i] = %x[n - 1 - i] + (sum k < n: 1.0) + f32(n) + f32(dim(n * 2))
  }
  return %y
}
T
for dim in '' '--dim n=2'; do
    check "symbols in definitions ($dim)" 0 'f32\[' "$fovea" run symbols.fvd $dim
done
check 'a dim of definitions' 0 'f32\[2, 2\]' "$fovea" run add.fvd --dim n=2
sed 's/i1\] + /i1 + 1] + /' add.fvd >beyond.fvd
check 'definitions that reach outside' 1 'beyond.fvd: error: illegal definition of %y: .*index 1 reaches 2, the axis has 2' "$fovea" run beyond.fvd
sed 's/"merge"/"coffee"/' add.fvd >coffee.fvd
check 'definitions after no step' 1 'is no step of lowering' "$fovea" compile coffee.fvd -o x.fvk
cp add.fvir same.fvir
check 'opt into the model' 1 'o ./same.fvir would overwrite what was read' "$fovea" opt same.fvir -o ./same.fvir
check 'outputs into the model' 1 'would overwrite the model' "$fovea" run same.fvir --backend=interp --input x=x.npy --input z=z.npy -o same.fvir
check 'a trace into the model' 1 'profile=same.fvir would overwrite the model' "$fovea" bench same.fvir --backend=interp --seconds=0.001 --profile=same.fvir
check 'which is whole' 0 '^$' sh -c 'cmp add.fvir same.fvir && echo'
check 'opt to file' 0 '^$' sh -c "'$fovea' opt '$dates' -O1 -o o.fvir && echo"
present o.fvir o.fvir.bin
check 'opt of kernels' 1 'holds kernels' "$fovea" opt scale2.fvk
check 'list passes' 0 'legalise +rewrites operators' "$fovea" opt --list-passes
check 'list passes, their order' 0 '^ +again after reduce-strength: reciprocals' "$fovea" opt --list-passes
check 'passes in another order' 0 "warning: pass 'reduce-strength' should run after 'simplify': simplify has rules" "$fovea" opt add.fvir --passes=reduce-strength,simplify
check 'list passes, the levels' 0 '^ +count-turns stack-turns legalise integers fold-constants simplify-exact share remove-dead$' "$fovea" opt --list-passes
said '^ +code: level 2 of LLVM, small functions, -Os of the C compiler'
check 'list passes as json' 0 '"levels"' "$fovea" opt --list-passes --json
check 'ops' 0 '[0-9]+ operators, up to opset' "$fovea" ops
check 'one op' 0 'versions +1, 6, 7, 9, 11, 13' "$fovea" ops Gemm
check 'misspelt op' 1 "did you mean 'MatMul'" "$fovea" ops Matmull
check 'ops json' 0 '"operators": \[' "$fovea" ops --json
check 'ops markdown' 0 '^\| Add \|' "$fovea" ops --markdown

# ---- nothing is added to a state that fills its memory ----
cat >full.fvir <<'T'
fovea-ir 1
module "m"
symbol p 0..256
symbol n 0..64
func @main(%x: f32[2, n, 4], %past: f32[2, p, 4]) -> (%all) {
  %new = Relu(%x)
  %all = Concat(%past, %new) {axis = 1}
  return %all
}
T
for b in jit interp c; do
    check "a state that is full, $b" 0 '^all  f32\[2, 8, 4\]' "$fovea" run -q full.fvir --state=past=all:8 --dim p=8 --dim n=0 --backend=$b
done

# ---- what a mask is called: of few queries and many keys, and beside lengths ----
attends() { # NAME MASK QUERIES KEYS OPERANDS
    cat >"$1.fvir" <<T
fovea-ir 1
module "m"
symbol s 0..1024
func @main(%q: f32[1, 2, $3, 8], %k: f32[1, 2, $4, 8], %v: f32[1, 2, $4, 8]${5:+, %n: i64[1]}) -> (%y) {
  %y = Attention(%q, %k, %v${5:-}) {is_causal = 1}
  return %y
}
T
    check "mask of $1" 0 "^  mask +$2(:|\$)" "$fovea" inspect "$1.fvir" --attention
}
attends few causal 4 300
attends seven causal 7 300
attends many causal 300 300
attends all causal s s
attends lengths 'causal, padding' s s ', _, _, _, %n'

# ---- an output whose size is an element of an input: nothing but its type bounds that ----
cat >numbers.fvir <<'T'
fovea-ir 1
module "m"
const @nine: i32[1] = [9]
const @ten: i32[] = 10
func @main() -> (%n, %t) {
  %n = Identity(@nine)
  %t = Identity(@ten)
  return %n, %t
}
T
cat >grouped.fvir <<'T'
fovea-ir 1
module "m"
func @main(%q: f32[1, 3, 8], %k: f32[1, 3, 8], %v: f32[1, 3, 8], %pk: f32[1, 1, 20, 8], %pv: f32[1, 1, 20, 8], %n: i32[1], %t: i32[]) -> (%y, %nk, %nv) {
  %y, %nk, %nv = com.microsoft.GroupQueryAttention(%q, %k, %v, %pk, %pv, %n, %t) {num_heads = 1, kv_num_heads = 1}
  return %y, %nk, %nv
}
T
mkdir numbers && "$fovea" run -q numbers.fvir --backend=interp --format=npy -o numbers/
for b in jit interp c; do
    check "data says the size, $b" 0 '^nk  f32\[1, 1, 20, 8\]' "$fovea" run -q grouped.fvir --backend=$b --input=n=numbers/n.npy --input=t=numbers/t.npy
done

# ---- test ----
mkdir -p cases && cp -r "$root/examples/dates/test" cases/dates && cp "$dates" cases/dates/model.onnx
check 'test' 0 '^[1-9][0-9]* passed, 0 failed$' "$fovea" test cases --backend=interp
check 'test json' 0 '"failed": 0' "$fovea" test cases/dates --backend=interp --json
rm cases/dates/test_data_set_0/output_0.pb
check 'test without output' 1 'FAILED cases/dates/test_data_set_0 \(interp\): .*output_0.pb' "$fovea" test cases --backend=interp
check 'test of nothing' 1 'FAILED nowhere \(-\): is neither a folder nor a model' "$fovea" test nowhere
finish
