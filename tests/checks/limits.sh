# Checks that what concerns speed changes no bit of a result: the family of processors, each of its properties
# (ir/target/machine.def), the limits of backend/lowering/speed.def and the parameters of schedules. Random graphs,
# those of image networks and of products with weights in any form are run with values drawn at random and with the
# default ones, for all targets of the table, and compared with the naive schedule (tests/matrix/graph_limits.c). The
# models of the shared folder, if it exists, are run with random limits and properties. Takes a sample; FOVEA_ALL=1
# takes 2000 graphs of each kind, all models and three draws. FV_SEED chooses other draws.
# Usage: limits.sh BUILD
set -u
cd "$(dirname "$0")/../.." || exit 1
graphs=$1/tests/matrix/graphs seed=${FV_SEED:-1} shared=${FOVEA_SHARED:-../shared} all=${FOVEA_ALL:-0}
if [ ! -x "$graphs" ]; then # built with libelf only, which the matrix needs
    echo "0 passed, 0 failed"
    exit 0
fi
first=$((seed * 3 % 1000000 + 1))
[ "$all" = 0 ] && count=50 every=14 draws=$first || count=2000 every=1 draws=$first,$((first + 1)),$((first + 2))
out=$(mktemp)
some=$(mktemp -d)
trap 'rm -rf "$out" "$some"' EXIT
: >"$out"
# shellcheck disable=SC2086
for family in "" --family=images --family=products; do
    "$graphs" --limits $family --count=$count --seed="$seed" -j"$(nproc)" | tee -a "$out" | grep -vE '^[0-9]+ passed, '
done
n=0
for model in "$shared"/models/*/; do
    [ -d "$model" ] && [ $(((n + seed) % every)) = 0 ] && ln -s "$(realpath "$model")" "$some/"
    n=$((n + 1))
done
echo "models: limits $draws"
python3 tools/scripts/bits.py "$1" "$1" --shared "$some" --targets x86-64-v3 --random-limits "$draws" | tee -a "$out" | grep -vE '^[0-9]+ passed, '
awk '/^[0-9]+ passed, [0-9]+ failed/ { runs++; p += $1; f += $3 } END { if (runs < 4) f++; print p + 0 " passed, " f + 0 " failed"; exit f > 0 }' "$out"
