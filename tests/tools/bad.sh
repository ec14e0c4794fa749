# Tests wrong input: the command prints a message that names the file, has status 1, leaves no new file and loses no old
# one.
. "$(dirname "$0")/lib.sh"
dates=$root/examples/dates/dates.onnx

onnx gather.onnx <<'T'
ir_version: 8
opset_import { version: 17 }
graph {
  name: "g"
  node { name: "pick" op_type: "Gather" input: "table" input: "ids" output: "y" }
  initializer { name: "table" dims: 3 dims: 1 data_type: 1 float_data: 1 float_data: 2 float_data: 3 }
  input { name: "ids" type { tensor_type { elem_type: 7 shape { dim { dim_param: "n" } } } } }
  output { name: "y" type { tensor_type { elem_type: 1 shape { dim { dim_param: "n" } dim { dim_value: 1 } } } } }
}
T
onnx names.onnx <<'T'
ir_version: 8
opset_import { version: 17 }
graph {
  name: "g"
  node { op_type: "Neg" input: "../in" output: "../../evil" }
  node { op_type: "Abs" input: "../in" output: "/etc/evil" }
  node { op_type: "Exp" input: "../in" output: "a b" }
  node { op_type: "Sin" input: "../in" output: "a_b" }
  input { name: "../in" type { tensor_type { elem_type: 1 shape { dim { dim_value: 2 } } } } }
  output { name: "../../evil" type { tensor_type { elem_type: 1 } } }
  output { name: "/etc/evil" type { tensor_type { elem_type: 1 } } }
  output { name: "a b" type { tensor_type { elem_type: 1 } } }
  output { name: "a_b" type { tensor_type { elem_type: 1 } } }
}
T
# external LOCATION > FILE
external() {
    onnx external.onnx <<T
ir_version: 8
opset_import { version: 17 }
graph {
  name: "g"
  node { op_type: "Add" input: "x" input: "w" output: "y" }
  initializer { name: "w" dims: 4 data_type: 1 data_location: EXTERNAL external_data { key: "location" value: "$1" } }
  input { name: "x" type { tensor_type { elem_type: 1 shape { dim { dim_value: 4 } } } } }
  output { name: "y" type { tensor_type { elem_type: 1 } } }
}
T
}

# ---- files that are not models ----
check 'no file' 1 '^none.onnx: error: ' "$fovea" compile none.onnx -o x.c
check 'a folder' 1 '^\.: error: ' "$fovea" run .
: >empty.onnx
check 'empty' 1 '^empty.onnx: error: ' "$fovea" run empty.onnx
printf 'not a model at all' >text.onnx
check 'text' 1 '^text.onnx: error: ' "$fovea" run text.onnx
printf '\177ELF nothing' >elf.onnx
check 'no library' 1 '^elf.onnx: error: ' "$fovea" run elf.onnx
check 'a library of others' 1 'error: ' "$fovea" run /bin/sh
printf 'fovea-ir 1\nmodule "m"\nfunc @main(' >half.fvir
check 'half a text' 1 '^half.fvir:[0-9]+:[0-9]+: error: ' "$fovea" run half.fvir
printf 'kernel k(A: f32[n]; n) { A[0] = 1.0 }' >illegal.fvk
check 'illegal kernel' 1 '^illegal.fvk' "$fovea" run illegal.fvk
printf 'fovea-ir 9\n' >format.fvir
check 'other format' 1 '^format.fvir:.*format' "$fovea" run format.fvir
size=$(stat -c %s "$dates")
for part in 1 10 100 1000 3 50 90 99; do
    [ $part -lt 100 ] && [ $part -gt 1 ] && n=$((size * part / 100)) || n=$part
    head -c $n "$dates" >cut.onnx
    check "first $n bytes" 1 '^cut.onnx: error: ' "$fovea" compile cut.onnx -o cut.c
done
absent cut.c cut.h x.c
# flipped bits: whatever they mean, it is a result or a message
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    cp gather.onnx flip.onnx
    at=$((i * 7919 % $(stat -c %s gather.onnx)))
    printf "\\$(printf %o $((i * 37 % 256)))" | dd of=flip.onnx bs=1 seek=$at conv=notrunc status=none
    "$fovea" run flip.onnx --backend=interp >out 2>err
    status=$?
    [ $status -le 1 ] && ! grep -q "Sanitizer:" err && tell "flip $i" yes || tell "flip $i: status $status" no
