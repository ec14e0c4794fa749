# Runs every operator in every version, with every element type for each type variable and with attributes that differ
# from their defaults: it is refused with a message, or the pipeline of -O2 and the naive schedule give the same values
# (tests/catalogue/types.c). Of versions other than the newest, one instance in 200 is tried, chosen by a seed that is
# always the same. FOVEA_SEED sets another seed; FOVEA_TYPES=N tries one instance in N; FOVEA_TYPES=1 and FOVEA_ALL=1
# try all.
# Usage: types.sh BUILD
set -u
types=$1/tests/catalogue/types
if [ ! -x "$types" ]; then # built with the unit tests only
    echo "0 passed, 0 failed"
    exit 0
fi
[ "${FOVEA_ALL:-0}" = 0 ] && share=200 || share=1
"$types" --seed="${FOVEA_SEED:-1}" --share="${FOVEA_TYPES:-$share}" -j"$(nproc)"
