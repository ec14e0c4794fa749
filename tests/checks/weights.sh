# Weights in 8 and 4 bits stay so: no kernel of a run writes a dequantized weight, a step with one row reads what is stored of it and at
# most 5 % more, counted from the kernels, and results have the bits of the naive schedule, with one row, one tile and several.
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
traffic() {
    python3 -c 'import json, sys
kernels = json.load(sys.stdin)["schedules"]
print(len(kernels), int(sum(k["bytes_read"] for k in kernels)), int(sum(k["bytes_written"] for k in kernels)))'
}
while read -r name columns size; do
    for target in generic x86-64-v3; do
        read -r kernels reads writes < <("$fovea" inspect "$dir/$name.fvir" --schedules --dim n=1 --target=$target --json | traffic)
        x=$((384 * 4)) y=$((columns * 4)) # of one row
        if [ "$kernels" = 1 ] && [ "$writes" = $y ]; then good; else bad "$name $target: $kernels kernels write $writes bytes"; fi
        # padding of the last panel is read, too
        padded=$((size * ((columns + 63) / 64 * 64) / columns))
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
        "$fovea" run "$dir/$name.fvir" $flags --input=x="$dir/x.npy" -q --format=npy -o "$dir/$how/" >"$dir/log" 2>&1 || cat "$dir/log"
    done
    for how in jit interp; do
        if cmp -s "$dir/naive/y.npy" "$dir/$how/y.npy"; then good; else bad "$name: $how and the naive schedule differ"; fi
    done
    rm -rf "$dir/naive" "$dir/jit" "$dir/interp"
done <"$dir/list"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
