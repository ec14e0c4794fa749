# Tests tuning files: a file that `fovea tune` writes is accepted on the same machine, and refused on others.
. "$(dirname "$0")/lib.sh"
cat >m.fvir <<'T'
fovea-ir 1
module "m"
symbol n 1..512
func @main(%x: f32[n, 64], %w: f32[64, 96], %v: f32[96, 64]) -> (%y) {
  %a = MatMul(%x, %w)
  %b = Relu(%a)
  %c = MatMul(%b, %v)
  %y = Softmax(%c)
  return %y
}
T
sed 's/96/80/g' m.fvir >other.fvir
export FOVEA_FLAGS=--dim=n=48 # the same kernels everywhere

# by hand: keys are what inspect tells, the head is what fovea tune writes
check keys 0 'key       [0-9a-f]{16}$' "$fovea" inspect m.fvir --schedules -v
key=$(sed -n '/: contract {/,$s/^ *key *//p' out | head -n 1)
row=$(sed -n '/: row {/,$s/^ *key *//p' out | head -n 1)
check 'keys as json' 0 "\"key\": \"$key\"" "$fovea" inspect m.fvir --schedules --json
backend=jit
"$fovea" run m.fvir --backend=jit >/dev/null 2>&1 || backend=c # built without LLVM
check 'no time' 0 'no kernels: there was no time to try one, which takes ' "$fovea" tune m.fvir --seconds=0.001 --backend=$backend -o none.tuning
present none.tuning
sed 5q none.tuning >./head
check 'a file without kernels' 0 . "$fovea" run m.fvir --backend=$backend --tuning=none.tuning -o before
tuning() { { cat head; cat; echo end; } >t.tuning; }
echo "kernel \"$key\" contract {rows = 2, columns = 16, block = 4, outline = false}
kernel \"$row\" row {task = 100}" | tuning
check 'schedules by hand' 0 'contract [{]rows = 2, columns = 16, block = 4,.*outline = false' "$fovea" inspect m.fvir --schedules --tuning=t.tuning
said 'row [{]task = 100'
check run 0 . "$fovea" run m.fvir --backend=$backend --tuning=t.tuning -o after
[ ! -s err ] && tell 'of kernels that are there' yes || tell 'of kernels that are there' no
check 'the same bits' 0 '^$' sh -c 'cmp before/y.npy after/y.npy && echo'
check bench 0 'ratio  *' "$fovea" bench m.fvir --backend=$backend --tuning=t.tuning --seconds=0.1 --against=interp
check compile 0 'fovea run m.fvk' "$fovea" compile m.fvir --target=native --tuning=t.tuning -o m.fvk
check 'kernels have it' 0 'schedule contract [{]rows = 2, columns = 16' cat m.fvk

check 'a reason' 0 'tuning +yes +the tuning states it: contract [{]rows = 2, columns = 16, block = 4, outline = false' "$fovea" inspect m.fvir --why=b --tuning=t.tuning
check 'a reason as json' 0 '"code": "tuned"' "$fovea" inspect m.fvir --why --json --tuning=t.tuning
check 'none without' 0 '^$' sh -c "'$fovea' inspect m.fvir --why | grep tuning; echo"
check C 0 'm.c ' "$fovea" compile m.fvir --target=native --tuning=t.tuning -o m.c

# for something else
check 'another model' 1 "t.tuning:2:7: error: was made for another model: \"[0-9a-f]*\", here it is \"[0-9a-f]*\"" "$fovea" run other.fvir --tuning=t.tuning
sed 's/^producer.*/producer "fovea 0.0.1"/' t.tuning >u.tuning
check 'another version' 1 'u.tuning:3:10: error: was made for another version: "fovea 0.0.1", here it is "fovea ' "$fovea" run m.fvir --tuning=u.tuning
check 'another target' 1 't.tuning:4:8: error: was made for another target: "native .*", here it is "generic"' "$fovea" compile m.fvir --target=generic --tuning=t.tuning -o x.fvk
absent x.fvk
sed 's/^cpu.*/cpu "Z80"/' t.tuning >u.tuning
check 'another CPU' 1 'u.tuning:5:5: error: was made for another CPU: "Z80", here it is ' "$fovea" run m.fvir --tuning=u.tuning
sed -i 's/^target.*/target "generic"/; s/"/"/' u.tuning
check 'a CPU elsewhere' 1 'registers|sums|expected' "$fovea" compile m.fvir --target=generic --tuning=u.tuning -o x.fvk
sed -i 's/columns = 16/columns = 8/' u.tuning
check 'that a target is compiled for' 0 x.fvk "$fovea" compile m.fvir --target=generic --tuning=u.tuning -o x.fvk

