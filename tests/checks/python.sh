# Tests the Python package: tests/python, and the blocks of docs/python.md. FOVEA_PYTHON=/usr/bin/python3 chooses a
# python; by default it is the first one that has numpy. The standard's tests, which are over a thousand, run under
# pytest, if that python has it.
# Usage: python.sh BUILD [PATTERN]
set -u
build=$(cd "$1" && pwd)
python=
for p in ${FOVEA_PYTHON:-python3 /usr/bin/python3}; do
    "$p" -c 'import numpy' 2>/dev/null && python=$p && break
done
if [ -z "$python" ]; then
    echo "skipped: no python has the package numpy"
    echo "0 passed, 0 failed"
    exit 0
fi
export FOVEA_LIBRARY=$build/tools:$build/runtime PYTHONDONTWRITEBYTECODE=1
export FOVEA_CACHE_DIR=
if [ -n "${2:-}" ] || ! "$python" -c 'import pytest, onnx' 2>/dev/null; then
    exec "$python" tests/python/run.py ${2:+"$2"}
fi
out=$(mktemp)
export FOVEA_CACHE_DIR=$out.cache # what several tests have in common is compiled once
mkdir "$FOVEA_CACHE_DIR"
for file in tests/python/test_*.py; do # each in a process of its own: one that crashes is a failure
    name=$(basename "$file")
    [ "$name" != test_backend.py ] || continue
    "$python" tests/python/run.py "$name" >"$out.one"
    status=$?
    cat "$out.one" >>"$out"
    [ $status -le 1 ] && grep -q '^[0-9]* passed, ' "$out.one" || printf 'FAILED %s ended with status %d\n0 passed, 1 failed\n' "$name" $status >>"$out"
done
"$python" -m pytest -q -p no:cacheprovider --tb=short --no-header tests/python/test_backend.py >"$out.standard" 2>&1
status=$?
grep -a '^FAILED\|^ERROR' "$out.standard" | sed 's/^ERROR/FAILED/' >>"$out"
# the words of pytest, 3 failed, 1660 passed, ..., as those of the other tests
counted=$(tail -n 1 "$out.standard")
number() { echo "$counted" | grep -o "[0-9]* $1" | grep -o '[0-9]*' || echo 0; }
failed=$(($(number failed) + $(number error)))
[ $status -le 1 ] || failed=$((failed + 1))
echo "$(number passed) passed, $failed failed" >>"$out"
grep -v '^[0-9]* passed, ' "$out"
awk '/^[0-9]+ passed, / {p += $1; f += $3} END {printf "%d passed, %d failed\n", p, f; exit f > 0}' "$out"
status=$?
rm -rf "$out" "$out.one" "$out.standard" "$out.cache"
exit $status
