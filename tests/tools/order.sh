# Tests definitions that state the order of their sums: all backends give the same bits.
. "$(dirname "$0")/lib.sh"
backends="jit interp c"
cat >chains.fvd <<'T'
fovea-definitions 1 after "order"
module "chains"
symbol n 0..100
func @main(%x: f32[n, 37]) -> (%one, %rows, %all, %parts) {
  %one = define(%x) : f32[] {
    element %one[] = sum i < n, k < 37: %x[i, k]
  }
  %rows = define(%x) : f32[] {
    element %rows[] = sum i < n, k < 37 in 16 chains: %x[i, k]
  }
  %all = define(%x) : f32[] {
    element %all[] = sum i < n, k < 37 in 16 chains along 2: %x[i, k]
  }
  %parts = define(%x) : f32[] {
    element %parts[] = sum i < n, k < 37 in parts of 512: %x[i, k]
  }
  return %one, %rows, %all, %parts
}
T
# What each order gives, by its words in docs/ir.md.
cat >chains.py <<'T'
import random, struct, sys

def one(x):
    return struct.unpack("f", struct.pack("f", x))[0]

def chain(s, terms):
    for t in terms:
        s = one(s + t)
    return s

def chains(rows):
    c = [0.0] * 16
    for row in rows:
        c = [chain(c[i], row[i::16]) for i in range(16)]
    while len(c) > 1:
        c = [one(a + b) for a, b in zip(c[:len(c) // 2], c[len(c) // 2:])]
    return c[0]

def parts(terms):
    c = [chain(0.0, terms[i:i + 512]) for i in range(0, len(terms), 512)]
    return chain(c[0], c[1:])

def write(name, shape, values):
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }" % (shape,)
    header = header.ljust(117) + "\n"
    with open(name, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack("<%df" % len(values), *values))

random.seed(1)
x = [[one(random.uniform(-1, 1)) for k in range(37)] for i in range(50)]
flat = sum(x, [])
write("chains.npy", (50, 37), flat)
sums = {"one": chain(0.0, flat), "rows": chains(x), "all": chains([flat]), "parts": parts(flat)}
assert len(set(sums.values())) == 4, sums
for name, value in sums.items():
    write("chains/%s.npy" % name, (), [value])
T
"$fovea" run chains.fvd --backend=jit >/dev/null 2>&1 || backends="interp c" # built without LLVM
mkdir chains && python3 chains.py
for backend in $backends; do
    for options in --target=generic --target=native --schedule=naive; do
        check "sums in the order of the text ($backend, $options)" 0 '4 of 4 outputs as expected' "$fovea" run chains.fvd --backend=$backend $options --input x=chains.npy --expect chains --atol=0 --rtol=0
    done
done

# Others are what serial loops make of them, whatever becomes of their axes, of rows that keep what they compute, and of tiles.
cat >all.fvd <<'T'
fovea-definitions 1 after "order"
module "all"
symbol n 0..100
func @main(%x: f32[n, 37], %u: f64[4, 3, 17], %q: f32[n, 8], %k: f32[n, 8], %v: f32[n, 8]) -> (%s, %s16, %a, %a16, %p, %p16, %turned, %turned16, %nested, %nested16, %product, %two, %less, %matmul, %matmul16, %tail, %inside, %index, %ones) {
  %s = define(%x) : f32[n, 37] {
    element %s[i, j]
      let m = max r < 37: %x[i, r]
      = exp(%x[i, j] - m) / (sum t < 37: exp(%x[i, t] - m))
  }
  %s16 = define(%x) : f32[n, 37] {
    element %s16[i, j]
      let m = max r < 37: %x[i, r]
      = exp(%x[i, j] - m) / (sum t < 37 in 16 chains: exp(%x[i, t] - m))
  }
  %a = define(%q, %k, %v) : f32[n, 8] {
    element %a[i, d]
      let m = max w < n: sum c < 8: %q[i, c] * %k[w, c]
      let e = sum r < n: exp((sum c < 8: %q[i, c] * %k[r, c]) - m)
      = sum j < n: exp((sum c < 8: %q[i, c] * %k[j, c]) - m) / e * %v[j, d]
  }
  %a16 = define(%q, %k, %v) : f32[n, 8] {
    element %a16[i, d]
      let m = max w < n: sum c < 8: %q[i, c] * %k[w, c]
      let e = sum r < n in 16 chains: exp((sum c < 8: %q[i, c] * %k[r, c]) - m)
      = sum j < n: exp((sum c < 8: %q[i, c] * %k[j, c]) - m) / e * %v[j, d]
  }
  %p = define(%q, %k, %v) : f32[n, 8] {
    element %p[i, d]
      let m = max w < n: sum c < 8 in 16 chains: %q[i, c] * %k[w, c]
      let e = sum r < n in 16 chains: exp((sum c < 8 in 16 chains: %q[i, c] * %k[r, c]) - m)
      = sum j < n: exp((sum c < 8 in 16 chains: %q[i, c] * %k[j, c]) - m) / e * %v[j, d]
  }
  %p16 = define(%q, %k, %v) : f32[n, 8] {
    element %p16[i, d]
      let m = max w < n: sum c < 8: %q[i, c] * %k[w, c]
      let e = sum r < n: exp((sum c < 8: %q[i, c] * %k[r, c]) - m)
      = sum j < n in 16 chains: exp((sum c < 8: %q[i, c] * %k[j, c]) - m) / e * %v[j, d]
  }
  %turned = define(%x) : f32[2] {
    element %turned[e] = (sum i < n, j < 37: %x[i, j]) - (sum j < 37, i < n: %x[i, j]) * f32(e)
  }
  %turned16 = define(%x) : f32[] {
    element %turned16[] = (sum i < n, j < 37 in 16 chains along 2: %x[i, j]) - (sum j < 37, i < n in 16 chains: %x[i, j])
  }
  %nested = define(%x) : f32[] {
    element %nested[] = (sum i < n, j < 37: %x[i, j]) - (sum i < n: (sum j < 37: %x[i, j]))
  }
  %nested16 = define(%x) : f32[] {
    element %nested16[] = sum i < n in 16 chains: (sum j < 37 in 16 chains: %x[i, j]) * 0.3
  }
  %product = define(%x) : f32[n] {
    element %product[i] = (prod j < 37: 1.0 + %x[i, j] * 0.1) - (prod j < 37 in 16 chains: 1.0 + %x[i, j] * 0.1)
  }
  %two = define(%u) : f64[] {
    element %two[] = sum a < 4, b < 3, c < 17 in 16 chains along 2: %u[a, b, c] * 0.7
  }
  %less = define(%u) : f64[4, 17] {
    element %less[a, c] = (sum b < 3 in 16 chains: %u[a, b, c]) + (sum b < 3, t < 16 in 16 chains along 2: %u[a, b, t])
  }
  %matmul = define(%q, %k) : f32[n, n] {
    element %matmul[i, j] = sum c < 8: %q[i, c] * %k[j, c]
  }
  %matmul16 = define(%q, %k) : f32[n, n] {
    element %matmul16[i, j] = sum c < 8 in 16 chains: %q[i, c] * %k[j, c]
  }
  %tail = define(%q, %k) : f32[n] {
    element %tail[i] = max((sum c < 8 in 16 chains: %q[i, c] * %k[n - 1 - i, c]) + 1.0, 0.0)
  }
  %inside = define(%x, %q) : f32[n, 8] {
    element %inside[i, c] = %q[i, c] if (sum j < 37 in 16 chains: %x[i, j]) < 0.0 else (sum j < 37: %x[i, j])
  }
  %index = define(%u, %q) : f64[8] {
    element %index[c] = %u[0, 0, max(0, min(i64((sum i < n in 16 chains: %q[i, c]) * 5.0), 16))]
  }
  %ones = define(%x) : f32[n] {
    element %ones[i] = (sum a < 1, j < 37, b < 1 in 16 chains along 2: %x[i, j]) - (sum j < 37, a < 1 in 16 chains: %x[i, j])
  }
  return %s, %s16, %a, %a16, %p, %p16, %turned, %turned16, %nested, %nested16, %product, %two, %less, %matmul, %matmul16, %tail, %inside, %index, %ones
}
T
for target in generic native; do # which may differ by fused multiply-adds
    for n in 0 1 15 16 17 34; do
        serial=serial_${target}_$n
        check "serial loops ($n, $target)" 0 '^ones -> ' "$fovea" run all.fvd --dim n=$n --target=$target --backend=interp --schedule=naive -o $serial
        [ $n = 34 ] && for pair in s a p turned nested matmul; do # else nothing is told from the other
            cmp -s $serial/$pair.npy $serial/${pair}16.npy && tell "$pair in another order" no || tell "$pair in another order" yes
        done
        for backend in $backends; do
            case $backend$n in c34) ;; c*) [ "${FOVEA_ALL:-0}" != 0 ] || continue ;; esac # C takes longest to compile
            check "in the order of the text ($n, $backend, $target)" 0 '19 of 19 outputs as expected' "$fovea" run all.fvd --dim n=$n --backend=$backend --target=$target --expect $serial --atol=0 --rtol=0
        done
    done
    check "in the order of the text (threads, $target)" 0 '19 of 19 outputs as expected' "$fovea" run all.fvd --dim n=$n --threads=3 --target=$target --expect $serial --atol=0 --rtol=0
