# Tests the command where LLVM's library cannot be loaded: what needs no code of LLVM works, models are interpreted unless
# --backend says otherwise, and messages say why.
# Usage: SCRIPT FOVEA ROOT PROTOC
. "$(dirname "$0")/lib.sh"
"$fovea" run --backend=jit "$root/examples/dates/dates.onnx" -q 2>&1 | grep -q 'built without LLVM' && exit 77
cc -shared -fPIC -O1 -D_GNU_SOURCE -o absent.so "$root/tests/tools/llvm_missing.c" -ldl || exit 1
model=$root/examples/dates/dates.onnx
"$fovea" run "$model" --backend=interp --seed=3 -q >expected 2>err || exit 1
export LD_PRELOAD=$PWD/absent.so
reason="LLVM's library cannot be loaded: libLLVM-absent.so"

check 'without --backend' 0 '' "$fovea" run "$model" --seed=3
cmp -s expected out && tell 'interprets' yes || tell 'interprets' no
[ "$(grep -c "^fovea run: warning: $reason.*; the model is interpreted$" err)" = 1 ] && tell 'says so once' yes || tell 'says so once' no
check '--quiet' 0 '' "$fovea" run "$model" --seed=3 -q
cmp -s expected out && [ ! -s err ] && tell 'is quiet' yes || tell 'is quiet' no
check '--backend=jit' 1 "$reason.*; the backends c and interp do not need it" "$fovea" run "$model" --backend=jit
check '--backend=c' 0 '' "$fovea" run "$model" --backend=c --seed=3 -q
check 'diff' 0 '' "$fovea" diff "$model" --seed=3
check 'inspect' 0 'attention' "$fovea" inspect "$model"
[ ! -s err ] && tell 'inspect needs no code' yes || tell 'inspect needs no code' no
check 'a library' 1 "x.so: .*$reason" "$fovea" compile "$model" -o x.so
absent x.so
check 'an object' 1 "$reason" "$fovea" compile "$model" --emit=obj -o x.o
check 'assembly' 1 "$reason" "$fovea" compile "$model" -o x.s
check 'C' 0 '' "$fovea" compile "$model" -o x.c
check 'by default' 0 'dates\.c' "$fovea" compile "$model"
finish
