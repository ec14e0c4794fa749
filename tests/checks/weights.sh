# Checks that weights of 8 and 4 bits are read as they are stored, whatever their size: no kernel writes a dequantized
# weight, a step with one row reads at most 5 % more bytes than the stored weight has (counted in the kernels), and
# results have the bits of the naive schedule, with one row, one tile of rows and several. The quantized models of
# $FOVEA_SHARED are checked as well.
# Usage: weights.sh BUILD
set -u
fovea=$1/tools/fovea passed=0 failed=0
good() { passed=$((passed + 1)); }
bad() { failed=$((failed + 1)); echo "FAILED $*"; }
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
export FOVEA_CACHE_DIR=
python3 "$here/weights.py" "$dir" >"$dir/list" || exit 1
shared=${FOVEA_SHARED:-$here/../../../shared}
# Kernels, bytes read, bytes written, columns of a panel.
traffic() {
    python3 -c 'import json, re, sys
kernels = json.load(sys.stdin)["schedules"]
widths = re.findall("columns = ([0-9]+)", " ".join(k["schedule"] for k in kernels)) or ["1"]
total = lambda what: int(sum(k[what] * k["launches"] for k in kernels))
print(len(kernels), total("bytes_read"), total("bytes_written"), widths[0])'
}
while read -r name steps columns size bytes; do
    for target in generic x86-64-v3; do
        read -r kernels reads writes width < <("$fovea" inspect "$dir/$name.fvir" --schedules --dim n=1 --target=$target --json | traffic)
        x=$((steps * 4)) y=$((columns * 4)) # of one row
        # rows as bytes, which words of halves need as a copy
        least=$((1 + (bytes > 0))) most=$((1 + 2 * (bytes > 0)))
        if [ "$kernels" -ge $least ] && [ "$kernels" -le $most ] && [ "$writes" -le $((y + (kernels - 1) * (bytes + 2 * steps * (kernels > 2)))) ]; then good; else bad "$name $target: $kernels kernels write $writes bytes"; fi
        # padding of the last panel is read, too
        padded=$((size * ((columns + width - 1) / width * width) / columns))
        # what is written of rows is summed or copied once, and read by each panel
        reads=$((reads - (writes - y) * (1 + (columns + width - 1) / width)))
        if [ $((100 * (reads - x))) -le $((105 * padded)) ]; then good; else bad "$name $target: reads $reads bytes, $size are stored"; fi
    done
    if "$fovea" compile "$dir/$name.fvir" --target=x86-64-v3 --emit=kernels -o - 2>/dev/null | grep -a '^kernel' | grep -aq 'out `\?[a-z]*\.panels'; then
        bad "$name: panels are made in the run"
    else
        good
    fi
    for how in naive jit interp; do
        case $how in
        naive) flags=--schedule=naive ;;
        jit) flags= ;;
        interp) flags=--backend=interp ;;
        esac
        "$fovea" run "$dir/$name.fvir" $flags --input=x="$dir/x$steps.npy" -q --format=npy -o "$dir/$how/" >"$dir/log" 2>&1 || cat "$dir/log"
    done
    for how in jit interp; do
        if cmp -s "$dir/naive/y.npy" "$dir/$how/y.npy"; then good; else bad "$name: $how and the naive schedule differ"; fi
    done
    rm -rf "$dir/naive" "$dir/jit" "$dir/interp"
done <"$dir/list"

# Bytes of the constants that the ops of a graph read after legalise, but for tables whose rows are gathered; matrices have panels of at
# least 8 columns.
stored() {
    python3 -c 'import re, sys
text = sys.stdin.read()
gathered = set(re.findall(r"fv\.Gather\(@(\w+)", text))
bytes = 0
for name, bits, dims in re.findall(r"const @(\w+): [a-z]+(\d+)[^\[]*\[([^\]]*)\]", text):
    n, dims = 1, [int(d) for d in dims.split(",") if d]
    if len(dims) > 1:
        dims[-1] = (dims[-1] + 7) // 8 * 8
    for d in dims:
        n *= d
    uses = len(re.findall(rf"@{name}\b", text)) - 1
    bytes += 0 if name in gathered else uses * ((n * int(bits) + 7) // 8)
print(bytes)'
}
# A step reads its constants, and what other kernels wrote three times on average: every panel reads the row again.
for model in "$shared"/models/q_*/model.onnx; do
    [ -f "$model" ] || continue
    name=$(basename "$(dirname "$model")")
    size=$("$fovea" opt "$model" --passes=legalise,remove-dead -q -o - 2>"$dir/log" | stored)
    for target in generic x86-64-v3; do
        read -r kernels reads writes _ < <("$fovea" inspect "$model" --schedules --dim batch=1 --dim seq=1 --target=$target --json | traffic)
        reads=$((reads - 3 * writes))
        if [ "$kernels" -gt 1 ] && [ $((100 * reads)) -le $((105 * size)) ]; then good; else bad "$name $target: reads $reads bytes, $size are stored"; fi
    done
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