# nonsense
bad() { echo "kernel \"$key\" $2" | tuning; check "$1" 1 "t.tuning:6:[0-9]*: error: $3" "$fovea" run m.fvir --tuning=t.tuning; silent_out "$1"; }
silent_out() { [ ! -s out ] && tell "$1: prints nothing" yes || tell "$1: prints nothing" no; }
bad 'no rows' 'contract {rows = 0}' "'rows' is 0, expected 1 to 64"
bad 'many rows' 'contract {rows = 1000}' "'rows' is 1000, expected 1 to 64"
bad 'more than registers' 'contract {rows = 40}' 'a tile of 40 x [0-9]* sums'
bad 'another schedule' 'attend {rows = 4}' "the kernel's schedule is 'contract', not 'attend'"
bad 'an unknown schedule' 'contracts {rows = 4}' "'contracts' is no schedule; did you mean 'contract'"
bad 'an unknown parameter' 'contract {row = 4}' "'row' is no parameter; did you mean 'rows'"
bad 'another type' 'contract {rows = true}' "expected an integer for 'rows', found 'true'"
bad 'a parameter twice' 'contract {rows = 4, rows = 4}' "'rows' is given twice"
bad 'a block of parts' 'contract {rows = 4, block = 6}' "'block' is 6, expected a multiple of 4"
head -c 200 t.tuning >u.tuning
check truncated 1 'u.tuning:[0-9]*:[0-9]*: error: ' "$fovea" run m.fvir --tuning=u.tuning
sed '$d' t.tuning >u.tuning
check 'the end is missing' 1 'u.tuning:7:1: error: ' "$fovea" run m.fvir --tuning=u.tuning
seq -f 'kernel "%016.0f" map {task = 64}' 0 16384 | tuning
check 'too many kernels' 1 't.tuning:16390:27: error: there are more than 16384 kernels' "$fovea" run m.fvir --tuning=t.tuning
printf 'fovea-tuning 1\0' >u.tuning
check 'a byte 0' 1 'u.tuning: error: is a text that holds a byte 0' "$fovea" run m.fvir --tuning=u.tuning
check 'no file' 1 'nowhere: error: cannot open' "$fovea" run m.fvir --tuning=nowhere
echo 'kernel "0123456789abcdef" map {task = 64}' | tuning
check 'a kernel that is not there' 0 't.tuning:6:8: warning: the model has no kernel "0123456789abcdef"' "$fovea" run m.fvir --backend=$backend --tuning=t.tuning
seq -f 'kernel "%016.0f" map {task = 64}' 0 99 | tuning
check 'kernels that are not there' 0 't.tuning: warning: nor has the model 96 more of its kernels' "$fovea" run m.fvir --backend=$backend --tuning=t.tuning
check 'the first of them' 0 '^4$' sh -c "'$fovea' run m.fvir --backend=$backend --tuning=t.tuning 2>&1 | grep -c 'has no kernel'"
check 'the naive schedule' 2 '--schedule=naive has nothing' "$fovea" run m.fvir --schedule=naive --tuning=t.tuning
check kernels 1 'made already: --tuning does not apply' "$fovea" run m.fvk --tuning=t.tuning
if [ $backend = jit ]; then # from the cache: the same, the warning too; another tuning is another entry
    mkdir -m 700 cache
    for way in cold warm; do
        FOVEA_CACHE_DIR=cache check "$way" 0 't.tuning:6:8: warning: the model has no kernel' "$fovea" run m.fvir --tuning=t.tuning
    done
    mv t.tuning v.tuning
    FOVEA_CACHE_DIR=cache check 'under another name' 0 'v.tuning:6:8: warning: the model has no kernel' "$fovea" run m.fvir --tuning=v.tuning
    echo "kernel \"$key\" contract {rows = 0}" | tuning
    FOVEA_CACHE_DIR=cache check 'another entry' 1 "'rows' is 0" "$fovea" run m.fvir --tuning=t.tuning
fi

