# Runs random graphs: interpreter, JIT and generated C must give the same bits, and agree with the naive schedule within
# the bounds of docs/testing.md. FOVEA_GRAPHS is the number of graphs (28; 500 with FOVEA_ALL=1). Each family (loops and
# branches that data decide, images, attention) has three tenths as many in addition. The seed is always the same, so
# that a new failure comes from the change at hand; FOVEA_SEED sets another.
# Usage: graphs.sh BUILD
set -u
graphs=$1/tests/matrix/graphs
cache=${XDG_CACHE_HOME:+$XDG_CACHE_HOME/fovea-check}
if [ ! -x "$graphs" ]; then # built with libelf only, which the matrix needs
    echo "0 passed, 0 failed"
    exit 0
fi
[ "${FOVEA_ALL:-0}" = 0 ] && count=28 || count=500
count=${FOVEA_GRAPHS:-$count}
out=$(mktemp)
trap 'rm -f "$out"' EXIT
run() {
    "$graphs" --cache="${cache:-build/cache}" --seed="${FOVEA_SEED:-1}" -j"$(nproc)" "$@" | tee -a "$out" | grep -vE '^[0-9]+ passed, '
}
run --count="$count"
for family in branches images attention; do # few of a mixture, and many cases
    run --count=$((count * 3 / 10)) --family=$family
done
awk '/^[0-9]+ passed, [0-9]+ failed/ { runs++; p += $1; f += $3 } END { if (runs < 4) f++; print p + 0 " passed, " f + 0 " failed"; exit f > 0 }' "$out"
