# Checks the patches of tests/newcomer, which were written from the documents alone: each applies to a copy of the
# sources, changes few files, builds without a warning, and passes its tests; models give the same bits with both
# builds.
# Usage: newcomer.sh BUILD
set -u
export FOVEA_CACHE_DIR= # what is tested is compiled
fovea=$(realpath "$1")/tools/fovea
graphs=$(realpath "$1")/tests/matrix/graphs
copy=$(mktemp -d) || exit 1
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached | xargs -0 cp --parents -t "$copy"
cd "$copy" || exit 1
log=$copy/log passed=0 failed=0
if [ -z "${CC:-}" ] && command -v ccache >/dev/null; then
    export CC="ccache gcc" CCACHE_BASEDIR="$copy" CCACHE_NOHASHDIR=1
fi

# tell WHAT STATUS: counts; 0 is well
tell() {
    if [ "$2" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "FAILED $1"; fi
}
give_up() {
    tail -n 20 "$log"
    echo "FAILED $1"
    echo "$passed passed, $((failed + 1)) failed"
    exit 1
}
# What a patch touches of the program: neither tests nor documents.
touched() { git apply --numstat "$1" | cut -f 3 | grep -E '\.(c|h|def|fvk|rules|lua)$' | grep -vE '^(tests|docs)/'; }

patches=$(ls tests/newcomer/*.patch)
for patch in $patches; do
    git apply --check "$patch" >"$log" 2>&1
    status=$?
    cat "$log"
    tell "$patch applies" $status
    files=$(touched "$patch" | tr '\n' ' ')
    n=$(touched "$patch" | wc -l)
    case $patch in
    */storage.patch) most=4 ;;
    */schedule.patch) most=6 ;;
    *) most=2 ;;
    esac
    [ "$n" -ge 1 ] && [ "$n" -le $most ]
    tell "$patch touches $n files, expected at most $most: $files" $?
done
# They have nothing to do with each other: one build serves both.
for patch in $patches; do
    git apply "$patch" >"$log" 2>&1 || give_up "$patch does not apply"
done

programs="definition/test_definition definition/test_planted ops/test_ops reasons/test_reasons tuning/test_tuning tuning/test_tunings"
meson setup build -Dwerror=true --buildtype=debug >"$log" 2>&1 || give_up "meson"
# shellcheck disable=SC2046
ninja -C build tools/fovea tests/consumers/test_consumers $(printf 'tests/%s ' $programs) >"$log" 2>&1 || give_up "it does not build"
for program in $programs; do
    build/tests/$program >"$log" 2>&1
    status=$?
    [ $status = 0 ] || { tail -n 20 "$log"; echo "FAILED $program"; }
    counts=$(sed -n 's/.*Tested: \([0-9]*\) | Passing: \([0-9]*\) .*/\1 \2/p' "$log")
    [ -n "$counts" ]
    tell "$program: no result, status $status" $?
    counts=${counts:-0 0}
    [ $status = 0 ] || [ "${counts% *}" != "${counts#* }" ] || counts="1 0"
    passed=$((passed + ${counts#* })) failed=$((failed + ${counts% *} - ${counts#* }))
done

build/tests/consumers/test_consumers --filter='instruction/*' >"$log" 2>&1
status=$?
[ $status = 0 ] || tail -n 20 "$log"
tell "the table of instructions" $status

# Models that the patches are about, and others; where programs are the same text, so are the bits. The build without the patches
# cannot parse the type of storage.fvir.
mkdir -p models none
cp tests/newcomer/*.fvir models
rm models/storage.fvir
"$graphs" --dump=models --count=12 >/dev/null
python3 tools/scripts/bits.py "$fovea" build --shared none --graphs models --targets generic,x86-64-v3 >"$log" 2>&1
status=$?
cat "$log"
tell "the same bits as before" $status
"$fovea" compile models/step.fvir -q --target=x86-64-v3 --emit=kernels -o before.txt
build/tools/fovea compile models/step.fvir -q --target=x86-64-v3 --emit=kernels -o after.txt
[ "$(grep -c '^kernel' before.txt)" -gt "$(grep -c '^kernel' after.txt)" ]
tell "the step leaves fewer kernels" $?

# The instruction is used where a target has its feature, by LLVM and by C.
model=models/instruction.fvir
for target in riscv64 riscv64+zfhmin; do
    build/tools/fovea compile $model -q --target=$target -o $target.c
    build/tools/fovea compile $model -q --target=$target -o $target.s >"$log" 2>&1 || echo "fcvt.s.h" >$target.s # built without LLVM
done
! grep -q _Float16 riscv64.c && grep -q _Float16 riscv64+zfhmin.c && grep -q __riscv_zfhmin riscv64+zfhmin.c
tell "C has the instruction" $?
grep -q 'fcvt\.s\.h' riscv64+zfhmin.s
tell "LLVM has the instruction" $?

# A tuning sets the parameter: other loops, and the same bits.
model=models/parameter.fvir
backend=jit
build/tools/fovea run $model --backend=jit >"$log" 2>&1 || backend=c # built without LLVM
build/tools/fovea tune $model --backend=$backend --seconds=0.001 -o none.tuning >"$log" 2>&1 || cat "$log"
key=$(build/tools/fovea inspect $model --schedules -v | sed -n '/: attend {/,$s/^ *key *//p' | head -n 1)
{ head -n 5 none.tuning; echo "kernel \"$key\" attend {pass_rows = 1} end"; } >t.tuning
for tuning in none t; do
    build/tools/fovea compile $model -q --target=native --tuning=$tuning.tuning --emit=kernels -o $tuning.txt
    build/tools/fovea run $model -q --dim=n=21 --backend=$backend --tuning=$tuning.tuning -o $tuning || : >$tuning.txt
done
grep -q 'attend {.*pass_rows = 1}' t.txt && grep -q 'for pass ' t.txt && ! grep -q 'for pass ' none.txt
tell "a tuning sets pass_rows" $?
cmp none/y.npy t/y.npy
tell "the same bits with it" $?

# The schedule takes the rows of few elements, and no others.
build/tools/fovea inspect models/schedule.fvir --schedules >schedules.txt
grep -q '^Softmax_0: small {}' schedules.txt && grep -q '^Softmax_1: row {' schedules.txt
tell "the schedule computes small rows" $?

# The element type: each backend gives the exact result, and generated C keeps the weights in 4 bits.
model=tests/newcomer/storage.fvir
mkdir -p values
python3 tests/newcomer/storage.py $model values
for backend in interp jit c; do
    build/tools/fovea run $model --backend=$backend --input x=values/x.npy -o values/$backend >"$log" 2>&1 ||
        { [ $backend = jit ] && grep -q LLVM "$log" && continue; } # built without LLVM
    python3 tests/newcomer/storage.py $model values/x.npy values/$backend
    tell "numbers of 4 bits: $backend" $?
done
build/tools/fovea compile $model -q --target=x86-64-v3 --emit=kernels -o storage.txt
grep -q '^buffer `q.panels`: u8\[1, 16, 16\] const' storage.txt && grep -q 'f32(bits_f4e1m2(`q.panels`' storage.txt
tell "the weights stay in 4 bits, and are converted inside the product" $?
echo "$passed passed, $failed failed"
[ $failed = 0 ]