done

# ---- a dim of more parts than there may be ----
awk 'BEGIN {
    printf "fovea-ir 1\nmodule \"m\"\nfunc @main(%%x: f32[a"
    for (i = 0; i < 600; i++) printf " floordiv (b%d", i
    for (i = 0; i < 600; i++) printf ")"
    print "]) -> (%y) {\n  %y = Neg(%x)\n  return %y\n}"
}' >long.fvir
check 'a dim that is too long' 1 '^long.fvir: error: the expression of a dim has more than 1024 parts' "$fovea" run long.fvir

# ---- an operand that does not fit what the operator means ----
for bias in 'dims: 3' 'dims: 4 dims: 1' ''; do
    onnx conv.onnx <<T
ir_version: 8
opset_import { version: 17 }
graph {
  name: "g"
  node { name: "conv" op_type: "Conv" input: "x" input: "w" input: "b" output: "y" }
  initializer { name: "w" dims: 4 dims: 1 dims: 1 data_type: 1 float_data: 1 float_data: 2 float_data: 3 float_data: 4 }
  input { name: "x" type { tensor_type { elem_type: 1 shape { dim { dim_value: 2 } dim { dim_value: 1 } dim { dim_value: 5 } } } } }
  input { name: "b" type { tensor_type { elem_type: 1 shape { $(echo "$bias" | sed 's/dims: \([0-9]\)/dim { dim_value: \1 }/g') } } } }
  output { name: "y" type { tensor_type { elem_type: 1 } } }
}
T
    check "a bias of $bias" 1 "^conv.onnx: error: node 'conv' .*input 'B' has" "$fovea" run conv.onnx
done

# ---- a graph that is none ----
onnx cycle.onnx <<'T'
ir_version: 8
opset_import { version: 17 }
graph {
  name: "g"
  node { name: "one" op_type: "Neg" input: "b" output: "a" }
  node { name: "two" op_type: "Neg" input: "a" output: "b" }
  output { name: "b" type { tensor_type { elem_type: 1 } } }
}
T
check 'cycle' 1 "^cycle.onnx: error: .*(one|two|cycle)" "$fovea" run cycle.onnx
onnx unknown.onnx <<'T'
ir_version: 8
opset_import { version: 17 }
graph {
  name: "g"
  node { name: "n1" op_type: "Frobnicate" input: "x" output: "y" }
  node { name: "n2" op_type: "Neg" input: "y" output: "z" attribute { name: "bogus" type: INT i: 3 } }
  input { name: "x" type { tensor_type { elem_type: 1 shape { dim { dim_value: 2 } } } } }
  output { name: "z" type { tensor_type { elem_type: 1 } } }
}
T
check 'unknown operator' 1 "^unknown.onnx: error: node 'n1' \\(Frobnicate\\): .*not in the catalogue" "$fovea" run unknown.onnx
noted "node 'n2' \\(Neg\\): .*bogus"

# ---- data ----
npy ok.npy '<i8' '2,' '\0\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0'
npy far.npy '<i8' '2,' '\0\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0'
npy float.npy '<f4' '2,' '\0\0\0\0\0\0\0\0'
npy rank.npy '<i8' '1, 2' '\0\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0'
npy short.npy '<i8' '2,' '\0\0\0\0'
npy huge.npy '<i8' '1000000000000, 1000000000000' '\0\0\0\0'
npy many.npy '<i8' '5,' '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
check 'right data' 0 'f32\[2, 1\].* 1 3$' "$fovea" run gather.onnx --backend=interp --input ids=ok.npy
for b in interp c; do
    check "index out of range, $b" 1 "gather.onnx: error: node 'pick'.*out of range" "$fovea" run gather.onnx --backend=$b --input ids=far.npy -o far_out.npy