done
# Values that are weighted in parts: as tiles take them, and as tasks share them.
cat >parts.fvd <<'T'
fovea-definitions 1 after "order"
module "parts"
symbol n 0..64
symbol m 0..4096
func @main(%q: f32[n, 16], %k: f32[m, 16], %v: f32[m, 8]) -> (%y) {
  %y = define(%q, %k, %v) : f32[n, 8] {
    element %y[i, d]
      let w = max w < m: sum c < 16: %q[i, c] * %k[w, c]
      let e = sum r < m in 16 chains: exp((sum c < 16: %q[i, c] * %k[r, c]) - w)
      = sum j < m in parts of 512: exp((sum c < 16: %q[i, c] * %k[j, c]) - w) / e * %v[j, d]
  }
  return %y
}
T
for n in 1 5; do
    check "parts, serial" 0 "" "$fovea" run parts.fvd --backend=c --dim n=$n --dim m=1100 --schedule=naive -o serial$n
    for backend in $backends; do
        check "parts in the order of the text ($backend, $n)" 0 '1 of 1 outputs as expected' "$fovea" run parts.fvd --backend=$backend --dim n=$n --dim m=1100 --expect serial$n --atol=0 --rtol=0
    done
done
# A form is what is found, or refused; without one it is found.
form() { # FORM
    sed "s/FORM/$1/" >form.fvd <<'T'
fovea-definitions 1 after "form"
symbol n 0..100
func @main(%x: f32[n, 16], %w: f32[16, 8]) -> (%y, %z) {
  %y = define(%x, %w) : f32[n, 8] {
    element %y[i, j] = sum k < 16: %x[i, k] * %w[k, j] FORM
  }
  %z = define(%y) : f32[n, 8] {
    element %z[i, j] = exp(%y[i, j]) as map
  }
  return %y, %z
}
T
}
form 'as contract rows i columns j over k'
check 'a form' 0 'as contract rows i columns j over k' "$fovea" compile form.fvd --emit=definitions -o -
form ''
check 'no form' 0 'as contract rows i columns j over k' "$fovea" compile form.fvd --emit=definitions -o -
form 'as row'
check 'another form' 1 '%y: it is called row, and is contract rows i columns j over k' "$fovea" run form.fvd
check 'another form, of other dims' 0 '[zy]  f32\[1, 8\]' "$fovea" run form.fvd --dim n=1
form 'as contract columns j over k'
check 'a form without rows' 1 'it is called contract columns j over k, and is' "$fovea" run form.fvd
form 'as contract rows j columns i over k'
check 'rows for columns' 1 'it is called contract rows j columns i over k, and is' "$fovea" run form.fvd

# with one query there is no attention over blocks of queries: the form is found again. Orders of sums
# stay those of the model with symbols.
cat >attention.fvir <<'T'
fovea-ir 1
module "attention"
symbol n 0..64
symbol m 1..64
func @main(%q: f32[n, 16], %k: f32[m, 16], %v: f32[m, 16]) -> (%y) {
  %kt = Transpose(%k) {perm = [1, 0]}
  %a = MatMul(%q, %kt)
  %p = Softmax(%a) {axis = -1}
  %y = MatMul(%p, %v)
  return %y
}
T
"$fovea" compile attention.fvir --emit=definitions -q -o attention.fvd
check 'attention' 0 'as attention queries i features j keys k' cat attention.fvd
for n in 1 3 64; do
    rm -rf given
    check "attention with $n queries" 0 "y  f32\\[$n, 16\\]" \
        "$fovea" run attention.fvd --dim n=$n --dim m=40 --save-inputs=given -o ours.npy
    check "attention with $n queries, with symbols" 0 "y  f32\\[$n, 16\\]" \
        "$fovea" run attention.fvir --data-set=given -o theirs.npy
    check "attention with $n queries, its result" 0 '^same' sh -c 'cmp ours.npy theirs.npy && echo same'
done
finish
