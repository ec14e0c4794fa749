# Tests recurrences in texts of definitions: the scheduled program gives the results of the naive schedule.
. "$(dirname "$0")/lib.sh"

# alike NAME: of NAME.fvd
alike() {
    naive=$("$fovea" run -q "$1.fvd" --schedule=naive --backend=interp)
    for b in jit interp c; do
        check "$1, $b" 0 '^y  f32' "$fovea" run -q "$1.fvd" --backend=$b
        [ "$(cat out)" = "$naive" ] && tell "$1, $b, as the naive schedule" yes || tell "$1, $b, as the naive schedule" no
    done
}
# states NAME STEP: one state of eight places
states() {
    cat >"$1.fvd" <<T
fovea-definitions 1 after "order"
module "r"
func @main(%x: f32[4, 8]) -> (%y) {
  %y = recurrence(%x) : f32[4, 8] {
    along t < 4
    index j < 8
    state %s[j]: f32 = 0.5
    step %s[j] = $2
    element %y[t, j] = %s[j]
  }
  return %y
}
T
    alike "$1"
}
states turned '%x[t, j] + before(%s[7 - j])'
states largest '%x[t, j] + (max m < 8: before(%s[m]))'
states next '%x[t, j] + before(%s[(j + 1) mod 8])'
cat >empty.fvd <<'T'
fovea-definitions 1 after "order"
module "r"
func @main(%x: f32[4, 3, 0, 33], %w: f32[3, 3]) -> (%y) {
  %y = recurrence(%x, %w) : f32[4, 3, 0, 33] {
    along t < 4
    index b < 3
    index i < 0
    index j < 33
    state %s[b, i, j]: f32 = 0.5
    step %s[b, i, j] = %x[t, b, i, j] + (sum m < 3, k < 0: before(%s[m, k, j]) * %w[m, b])
    element %y[t, b, i, j] = %s[b, i, j]
  }
  return %y
}
T
alike empty
cat >rows.fvd <<'T'
fovea-definitions 1 after "order"
module "r"
func @main(%x: f32[4, 0, 33], %w: f32[33, 33]) -> (%y) {
  %y = recurrence(%x, %w) : f32[4, 0, 33] {
    along t < 4
    index i < 0
    index j < 33
    state %s[i, j]: f32 = 0.5
    step %s[i, j] = %x[t, i, j] + (sum k < 33: before(%s[i, k]) * %w[k, j])
    element %y[t, i, j] = %s[i, j]
  }
  return %y
}
T
alike rows
# a state whose last dim is a symbol, and is one
for op in RNN GRU LSTM; do
    gates=$(case $op in RNN) echo h ;; GRU) echo '3 * h' ;; *) echo '4 * h' ;; esac)
    printf 'fovea-ir 1\nmodule "r"\nsymbol h 0..1024\nfunc @main(%%x: f32[3, 2, 4], %%w: f32[1, %s, 4], %%r: f32[1, %s, h]) -> (%%y) {\n  %%y, _ = %s(%%x, %%w, %%r) {hidden_size = 1%s}\n  return %%y\n}\n' \
        "$gates" "$gates" $op "$([ $op = GRU ] && echo ', linear_before_reset = 1')" >$op.fvir
    check "$op" 0 '^y  f32\[3, 1, 2, 1\]' "$fovea" run -q $op.fvir
done

# wide ROWS: a step that is launched for itself, its odd ones from the last task on where it reads more than it computes
wide() {
    cat >wide$1.fvd <<T
fovea-definitions 1 after "order"
module "r"
func @main(%x: f32[5, $1, 300], %w: f32[300, 300]) -> (%y) {
  %y = recurrence(%x, %w) : f32[5, $1, 300] {
    along t < 5
    index i < $1
    index j < 300
    state %s[i, j]: f32 = 0.5
    step %s[i, j] = %x[t, i, j] * 0.1 + (sum k < 300: before(%s[i, k]) * %w[k, j]) * 0.01
    element %y[t, i, j] = %s[i, j]
  }
  return %y
}
T
    alike wide$1
    "$fovea" compile wide$1.fvd --emit=kernels -o - >out
    [ "$(grep -c 'launch .*) descending$' out)" = "$2" ] && tell "launches of $1 rows" yes || tell "launches of $1 rows" no
}
wide 1 1
wide 16 0

# a recurrence inside of a loop, where all dims are fixed: its two buffers are written over between its runs
cat >turns.fvir <<'T'
fovea-ir 1
module "turns"
symbol t 0..64 data
const @five: i64[] = 5
const @yes: bool[] = true
func @main(%x: f32[6, 1, 256], %w: f32[1, 768, 256], %h0: f32[1, 1, 256]) -> (%y) {
  %y = Loop(@five, @yes, %h0) {body = ^(%i: i64[] = [t], %c: bool[] = [1], %h: f32[1, 1, 256]) {
    %s = Add(%x, %h)
    %e = Tanh(%s)
    %p = Mul(%e, %s)
    %all, %last = GRU(%p, %w, %w, _, _, %h) {hidden_size = 256}
    return %c, %last
  }}
  return %y
}
T
check 'in a loop' 0 '^y  f32' "$fovea" run turns.fvir --backend=interp -o turns
for b in jit c; do
    check "in a loop, $b" 0 '1 of 1 outputs as expected' "$fovea" run turns.fvir --backend=$b --expect=turns --atol=0 --rtol=0
done
finish
