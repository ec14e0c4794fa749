# Tests what commands say about compiled libraries: `inspect`, `view` and `test` of a library, and files that are no library
# or one for another machine.
. "$(dirname "$0")/lib.sh"

case $(uname -m) in x86_64) low=x86-64-v2 high=x86-64-v3 ;; *) low=aarch64 high=aarch64+dotprod ;; esac
cat >m.fvir <<'IR'
fovea-ir 1
module "m"
symbol n 1..8
symbol p 0..64
const @one: i64[1] = [1]
const @w: f32[3, 2] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
func @main(%x: f32[n, 3], %i: i64[n], %past: f32[p]) -> (%y, %present) {
  %h = MatMul(%x, @w)    loc("fc")
  %y = Gather(%h, %i)    loc("pick")
  %m = ReduceMean(%x) {keepdims = 0}    loc("mean")
  %v = Reshape(%m, @one)
  %present = Concat(%past, %v) {axis = 0}    loc("cache")
  return %y, %present
}
IR
if ! "$fovea" compile m.fvir --target=$low --state=past=present:room -q -o one.so 2>err; then
    cat err
    echo "no library can be made: not tested"
    finish
    exit
fi
"$fovea" compile m.fvir --target=$high,$low -q -o sub.so && mkdir folder && mv sub.so folder/

# ---- inspect ----
check 'a library' 0 "^target     $low$" "$fovea" inspect one.so
said '^inputs     x: f32\[n, 3\]$'
said '^           past: f32\[p\], in memory of room on axis 0$'
said '^           present: f32\[p \+ 1\], the next run.s past, in its memory, room on axis 0$'
said '^dims       n in 1..8$'
said '^kernels    [0-9]+, [0-9]+ launches$'
said '^weights    [0-9]+ bytes$'
said '^workspace  .* \(n = 1, p = 1, room = 2\)$'
said '^library    is compiled: operators, schedules, costs, buffers and reasons are only known from the model$'
check 'for other dims' 0 '^workspace  .*\(n = 7, ' "$fovea" inspect one.so --dim n=7
check 'for wrong dims' 1 "one.so: error: dim 'n' is 9, may be 1 to 8" "$fovea" inspect one.so --dim n=9
check 'its kernels' 0 '^  from      .*fc' "$fovea" inspect one.so --schedules
said '^  indices   .*pick'
said '^fc \([A-Za-z0-9_]*\): 1 launch$'
check 'what has no effect' 0 'one.so: note: is compiled already, --target does nothing' "$fovea" inspect one.so --target=generic
for option in ops memory attention why; do
    check "--$option" 1 "one.so: error: is a compiled library, which has no .*: --$option needs the model from which it was compiled" "$fovea" inspect one.so --$option
done
check 'as JSON' 0 '"library": true' "$fovea" inspect one.so --json
for line in '"name": "one"' "\"target\": \"$low\"" '"lacking": ""' '"weights_bytes": [0-9]+' '"weights_file": null' '"workspace_bytes": [0-9]+' \
    '"state_of": "past"' '"capacity": "room"' '"kernel": ' '"launches": 1' '"producer": "fovea ' '"source_hash": "'; do
    said "$line"
done
check 'several targets' 0 "^targets    $low, $high; the highest that a CPU has is used$" "$fovea" inspect folder/sub.so
said '^weights    .*, for all targets$'
check 'several as JSON' 0 "\"$low\"," "$fovea" inspect folder/sub.so --json
said "^ *\"$high\"$"
if command -v strip >/dev/null; then
    strip -o stripped.so folder/sub.so
    check 'without symbols' 0 '^weights    of unknown size: the library has no symbol for them$' "$fovea" inspect stripped.so
    said "^targets    $low, $high;"
    check 'as JSON, without symbols' 0 '"weights_bytes": null' "$fovea" inspect stripped.so --json
fi
"$fovea" compile m.fvir --target=$high --weights=file -q -o folder/far.so
check 'weights in a file' 0 '^weights    .* bytes, in folder/far.weights$' "$fovea" inspect folder/far.so
mkdir links && ln -s ../folder/far.so links/far.so
check 'weights of a link' 0 '^weights    .* bytes, in .*/folder/far.weights$' "$fovea" inspect links/far.so
rm folder/far.weights
check 'weights in a file that is missing' 0 '^weights    in folder/far.weights, which is missing$' "$fovea" inspect folder/far.so
check 'without which it does not run' 1 'its weights, .*far.weights, cannot be used' "$fovea" run folder/far.so
if [ $low = x86-64-v2 ]; then
    # amx-int8, avxvnniint8: no CPU has both levels of features
    "$fovea" compile m.fvir --target=x86-64-v4+avxvnniint8+amx-int8 -q -o wide.so
    if ! "$fovea" run wide.so >/dev/null 2>&1; then
        check 'of another CPU' 0 '^target     x86-64-v4\+avxvnniint8\+amx-int8, but this CPU lacks .*(avxvnniint8|amx-int8)' "$fovea" inspect wide.so
        said '^workspace  of unknown size: this CPU cannot compute it'
        check 'of another CPU, as JSON' 0 '"lacking": "[a-z]' "$fovea" inspect wide.so --json
        said '"workspace_bytes": null'
        check 'a page of it' 0 '"workspace": null' "$fovea" view wide.so --json
    fi
