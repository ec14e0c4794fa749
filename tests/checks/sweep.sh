# Runs a part of the sweep over all arguments of the elementary functions (docs/accuracy.md).
# Usage: sweep.sh BUILD
set -u
sweep=$1/tests/sweep/sweep
passed=0 failed=0
if [ ! -x "$sweep" ]; then # a build without LLVM has no generated code to run
    echo "0 passed, 0 failed"
    exit 0
fi
out=$(mktemp)
for how in "--stride 4099" "--f64 --count 300000"; do
    # shellcheck disable=SC2086
    "$sweep" $how >"$out" 2>&1
    status=$?
    rows=$(grep -c '^| [a-z_]*[0-9a-z]* |' "$out")
    rows=$((rows - 1)) # the head
    bad=$(grep -c 'TOO LARGE$' "$out")
    [ $status = 0 ] || [ "$bad" -gt 0 ] || bad=1
    grep -v '^| .*|$' "$out" | sed 's/^/FAILED /'
    passed=$((passed + rows - bad)) failed=$((failed + bad))
done
rm -f "$out"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
