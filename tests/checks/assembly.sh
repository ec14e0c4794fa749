# Checks the machine code that LLVM makes of the benchmark models (with two layers, with symbolic and with fixed dims):
# no innermost loop of a contraction moves a vector between registers or to the stack, and no loop converts lanes of f16
# one by one.
# Usage: assembly.sh BUILD
# needs: shared
set -u
here=$(dirname "$0")
fovea=$1/tools/fovea
writer=${FOVEA_SHARED:-../shared}/bench/bench_models.py
folder=$1/assembly
if [ "$("$fovea" compile --help | grep -c 'llvm')" = 0 ]; then
    echo "0 passed, 0 failed"
    exit 0
fi
mkdir -p "$folder"
passed=0 failed=0
check() { # MODEL TARGET DIM...
    model=$1 target=$2 out=$folder/$1-$2.s
    shift 2
    set -- $(printf -- '--dim %s ' "$@")
    [ "$*" = --dim ] && set --
    what="$model, $target $*"
    if "$fovea" compile "$folder/$model.onnx" --target="$target" "$@" -q -o "$out" &&
        python3 "$here/assembly.py" "$out" >"$folder/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $what"
        cat "$folder/log"
    fi
}
while read -r model dims; do
    type=float32
    [ "${model%-f16}" = "$model" ] || type=float16
    [ -f "$folder/$model.onnx" ] ||
        /usr/bin/python3 "$writer" "${model%-f16}" "$folder/$model.onnx" --layers 2 --dtype $type >"$folder/log" 2>&1 || {
        failed=$((failed + 1))
        echo "FAILED $model: cannot be written"
        tail -n 3 "$folder/log"
        continue
    }
    for target in x86-64-v3 x86-64-v4; do
        check "$model" $target
        # shellcheck disable=SC2086
        [ -z "$dims" ] || check "$model" $target $dims
    done
done <<'END'
bert-base batch=1 seq=128
minilm-l6 batch=1 seq=32
gpt2 batch=1 seq=128
gpt2-past batch=1 seq=1 past=128 total=129
llama batch=1 seq=128
llama-past batch=1 seq=1 past=128 total=129
vit-base
whisper-tiny-encoder
cnn
mlp
minilm-l6-f16 batch=1 seq=32
llama-past-f16 batch=1 seq=1 past=128 total=129
END
echo "$passed passed, $failed failed"
[ $failed = 0 ]
