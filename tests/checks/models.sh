# needs: shared
# Runs exported attention layers on all consumers, scheduled and with the naive schedule.
# Usage: models.sh BUILD
set -u
export FOVEA_CACHE_DIR= # what is tested is compiled
fovea=$1/tools/fovea
passed=0 failed=0
out=$(mktemp)
cc=$(mktemp)
trap 'rm -f "$out" "$cc"' EXIT
# Levels of the C compiler change no bit, which tests/checks/matrix.sh tests with these models; -O0 takes half the time of -O2.
printf '#!/bin/sh\nexec %s "$@" -O0\n' "${CC:-cc}" >"$cc"
chmod +x "$cc"
export CC=$cc
run() {
    "$fovea" test "$@" >"$out" 2>&1
    status=$?
    grep '^FAILED' "$out"
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$out" | tail -n 1)
    p=${line%% *} f=${line#*, }
    f=${f%% *}
    [ $status -le 1 ] || f=$((${f:-0} + 1))
    passed=$((passed + ${p:-0})) failed=$((failed + ${f:-1}))
}
models="$FOVEA_SHARED/models/mha_* $FOVEA_SHARED/models/aud_kwt_mcu"
# shellcheck disable=SC2086
{
    run $models --backend=jit,c,interp
    run $models --backend=jit,interp --schedule=naive
    run $models --backend=jit,interp --target=x86-64-v2
}
echo "$passed passed, $failed failed"
[ $failed = 0 ]