done
absent far_out.npy
cat >constant.fvir <<'T'
fovea-ir 1
const @table: f32[2] = [1.0, 2.0]
const @ids: i64[1] = [7]
func @main(%x: f32[1]) -> (%y) {
  %v = Gather(@table, @ids) {axis = 0}    loc("pick")
  %y = Add(%x, %v)
  return %y
}
T
check 'constant index out of range' 0 "^constant.fvir: warning: node 'pick' .*out of range" "$fovea" compile constant.fvir -o constant.c
check 'constant index out of range, run' 1 "error: node 'pick'.*out of range" "$fovea" run constant.fvir --backend=interp
check 'wrong type' 1 "error: .*'?ids'?.* f32\\[2\\], expected i64" "$fovea" run gather.onnx --backend=interp --input ids=float.npy
check 'wrong rank' 1 "error: input 'ids' is i64\\[1, 2\\], expected i64 of rank 1" "$fovea" run gather.onnx --backend=interp --input ids=rank.npy
for f in short huge text; do
    [ -f $f.npy ] || cp text.onnx $f.npy
    check "$f.npy" 1 "error: .*$f.npy" "$fovea" run gather.onnx --backend=interp --input ids=$f.npy
done
check 'no .npy' 1 'error: .*none.npy' "$fovea" run gather.onnx --backend=interp --input ids=none.npy
check 'no such input' 1 "there is no input 'idx'" "$fovea" run gather.onnx --input idx=ok.npy
check 'dim out of bounds' 1 "error: input 'ids' has 5 on axis 0, 'n' may be 1 to 4" "$fovea" run gather.onnx --backend=interp --dim n=1..4 --input ids=many.npy
check 'dim beyond reason' 1 'error: ' "$fovea" run gather.onnx --backend=interp --dim n=1000000000000
check 'empty data set' 1 'holds no input_0.pb' "$fovea" run gather.onnx --backend=interp --data-set .
mkdir set
cp text.onnx set/input_0.pb
check 'data set of nonsense' 1 'error: .*set/input_0.pb' "$fovea" run gather.onnx --backend=interp --data-set set
check 'nothing to compare with' 1 'holds neither output_0.pb nor y.npy' "$fovea" run gather.onnx --backend=interp --expect set

# ---- names and places ----
check 'names that are paths' 0 'evil -> in/[A-Za-z0-9_]+\.npy' "$fovea" run names.onnx --backend=interp -o in
[ "$(ls in | wc -l)" = 4 ] && tell 'four files' yes || tell 'four files' no
absent ../evil.npy ../../evil.npy /etc/evil.npy
check 'C of such names' 0 . "$fovea" compile names.onnx -o "we ird-1.c"
echo 0123456789abcdef >../fovea-secret-$$
ln -s ../fovea-secret-$$ link.bin
mkdir inside
printf '0123456789abcdef' >inside/w.bin
external inside/w.bin
check 'external data' 0 'f32\[4\]' "$fovea" run external.onnx --backend=interp
for place in ../fovea-secret-$$ /etc/passwd link.bin inside/../../fovea-secret-$$ none.bin; do
    external $place
    check "external data $place" 1 '^external.onnx: error: .*(w|external)' "$fovea" run external.onnx --backend=interp
done
rm -f ../fovea-secret-$$

# ---- outputs that cannot be written ----
for f in none/x.c none/x.fvk none/x.fvir; do
    check "compile to $f" 1 'error: .*none/x' "$fovea" compile gather.onnx -o $f
done
check 'run to nowhere' 1 'error: .*none' "$fovea" run gather.onnx --backend=interp -o none/x
mkdir full && echo mine >full/precious
check 'a folder of others' 1 'error: .*precious' "$fovea" compile gather.onnx -o full/
[ "$(cat full/precious)" = mine ] && [ "$(ls full | wc -l)" = 1 ] && tell 'nothing lost' yes || tell 'nothing lost' no
if [ -c /dev/full ]; then
    check 'full standard output' 1 'error: cannot write to standard output' sh -c "'$fovea' ops >/dev/full"
    check 'full output' 1 'error: cannot write' "$fovea" compile gather.onnx --emit=kernels -o /dev/full
    check 'full disk for run' 1 'error: .*cannot write' "$fovea" run gather.onnx --backend=interp -o /dev/full
    [ -c /dev/full ] && tell 'it is there still' yes || tell 'it is there still' no
