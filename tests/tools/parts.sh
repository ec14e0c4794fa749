# Tests attention whose tasks share the keys of few queries: all consumers and numbers of threads give the bits of a
# single task.
. "$(dirname "$0")/lib.sh"

cat >step.fvir <<'M'
fovea-ir 1
module "step"
symbol n 0..64
symbol m 0..4096
const @c: f32[] = 0.25
const @low: f32[] = -inf
func @main(%q: f32[2, 3, n, 16], %k: f32[2, 3, m, 16], %v: f32[2, 3, m, 24], %keep: bool[2, 1, n, m]) -> (%y) {
  %q1 = Mul(%q, @c)
  %kt = Transpose(%k) {perm = [0, 1, 3, 2]}
  %s = MatMul(%q1, %kt)
  %t = Where(%keep, %s, @low)
  %p = Softmax(%t) {axis = -1}
  %y = MatMul(%p, %v)
  return %y
}
M
check "compiles" 0 "" "$fovea" compile step.fvir --emit=kernels --target=x86-64-v3 -o shared.fvk
check "is shared" 0 "launch AttentionScores" cat shared.fvk
check "is shared in rows of memory" 0 "launch AttentionSum" cat shared.fvk
check "says why" 0 "with few queries, tasks divide the keys, 512 for each task" "$fovea" inspect step.fvir --why --target=x86-64-v3
check "lists its kernels" 0 "^AttentionValues_[0-9]*: part" "$fovea" inspect step.fvir --schedules --target=x86-64-v3
key=$("$fovea" inspect step.fvir --schedules --json --target=x86-64-v3 | grep -A1 '"attend ' | sed -n 's/.*"key": "\([0-9a-f]*\)".*/\1/p')
"$fovea" tune step.fvir --target=x86-64-v3 --seconds=1 -o none.tuning >/dev/null 2>&1
{
    grep -v '^kernel\|^end' none.tuning
    echo "kernel \"$key\" attend {tasks = 1}"
    echo end
} >one.tuning
check "one task a head" 0 "" "$fovea" compile step.fvir --emit=kernels --target=x86-64-v3 --tuning=one.tuning -o one.fvk
check "is not shared" 1 "^0" grep -c AttentionScores one.fvk
for keys in 512 513 1100; do
    check "alone, $keys keys" 0 "" "$fovea" run one.fvk --dim n=1 --dim "m=$keys" -o "one$keys"
    for how in "--backend=interp" "--backend=c" "--threads=1" "--threads=2" "--threads=3"; do
        # shellcheck disable=SC2086
        check "shared, $keys keys, $how" 0 "" "$fovea" run shared.fvk --dim n=1 --dim "m=$keys" $how -o "shared$keys"
        cmp -s "one$keys/y.npy" "shared$keys/y.npy" && tell "the same bits, $keys keys, $how" yes || tell "the same bits, $keys keys, $how" no
    done
done
finish