fi

# ---- other commands ----
check 'a page' 0 '^kernels  [1-9]' "$fovea" view one.so -o page.html
present page.html
check 'a page without the file of weights' 0 '"weights": null' "$fovea" view folder/far.so --json
for c in 'opt' 'compile -o no.c' 'quantize -o no.onnx'; do
    check "$c" 1 'one.so: error: is compiled already, and has no graph: this needs the model from which it was compiled' "$fovea" ${c%% *} one.so $(echo "$c " | cut -d' ' -f2-)
done
check 'tune' 1 'one.so: error: is compiled already: there is nothing to tune' "$fovea" tune one.so -o no.tuning
check 'times of kernels' 0 'nodes \(kernel, schedule\)' "$fovea" bench folder/sub.so --profile --rounds=1 --seconds=0.01 --dim n=3

# ---- test ----
check 'a test without data' 1 'FAILED folder/sub.so \(library\): is compiled already, .* folders test_data_set_0, ... next to it, and folder has none; `fovea run folder/sub.so --data-set DIR --expect DIR`' \
    "$fovea" test folder/sub.so
"$fovea" run m.fvir --dim n=5 --dim p=2 --save-inputs folder/test_data_set_0 -o folder/test_data_set_0 --format=pb -q >/dev/null
for k in y present; do mv folder/test_data_set_0/$k.pb folder/test_data_set_0/output_$([ $k = y ] && echo 0 || echo 1).pb; done
check 'a test with data' 0 '^1 passed, 0 failed$' "$fovea" test folder/sub.so
check 'in its folder' 0 '^1 passed, 0 failed$' sh -c "cd folder && '$fovea' test sub.so"
cp -r folder/test_data_set_0 folder/test_data_set_1 && cp folder/test_data_set_1/output_1.pb folder/test_data_set_1/output_0.pb
check 'with other data' 1 "^FAILED folder/test_data_set_1 \(library\): output 'y'" "$fovea" test folder/sub.so
said '^1 passed, 1 failed$'
check 'data elsewhere' 0 '2 of 2 outputs as expected' "$fovea" run folder/sub.so --data-set folder/test_data_set_0 --expect folder/test_data_set_0

# ---- files that are no library, or one for others ----
# is FILE PATTERN: what inspect, run and test say
is() {
    for c in inspect run; do
        check "$c of $1" 1 "^$1: error: (cannot be loaded: )?$2" "$fovea" $c "$1"
    done
    check "test of $1" 1 "^FAILED $1 \(library\): (cannot be loaded: )?$2" "$fovea" test "$1"
}
for n in 5 18 40 100 2000; do
    head -c $n one.so >cut.so
    is cut.so 'the file is truncated'
done
"$fovea" compile m.fvir -q -o object.o && is object.o 'it is an object \(.o\), which is linked into a program'
"$fovea" compile m.fvir -q -o archive.a && is archive.a 'it is an archive \(.a\), which is linked into a program'
printf 'MZ\220\0\003\0\0\0' >windows.dll && is windows.dll 'it is a library for Windows \(.dll\)'
printf '\317\372\355\376\014\0\0\1' >mac.dylib && is mac.dylib 'it is a library for macOS \(.dylib\)'
# elf FILE CLASS TYPE MACHINE: the head of an ELF file; numbers in octal
elf() { { printf "\177ELF\\$2\1\1" && head -c 9 /dev/zero && printf "\\$3\0\\$4" && head -c 100 /dev/zero; } >"$1"; }
[ "$(getconf LONG_BIT)" = 64 ] && elf narrow.so 1 3 3 && is narrow.so 'it is for a machine of 32 bits'
case $(uname -m) in x86_64) this=076 other=267 name=aarch64 ;; *) this=267 other=076 name=x86-64 ;; esac
elf foreign.so 2 3 "$other\\0" && is foreign.so "it is for another kind of machine, $name"
elf program.so 2 2 "$this\\0" && is program.so 'it is a program'
elf core.so 2 4 "$this\\0" && is core.so 'it is a core dump'
elf odd.so 2 7 "$this\\0" && is odd.so 'it is no library'
strange=$(ls /lib/*/libm.so.6 /lib64/libm.so.6 2>/dev/null | head -n 1)
[ -z "$strange" ] || { cp "$strange" math.so && is math.so 'is no compiled model: it has no fovea_model'; }
finish
