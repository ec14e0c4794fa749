# Checks that the files, identifiers and options that comments and documents name exist; names.py explains how it
# decides that. It also searches a text with a wrong name of each kind, and must find each of them.
# Usage: names.sh [BUILD], build/gcc by default
set -u
set -- "${1:-build/gcc}"
passed=0 failed=0
planted=$(mktemp --suffix=.md)
trap 'rm -f "$planted"' EXIT
cat >"$planted" <<'T'
The list stands in `passes/no_such_folder/manager.c`, in `no_such_file.c`, and in passes/manager.lua.
It is made by `fv_no_such_function`, which returns FV_NO_SUCH_STATUS where FOVEA_NO_SUCH_VARIABLE is set; so is `fv_no_such_*`.
With --no-such-option it is printed; `fovea compile M --bisect` takes an option of another command.
T
out=$(python3 "$(dirname "$0")/names.py" --planted="$planted" "$1")
for name in passes/no_such_folder/manager.c no_such_file.c passes/manager.lua fv_no_such_function FV_NO_SUCH_STATUS \
    FOVEA_NO_SUCH_VARIABLE 'fv_no_such_\*' --no-such-option --bisect; do
    if echo "$out" | grep -q -- "^PLANTED .* $name\$"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED a stale name is not found: $name"
    fi
done
echo "$out" | grep '^FAILED'
line=$(echo "$out" | tail -n 1)
f=${line#*, }
case $line in
*' passed, '*' failed') passed=$((passed + ${line%% *})) failed=$((failed + ${f%% *})) ;;
*) failed=$((failed + 1)) && echo "FAILED names.py gives no result" ;;
esac
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
