# Tests kernels of windows that slide over images, and of images that are resized: all sizes of kernels, strides, borders
# and dilations give the bits of serial loops, for several targets, by interpreter, JIT and C.
. "$(dirname "$0")/lib.sh"
cat >models.py <<'T'
import itertools, random
random.seed(3)
KERNELS = [(1, 1), (2, 2), (3, 3), (1, 5), (4, 1), (5, 5), (3, 9), (13, 13)]

def model(name, head, body):
    outs = ["y%d" % i for i in range(len(body))]
    with open(name + ".fvir", "w") as f:
        f.write('fovea-ir 1\nmodule "m"\n%s -> (%s) {\n' % (head, ", ".join("%" + y for y in outs)))
        for y, line in zip(outs, body):
            f.write("  %%%s = %s\n" % (y, line))
        f.write("  return %s\n}\n" % ", ".join("%" + y for y in outs))

def pools(op, sizes, types="", more=("",)):
    h, w = sizes
    for k, s, p, d, c in itertools.product(KERNELS, (1, 2, 3), (0, 1, 2), (1, 2), (0, 1)):
        if random.random() > 0.12:
            continue
        reach = [d * (n - 1) + 1 for n in k]
        before = [min(p, n - 1) for n in reach]
        after = [min(random.randrange(p + 1), n - 1) for n in reach]
        if reach[0] > h or reach[1] > w:
            continue
        yield "%s(%%x) {kernel_shape = [%d, %d], strides = [%d, %d], pads = [%d, %d, %d, %d], dilations = [%d, %d], ceil_mode = %d%s}" % (
            op, *k, random.randrange(1, s + 1), s, *before, *after, d, d, c, random.choice(more))

for w in (7, 19, 50, 67):
    model("max%d" % w, "func @main(%%x: f32[2, 2, 15, %d])" % w, list(pools("MaxPool", (15, w))))
    model("average%d" % w, "func @main(%%x: f32[2, 2, 15, %d])" % w,
          list(pools("AveragePool", (15, w), more=("", ", count_include_pad = 1"))))
for t in ("i8", "u8", "f16", "f64"):
    model("max_%s" % t, "func @main(%%x: %s[1, 3, 14, 70])" % t, list(pools("MaxPool", (14, 70))))
model("average_f16", "func @main(%x: f16[1, 3, 14, 40])", list(pools("AveragePool", (14, 40))))
model("lp", "func @main(%x: f32[1, 3, 14, 40])", list(pools("LpPool", (14, 40), more=("", ", p = 1"))))
lines = []
for k, s, p in ((3, 1, 1), (3, 2, 1), (2, 2, 0), (9, 1, 4), (12, 3, 3)):
    lines += ["%s(%%x) {kernel_shape = [%d], strides = [%d], pads = [%d, %d]}" % (o, k, s, p, p) for o in ("MaxPool", "AveragePool")]
model("line", "func @main(%x: f32[2, 3, 61])", lines)
volumes = []
for k, s, p in ((3, 1, 1), (3, 2, 1), (2, 2, 0), (5, 1, 2)):
    volumes += ["%s(%%x) {kernel_shape = [%d, %d, %d], strides = [%d, %d, %d], pads = [%s]}" % (
        o, k, k, k, s, s, s, ", ".join([str(p)] * 6)) for o in ("MaxPool", "AveragePool")]
model("volume", "func @main(%x: f32[1, 2, 7, 9, 21])", volumes)
resized = []
for to in ((28, 66), (56, 132), (7, 11), (21, 99), (14, 33), (20, 50), (42, 99)):
    for mode in ("nearest", "linear"):
        for where in ("half_pixel", "asymmetric", "align_corners"):
            resized.append('Resize(%%x, _, _, @to%d) {mode = "%s", coordinate_transformation_mode = "%s"%s}' % (
                to[1], mode, where, ', nearest_mode = "floor"' if where == "asymmetric" else ""))
sizes = {66: 28, 132: 56, 11: 7, 99: 21, 33: 14, 50: 20}
consts = "\n".join("const @to%d: i64[4] = [1, 3, %d, %d]" % (w, h, w) for w, h in sizes.items())
pads = ["Pad(%%x, @pads) {mode = \"%s\"}" % m for m in ("constant", "reflect", "edge", "wrap")]
for t in ("f32", "u8"):
    for w in (33, 58, 90):
        model("pad_%s_%d" % (t, w), "const @pads: i64[8] = [0, 0, 2, 3, 0, 0, 1, 4]\nfunc @main(%%x: %s[1, 3, 14, %d])" % (t, w), pads)
    model("resized_%s" % t, "%s\nfunc @main(%%x: %s[1, 3, 14, 33])" % (consts, t), resized)
T
python3 models.py

backends="interp jit c"
"$fovea" run line.fvir --backend=jit >/dev/null 2>&1 || backends="interp c" # built without LLVM
# bits NAME: those of serial loops, for targets with all widths of vectors; the machine need not have them for the interpreter
bits() {
    check "$1, serial loops" 0 . "$fovea" run "$1.fvir" --seed=4 --schedule=naive --target=x86-64-v3 --backend=interp -o "$1"
    for target in x86-64-v2 x86-64-v3 x86-64-v4 aarch64; do
        [ "$1$target" = lpx86-64-v2 ] && continue # products are rounded before they are added
        check "$1 for $target" 0 . "$fovea" run "$1.fvir" --seed=4 --target=$target --backend=interp --expect "$1" --atol=0 --rtol=0
    done
    for backend in $backends; do
        # compiling C code takes most of the time of this test: one model of each kind
        [[ $backend = c && $1 != @(max50|average19|max_u8|lp|volume|pad_f32_33) ]] && continue
        check "$1, bits of $backend" 0 . "$fovea" run "$1.fvir" --seed=4 --target=native --backend=$backend --expect "$1" --atol=0 --rtol=0
    done
}
# of NaN, zeros of both signs and infinities
cat >special.py <<'T'
import random, struct
random.seed(6)
special = [float("nan"), 0.0, -0.0, float("inf"), -float("inf"), -1.0, 2.0]
for w in (7, 19, 50, 67):
    n = 2 * 2 * 15 * w
    head = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 15, %d), }" % w
    head += " " * (117 - len(head)) + "\n"
    with open("special%d.npy" % w, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        values = [random.choice(special) if random.random() < 0.3 else random.choice((-0.0, -2.5, 0.0)) for i in range(n)]
        f.write(struct.pack("<%df" % n, *values))
T
python3 special.py
for w in 7 19 50 67; do
    special="--input x=special$w.npy"
    # shellcheck disable=SC2086 # two words
    check "special values, $w" 0 . "$fovea" run "max$w.fvir" $special --schedule=naive --target=x86-64-v3 --backend=interp -o "special$w"
    for backend in $backends; do
        [ "$backend$w" = c50 ] || [ $backend != c ] || continue
        # shellcheck disable=SC2086 # two words
        check "special values, $w, $backend" 0 . "$fovea" run "max$w.fvir" $special --target=native --backend=$backend --expect "special$w" --atol=0 --rtol=0
    done
done
for model in *.fvir; do
    bits "${model%.fvir}"
done
finish