fi
# a disk that is full: a file may grow to so many blocks of 512 or 1024 bytes
echo old >old.c
for f in big.c old.c big/ big.fvk big.fvir; do
    check "full disk for $f" 1 'error: .*(big|old)' sh -c "ulimit -f 20; '$fovea' compile '$dates' -o $f"
done
absent big.c big.h old.h big.fvk big.fvk.bin big.fvir big.fvir.bin
[ "$(cat old.c)" = old ] && tell 'the old file is there' yes || tell 'the old file is there' no
if "$fovea" compile gather.onnx -o probe.so >out 2>err; then
    for f in none/x.so none/x.o; do
        check "compile to $f" 1 'error: .*none/x' "$fovea" compile gather.onnx -o $f
    done
    for f in big.so big.o big.a; do
        check "full disk for $f" 1 'error: .*big' sh -c "ulimit -f 20; '$fovea' compile '$dates' -o $f"
    done
    absent big.so big.o big.a
    check 'full device for an object' 1 'error: .*cannot write' "$fovea" compile gather.onnx --emit=obj -o /dev/full
fi
[ "$(ls | grep -c 'tmp$')" = 0 ] && tell 'no temporary files' yes || tell 'no temporary files' no

# ---- libraries that do not fit ----
if "$fovea" compile "$dates" -o whole.so >/dev/null 2>&1; then
    for n in 100 5000 100000 300000; do
        head -c $n whole.so >cut.so
        check "library cut at $n" 1 'cut.so: error: ' "$fovea" run cut.so
    done
    case $(uname -m) in x86_64) other=aarch64 ;; *) other=x86-64 ;; esac
    if "$fovea" compile "$dates" --target=$other -q -o other.so 2>/dev/null; then
        check 'library of another machine' 1 'other.so: error: cannot be loaded: it is for another kind of machine' "$fovea" run other.so
    fi
    check 'JIT for another machine' 1 'this machine cannot run' "$fovea" run "$dates" --target=$other
    # an older processor: what is compiled asks for more than it has
    if [ "$(uname -m)" = x86_64 ] && command -v qemu-x86_64 >/dev/null && ! grep -q __asan_init "$fovea"; then
        for t in x86-64-v3 x86-64-v4; do
            "$fovea" compile "$dates" --target=$t -q -o new.so
            check "older CPU, $t" 1 "new.so: error: was compiled for target $t, and this CPU lacks movbe, lzcnt, bmi, bmi2, avx, f16c, fma, avx2" qemu-x86_64 -cpu Nehalem "$fovea" run new.so
        done
        "$fovea" compile "$dates" --target=x86-64-v2 -q -o old.so
        check 'older CPU, x86-64-v2' 0 'probs' qemu-x86_64 -cpu Nehalem "$fovea" run old.so
    fi
fi
# table ABI SIZE: a library whose table says so; SIZE of the table may be an expression
table() {
    printf '#include "runtime/fovea_model.h"\nconst fv_model *fovea_model(void);\nconst fv_model *fovea_model(void) {\n    static const fv_model m = {%s, %s};\n    return %s;\n}\n' \
        "$1" "$2" "${3:-&m}" >table.c
    cc -shared -fPIC -I"$root" table.c -o table.so
}
if command -v cc >/dev/null; then
    table 7 'sizeof(fv_model)' && check 'another ABI' 1 'table.so: error: was compiled for ABI 7, this library runs ABI 2; compile the model again' "$fovea" run table.so
    table 2 'sizeof(fv_model) - 8' && check 'an older table' 1 'table.so: error: was compiled by an older Fovea' "$fovea" run table.so
    table 2 'sizeof(fv_model) + 8' && check 'a newer table' 1 'table.so: error: was compiled by a newer Fovea' "$fovea" run table.so
    table 2 'sizeof(fv_model)' 0 && check 'no table' 1 'table.so: error: is no compiled model: its fovea_model gives NULL' "$fovea" run table.so
    echo 'int nothing;' | cc -shared -fPIC -x c - -o plain.so && check 'a library of others' 1 'plain.so: error: is no compiled model: it has no fovea_model' "$fovea" run plain.so