# fovea tune
check tune 0 'schedules? of [1-9][0-9]* kernels? in' "$fovea" tune m.fvir --backend=$backend --seconds=3 --threads=1 -o m.tuning
said '^bound +[0-9.e+-]+ ms before, [0-9.e+-]+ ms after; [0-9.e+-]+ ms by the peak of the machine, which [0-9]+ kernels? reach'
check 'what it writes' 0 '^end$' cat m.tuning
said '^fovea-tuning 1$'
check 'works' 0 . "$fovea" run m.fvir --backend=$backend --tuning=m.tuning -o after
check 'and changes no bit' 0 '^$' sh -c 'cmp before/y.npy after/y.npy && echo'
# so much time that a schedule is tried also where other programs keep all processors busy
progress '[0-9]+ schedules? tried, [0-9]+ of 9 s' "'$fovea' tune m.fvir --backend=$backend --seconds=9 --threads=1 -o shown.tuning"
check 'to standard output' 0 '^end$' "$fovea" tune m.fvir --backend=$backend --seconds=0.001 -o -
check 'as json' 0 '"tried": 0' "$fovea" tune m.fvir --backend=$backend --seconds=0.001 --json -o m.tuning
for key in before_ms after_ms bound_ms near_bound entries ratio kept; do
    said "\"$key\": "
done
check 'tune without -o' 2 '-o is missing' "$fovea" tune m.fvir
check 'tune by the interpreter' 2 'one of jit and c' "$fovea" tune m.fvir --backend=interp -o t
check 'tune kernels' 1 'there is nothing to tune' "$fovea" tune m.fvk -o t
check 'tune in no time' 2 'takes more than 0' "$fovea" tune m.fvir --seconds=0 -o t
check 'tune what is not there' 1 'nowhere.onnx: error:' "$fovea" tune nowhere.onnx -o t
absent t
cp m.fvir same.fvir
check 'tune into the model' 1 'would overwrite what was read' "$fovea" tune same.fvir --backend=$backend --seconds=0.001 -o ./same.fvir
check 'which is whole' 0 '^$' sh -c 'cmp m.fvir same.fvir && echo'
check 'tune into nowhere' 1 'cannot write' "$fovea" tune m.fvir --backend=$backend --seconds=0.001 -o no/where

# fovea tune --predict: a row is one task of 4096 elements, which two threads cannot divide
check predict 0 '-> row [{]task = [0-9]+[}]$' "$fovea" tune m.fvir --predict --threads=2 -o p.tuning
said '^default ms +chosen ms +ratio +kernel$'
said '^ +[0-9.e-]+ +[0-9.e-]+ +[01]\.[0-9]+ +MatMul_1: contract [{]rows = '
said '^predicted +[1-9][0-9]* schedules of 3 kernels in [0-9.]+ s, for 2 threads by the (table of processors|profile of the machine), '
said '^p.tuning +[1-3] kernels?, [0-9.e-]+ ms instead of [0-9.e-]+, 0\.[0-9]+ of the time$'
check 'what it chose' 0 '^kernel "[0-9a-f]+" row [{]task = [0-9]+[}] +# Softmax_2, predicted 0\.[0-9]+: y' cat p.tuning
check 'is taken' 0 'row [{]task = ' "$fovea" inspect m.fvir --schedules --target=native --tuning=p.tuning
check 'runs' 0 . "$fovea" run m.fvir --backend=$backend --tuning=p.tuning -o after
[ ! -s err ] && tell 'all it chose is there' yes || tell 'all it chose is there' no
check 'with the same bits' 0 '^$' sh -c 'cmp before/y.npy after/y.npy && echo'
check 'nothing for one thread' 0 '^p.tuning +no kernels: no schedule is predicted to take less than 0.95 of the time$' "$fovea" tune m.fvir --predict --target=aarch64 -o p.tuning
check 'each candidate' 0 '^ +[0-9.e-]+ +[0-9.]+  contract [{]' "$fovea" tune m.fvir --predict -v -o p.tuning
for to in x86-64-v3 aarch64 cortex-m4; do
    check "for $to" 0 "^target \"$to\"" "$fovea" tune m.fvir --predict --target=$to --threads=2 -o -
    said '^cpu "any: predicted"$'
    mv out first
    check "for $to again" 0 . "$fovea" tune m.fvir --predict --target=$to --threads=2 -o -
    cmp -s first out && tell "the same choice for $to" yes || tell "the same choice for $to" no
    check "compiled for $to" 0 'x.fvk' "$fovea" compile m.fvir --target=$to --tuning=first -o x.fvk
