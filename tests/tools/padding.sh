# Tests --enable=remove-padding on two layers of an encoder: outputs at tokens keep their bits whatever the mask is; and
# graphs that the pass leaves unchanged.
. "$(dirname "$0")/lib.sh"
cat >files.py <<'T'
import random, struct
random.seed(5)
with open("weights.bin", "wb") as f:
    f.write(struct.pack("<4096f", *(random.uniform(-0.4, 0.4) for i in range(4096))))

def npy(name, batch, length, of):
    head = "{'descr': '<i8', 'fortran_order': False, 'shape': (%d, %d), }" % (batch, length)
    head += " " * (117 - len(head)) + "\n"
    with open(name + ".npy", "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        f.write(struct.pack("<%dq" % (batch * length), *(of(b, i) for b in range(batch) for i in range(length))))

masks = {"right": lambda b, i: i < 3 + 40 * b, "left": lambda b, i: i >= 50 - 11 * b, "alternate": lambda b, i: (b + i) % 2,
         "all": lambda b, i: 1, "one": lambda b, i: i == 7 * b, "some": lambda b, i: b == 1 and i < 9, "none": lambda b, i: 0}
for name, mask in masks.items():
    npy(name, 3, 90, lambda b, i: int(mask(b, i)))
npy("ids", 3, 90, lambda b, i: random.randrange(20))
npy("nothing", 0, 90, lambda b, i: 0)
T
python3 files.py
# One of two heads of 8: scores with the lowest number added where there is padding.
layer() {
    cat <<T
  %q0$1 = MatMul(%x$1, @wq)
  %qb$1 = Add(%q0$1, @bias)
  %k0$1 = MatMul(%x$1, @wk)
  %v0$1 = MatMul(%x$1, @wv)
  %q1$1 = Reshape(%qb$1, @heads)
  %k1$1 = Reshape(%k0$1, @heads)
  %v1$1 = Reshape(%v0$1, @heads)
  %q$1 = Transpose(%q1$1) {perm = [0, 2, 1, 3]}
  %k$1 = Transpose(%k1$1) {perm = [0, 2, 3, 1]}
  %v$1 = Transpose(%v1$1) {perm = [0, 2, 1, 3]}
  %s$1 = MatMul(%q$1, %k$1)
  %t$1 = Mul(%s$1, @scale)
  %m$1 = Add(%t$1, %hidden)
  %p$1 = Softmax(%m$1) {axis = -1}    loc("softmax$1")
  %c0$1 = MatMul(%p$1, %v$1)
  %c1$1 = Transpose(%c0$1) {perm = [0, 2, 1, 3]}
  %c$1 = Reshape(%c1$1, @rows)
  %o$1 = MatMul(%c$1, @wo)
  %a$1 = Add(%o$1, %x$1)
  %n$1 = LayerNormalization(%a$1, @gain, @bias)
  %f$1 = MatMul(%n$1, @w1)
  %g$1 = Gelu(%f$1)
  %h$1 = MatMul(%g$1, @w2)
  %z$1 = Add(%h$1, %n$1)
  %x$2 = LayerNormalization(%z$1, @gain, @bias)    loc("layer$2")
T
}
cat >encoder.fvir <<T
fovea-ir 1
module "encoder"
symbol batch 0..64
symbol length 0..128
const @words: f32[20, 16] = file "weights.bin" 0 1280
const @places: f32[128, 16] = file "weights.bin" 1280 8192
const @wq: f32[16, 16] = file "weights.bin" 9472 1024
const @wk: f32[16, 16] = file "weights.bin" 10496 1024
const @wv: f32[16, 16] = file "weights.bin" 11520 1024
const @wo: f32[16, 16] = file "weights.bin" 12544 1024
const @w1: f32[16, 8] = file "weights.bin" 13568 512
const @w2: f32[8, 16] = file "weights.bin" 14080 512
const @gain: f32[16] = file "weights.bin" 14592 64
const @bias: f32[16] = file "weights.bin" 14656 64
const @scale: f32[] = 0.354
const @one: f32[] = 1.0
const @low: f32[] = -3.4028235e+38
const @axes: i64[2] = [1, 2]
const @heads: i64[4] = [0, 0, 2, 8]
const @rows: i64[3] = [0, 0, 16]
const @zero: i64[] = 0
const @next: i64[] = 1
const @second: i64[1] = [1]
const @third: i64[1] = [2]
func @main(%ids: i64[batch, length], %mask: i64[batch, length]) -> (%y, %pooled) {
  %e = Gather(@words, %ids)
  %shape = Shape(%ids)
  %n = Gather(%shape, @next)
  %r = Range(@zero, %n, @next)
  %at = Gather(@places, %r)
  %x1 = Add(%e, %at)
  %kept = Cast(%mask) {to = 1}
  %inverse = Sub(@one, %kept)
  %far = Mul(%inverse, @low)
  %hidden = Unsqueeze(%far, @axes)
$(layer 1 2)
$(layer 2 3)
  %column = Unsqueeze(%kept, @third)
  %y = Mul(%x3, %column)
  %first = Gather(%x3, @zero) {axis = 1}
  %pooled = Tanh(%first)
  return %y, %pooled
}
T
sed 's/(%y, %pooled)/(%y)/; s/return %y, %pooled/return %y/' encoder.fvir >tokens.fvir
check 'all between embedding and output' 0 '^remove-padding: 3[0-9] by token' "$fovea" opt encoder.fvir -v --enable=remove-padding
check 'it runs where it is asked for' 0 '' "$fovea" opt encoder.fvir -v
grep -q '^remove-padding' err && tell "$name only" no || tell "$name only" yes
check 'attention is what it was' 0 '^attentions fused 2 of 2' "$fovea" inspect encoder.fvir --enable=remove-padding
# With outputs that are multiplied with the mask, or are of the first place where that sees a token.
for mask in right left alternate all one some none; do
    case $mask in some | none) model=tokens ;; *) model=encoder ;; esac
    check "as it is, $mask" 0 '' "$fovea" run $model.fvir --input=ids=ids.npy --input=mask=$mask.npy -o ref
    [ $mask = right ] && generated=--backend=c || generated=
    for options in --threads=1 --threads=2 --threads=3 --backend=interp $generated; do
        check "without padding, $mask $options" 0 'output.* as expected' "$fovea" run $model.fvir --input=ids=ids.npy --input=mask=$mask.npy --enable=remove-padding $options --expect ref --atol=0 --rtol=0
    done
