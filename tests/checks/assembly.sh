# Checks the machine code that LLVM makes of the benchmark models (with two layers, with symbolic dims, and some with fixed ones):
# no innermost loop of a contraction moves a vector between registers or to the stack or loads many addresses from it, no loop converts lanes of f16 one by
# one or fills a tile element by element, and the code of a library for several targets loads no more elements one by one than that for each target alone.
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
passed=0 failed=0 processor=generic
judge() { # WHAT ARGUMENT...: of assembly.py
    what=$1
    shift
    if python3 "$here/assembly.py" "$@" >"$folder/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $what"
        cat "$folder/log"
    fi
}
check() { # MODEL TARGET DIM...
    model=$1 target=$2 out=$folder/$1-$2.s
    shift 2
    set -- $(printf -- '--dim %s ' "$@")
    [ "$*" = --dim ] && set --
    rm -f "$out"
    "$fovea" compile "$folder/$model.onnx" --target="$target" --processor="$processor" "$@" -q -o "$out"
    judge "$model, $target $*" "$out"
}
write() { # MODEL, whose name may end in -f16, -int8 or -int4
    type=--dtype=float32
    case $1 in *-f16) type=--dtype=float16 ;; *-int[48]) type=--quant=${1##*-} ;; esac
    [ -f "$folder/$1.onnx" ] ||
        /usr/bin/python3 "$writer" "$(echo "$1" | sed 's/-f16$//; s/-int[48]$//')" "$folder/$1.onnx" --layers 2 $type >"$folder/log" 2>&1 || {
        failed=$((failed + 1))
        echo "FAILED $1: cannot be written"
        tail -n 3 "$folder/log"
        false
    }
}
while read -r model dims; do
    write "$model" || continue
    for target in x86-64-v3 x86-64-v4; do
        check "$model" $target
    done
    # loops over a known number of rows: for the target that has fewer registers, and where instructions convert lanes of f16
    # shellcheck disable=SC2086
    case $dims:$model in
    :*) ;;
    *-f16) check "$model" x86-64-v3 $dims; check "$model" x86-64-v4 $dims ;;
    *) check "$model" x86-64-v3 $dims ;;
    esac
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

write llama-int4 && check llama-int4 x86-64-v4+vnni batch=1 seq=128

# tiles that share the prefetches of weights from memory compute in their loops which lines these are
printf 'fovea-processor 1 base "sapphire-rapids" cpu "c" measured "2026-11-29" caches.l3_bytes = 4194304 last_level = 4194304 end\n' >"$folder/few.profile"
processor=$folder/few.profile
write bert-base && check bert-base x86-64-v4
found=$(grep -c prefetcht1 "$folder/bert-base-x86-64-v4.s")
[ "$found" -gt 50 ] && passed=$((passed + 1)) || { failed=$((failed + 1)); echo "FAILED bert-base has $found prefetches to the second level"; }

# the pixels of a tile, of which four steps are in an iteration, are at constant distances from one address
truncate -s 4718592 "$folder/w.bin"
cat >"$folder/images.fvir" <<'M'
fovea-ir 1
module "m"
const @v: f32[256, 256, 3, 3] = file "w.bin" 0 2359296
const @w: f32[256, 256, 3, 3] = file "w.bin" 2359296 2359296
const @bias: f32[256] = file "w.bin" 0 1024
func @main(%x: f32[1, 256, 56, 56]) -> (%y) {
  %a = Conv(%x, @v, @bias) {pads = [1, 1, 1, 1]}
  %b = Relu(%a)
  %c = Conv(%b, @w, @bias) {pads = [1, 1, 1, 1]}
  %d = Relu(%c)
  %e = Conv(%d, @v, @bias) {pads = [1, 1, 1, 1]}
  %y = Relu(%e)
  return %y
}
M
"$fovea" compile "$folder/images.fvir" --target=x86-64-v4 --processor=sapphire-rapids -q -o "$folder/images.s"
judge "pixels of a tile" "$folder/images.s"

# ---- several targets ----
targets='x86-64-v2 x86-64-v3 x86-64-v4+vnni'
for model in minilm-l6-f16 minilm-l6-int8 cnn llama-past; do
    write $model || continue
    rm -f "$folder/list.s"
    "$fovea" compile "$folder/$model.onnx" --target="$(echo "$targets" | tr ' ' ,)" -q -o "$folder/list.s"
    judge "$model, targets $targets" "$folder/list.s"
    for target in $targets; do
        rm -f "$folder/alone.s"
        "$fovea" compile "$folder/$model.onnx" --target="$target" -q -o "$folder/alone.s"
        judge "$model, $target in a list" "$folder/list.s" "$target" "$folder/alone.s"
    done
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