done
check 'the task of the row' 0 'schedule row [{]task = 512[,}]' sh -c "'$fovea' tune m.fvir --predict --target=aarch64 --threads=2 -o first && '$fovea' compile m.fvir --target=aarch64 --tuning=first -o x.fvk && cat x.fvk"
check 'for a processor' 0 'by the table of processors, zen3$' "$fovea" tune m.fvir --predict --target=x86-64-v3 --processor=zen3 -o p.tuning
check 'compiled for it' 0 x.fvk "$fovea" compile m.fvir --target=x86-64-v3 --processor=zen3 --tuning=p.tuning -o x.fvk
check 'and for no other' 1 'was made for another target: "x86-64-v3 for zen3"' "$fovea" compile m.fvir --target=x86-64-v3 --tuning=p.tuning -o x.fvk
check 'no such profile' 1 'missing.txt: error: ' "$fovea" tune m.fvir --predict --processor=./missing.txt -o p.tuning
check 'predicted as json' 0 '"entries": 1' "$fovea" tune m.fvir --predict --target=aarch64 --threads=2 --json -o p.tuning
for key in '"source": "the table of processors, generic"' '"threads": 2' '"default": "row [{]task = 4096[}]"' '"schedule": "row [{]task = 512[}]"' '"schedule": null' \
    '"default_ms": ' '"predicted_ms": ' '"candidates": ' '"before_ms": ' '"after_ms": ' '"not_predicted": \[\]'; do
    said "$key"
done
check 'predicted in a limited time' 0 . "$fovea" tune m.fvir --predict --seconds=0.000001 -o p.tuning
said '^predicted +0 schedules of 3 kernels in'
check 'predicted quietly' 0 '^$' sh -c "'$fovea' tune m.fvir --predict -q -o p.tuning && echo"
check 'predicted to be C' 0 . "$fovea" tune m.fvir --predict --backend=c -O3 --prefer=ram -o p.tuning
check 'predicted for the interpreter' 2 'one of jit and c' "$fovea" tune m.fvir --predict --backend=interp -o t
check 'predicted by a backend that is none' 2 'there is no backend' "$fovea" tune m.fvir --predict --backend=gpu -o t
check 'predict without -o' 2 '-o is missing' "$fovea" tune m.fvir --predict
check 'predict kernels' 1 'there is nothing to tune' "$fovea" tune m.fvk --predict -o t
check 'predict what is not there' 1 'nowhere.onnx: error:' "$fovea" tune nowhere.onnx --predict -o t
absent t
check 'predict into the model' 1 'would overwrite what was read' "$fovea" tune same.fvir --predict -o ./same.fvir
check 'the model is whole' 0 '^$' sh -c 'cmp m.fvir same.fvir && echo'
unset FOVEA_FLAGS
check 'a dim that is not given' 0 "note: dim 'n' is not given, 1 is taken" "$fovea" tune m.fvir --predict -o p.tuning
check 'a dim of the run' 0 '-> row ' "$fovea" tune m.fvir --predict --at=n=48 --threads=2 -o p.tuning
check 'that dim as json' 0 '"n": 48' "$fovea" tune m.fvir --predict --at=n=48 --json -o p.tuning
check 'no such dim' 1 "there is no dim 'm'" "$fovea" tune m.fvir --predict --at=m=48 -o p.tuning
npy x.npy '<f4' '48, 64' "$(printf '\\0%.0s' $(seq 12288))"
check 'the dim of an input' 0 '-> row ' "$fovea" tune m.fvir --predict --input x=x.npy --threads=2 -o p.tuning
check definitions 0 d.fvd "$fovea" compile m.fvir --emit=definitions -o d.fvd
check 'predicted for definitions' 0 '-> row ' "$fovea" tune d.fvd --predict --at=n=48 --threads=2 -o p.tuning
cat >some.fvir <<'T'
fovea-ir 1
module "some"
symbol n 1..512
func @main(%x: f32[n, 64]) -> (%y) {
  %i = NonZero(%x)
  %y = Neg(%i)
  return %y
}
T
check 'dims that data decide' 0 '^unknown +[0-9]+ kernels?, which keeps? the default schedule: .*Neg' "$fovea" tune some.fvir --predict -o p.tuning
finish