done
check 'no sequences' 0 'f32.0, 90, 16.' "$fovea" run tokens.fvir --input=ids=nothing.npy --input=mask=nothing.npy --enable=remove-padding
sed 's/%column = Unsqueeze(%kept/%column = Unsqueeze(%inverse/' tokens.fvir >rest.fvir
check 'at padding there are zeros' 0 'min -?0  max -?0 ' "$fovea" run rest.fvir --input=ids=ids.npy --input=mask=right.npy --enable=remove-padding

# Sums over places of what the mask makes 0 at padding: by a factor, by a choice.
sed 's/%first = .*/%first = ReduceSum(%y, @second) {keepdims = 0}/; s/^  return/  %no = Cast(%column) {to = 9}\n  %chosen = Where(%no, %x3, @nothing)\n  %most = ReduceMean(%chosen, @second) {keepdims = 0}\n  return %most,/; s/%pooled) {/%pooled, %most) {/; s/return %most, \(.*\)/return \1, %most/; s/^const @one:/const @nothing: f32[] = 0.0\n&/' encoder.fvir >sums.fvir
check 'sums of what is 0 at padding' 0 '^remove-padding: 3[0-9] by token' "$fovea" opt sums.fvir -v --enable=remove-padding
for mask in right left some none; do
    check "sums as they are, $mask" 0 '' "$fovea" run sums.fvir --input=ids=ids.npy --input=mask=$mask.npy -o ref
    check "sums without padding, $mask" 0 '3 of 3 outputs as expected' "$fovea" run sums.fvir --input=ids=ids.npy --input=mask=$mask.npy --enable=remove-padding --expect ref --atol=0 --rtol=0
done

# declines NAME REASON SED: the encoder, changed so, is left alone
declines() {
    sed "$3" encoder.fvir >changed.fvir
    check "$1" 0 "^remove-padding: 1 left alone, $2" "$fovea" opt changed.fvir -v --enable=remove-padding
}
declines 'what hides little' 'no attention has a mask of keys alone' 's/^const @low: .*/const @low: f32[] = -10000.0/'
declines 'what hides nothing' 'no attention has a mask' 's/Mul(%inverse, @low)/Mul(%inverse, @one)/'
declines 'a mask the other way' 'no attention has a mask' 's/Mul(%inverse, @low)/Mul(%kept, @low)/'
declines 'a layer without a mask' "at 'softmax2': no mask that depends on its keys alone" 's/%m2 = Add(%t2, %hidden)/%m2 = Identity(%t2)/'
declines 'a mean over places' 'at .*: it combines several tokens into one' 's/%first = .*/%first = ReduceMean(%x3, @second) {keepdims = 0}/'
declines 'the largest of what is 0 at padding' 'at .*: it combines several tokens into one' 's/%first = .*/%first = ReduceMax(%y, @second) {keepdims = 0}/'
declines 'a sum of what the mask only scales' 'at .*: it combines several tokens into one' 's/%first = .*/%more = Add(%column, @one)\n  %scaled = Mul(%x3, %more)\n  %first = ReduceSum(%scaled, @second) {keepdims = 0}/'
declines 'places beside each other' 'at .*: it reads elements of other tokens' 's/%first = .*/%first = Gather(%x3, @next) {axis = 1}/'
declines 'sums up to each place' 'at .*: its results are not defined element' 's/%first = .*/%first = CumSum(%x3, @next)/'
declines 'weights that are returned' 'at .*: scores or weights are returned' 's/return %y, %pooled/return %y, %p2/; s/(%y, %pooled)/(%y, %p2)/'
check 'dims that are fixed' 0 '^remove-padding: 1 left alone, no attention has a mask of keys alone, an input of two symbolic dims' "$fovea" opt encoder.fvir -v --enable=remove-padding --dim length=90
finish