fi

# ---- what a graph gets wrong is not blamed on us ----
cat >statistics.fvir <<'T'
fovea-ir 1
func @main(%x: f32[2, 3], %s: f32[3]) -> (%y, %m) {
  %y, %m, %v = BatchNormalization(%x, %s, %s, %s, %s)
  return %y, %m
}
T
check 'statistics without training' 1 "result 'm' needs training_mode = 1" "$fovea" run statistics.fvir
grep -q 'broke the module' err && tell 'statistics: no pass is blamed' no || tell 'statistics: no pass is blamed' yes
onnx statistics.onnx <<'T'
ir_version: 8
opset_import { version: 15 }
graph {
  name: "g"
  node { op_type: "BatchNormalization" input: "x" input: "s" input: "s" input: "s" input: "s" output: "y" output: "m" output: "v" }
  input { name: "x" type { tensor_type { elem_type: 1 shape { dim { dim_value: 2 } dim { dim_value: 3 } } } } }
  input { name: "s" type { tensor_type { elem_type: 1 shape { dim { dim_value: 3 } } } } }
  output { name: "y" type { tensor_type { elem_type: 1 } } }
  output { name: "m" type { tensor_type { elem_type: 1 } } }
}
T
check 'statistics of ONNX without training' 1 "result 'm' needs training_mode = 1" "$fovea" compile statistics.onnx -o x.c
grep -q 'pass ' err && tell 'statistics of ONNX: no pass is blamed' no || tell 'statistics of ONNX: no pass is blamed' yes
# Only with the dims that are given is an axis that Squeeze leaves out no longer 1.
cat >squeeze.fvir <<'T'
fovea-ir 1
symbol n 1..1024
const @axis: i64[1] = [1]
func @main(%x: f32[2, n]) -> (%y) {
  %y = Squeeze(%x, @axis)
  return %y
}
T
check 'an axis of 8 is squeezed' 1 '^squeeze.fvir:5:3: error: node' "$fovea" inspect squeeze.fvir --dim n=8
grep -q 'pass ' err && tell 'squeeze: no pass is blamed' no || tell 'squeeze: no pass is blamed' yes

# ---- files that are none ----
mkfifo pipe
cat >pipe.fvir <<'T'
fovea-ir 1
const @c: f32[2] = file "pipe" 0 8
func @main(%x: f32[2]) -> (%y) {
  %y = Add(%x, @c)
  return %y
}
T
check 'constants in a pipe' 1 "not a regular file" timeout 20 "$fovea" inspect pipe.fvir
external pipe
check 'an external tensor in a pipe' 1 "not a regular file" timeout 20 "$fovea" inspect external.onnx
rm pipe

# ---- threads ----
for n in 1 7 100 2000; do
    check "$n threads" 0 '1 of 1 outputs as expected' "$fovea" run "$dates" --threads=$n --data-set "$root/examples/dates/test/test_data_set_0" --expect "$root/examples/dates/test/test_data_set_0"
done
if command -v taskset >/dev/null; then
    check 'one CPU, five threads' 0 '1 of 1 outputs as expected' taskset -c 0 "$fovea" run "$dates" --threads=5 --data-set "$root/examples/dates/test/test_data_set_0" --expect "$root/examples/dates/test/test_data_set_0"
fi
check 'no thread can be made' 0 'probs' sh -c "ulimit -u 1; '$fovea' run '$dates' --backend=interp --threads=4"

# ---- models of others that have to be refused ----
bad=${FOVEA_SHARED:-$root/../shared}/contrib-bad
if [ -d "$bad" ]; then
    for d in "$bad"/*/; do # when it is compiled, or when its data is there
        n=$(basename "$d")
        for backend in interp jit c; do
            check "refuse $n ($backend)" 1 'model.onnx: error: ' \
                "$fovea" run "${d}model.onnx" --data-set "${d}test_data_set_0" --backend=$backend
        done
        "$fovea" compile "${d}model.onnx" -o refused.c >out 2>&1 || absent refused.c refused.h
        rm -f refused.c refused.h
    done
else
    echo "skipped: there is no $bad"
fi
finish
