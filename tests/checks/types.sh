# Every operator in every version, with every element type for its type variables and attributes that are not the
# defaults: refused with a message, or the same values from the pipeline of -O2 and from the naive schedule
# (tests/catalogue/types.c). Of what is not the newest version one instance of 100 is tried, which the seed chooses, always
# the same one; FOVEA_SEED gives another seed, FOVEA_TYPES another share, of which 1 is all (as is FOVEA_ALL=1). Usage: types.sh BUILD
set -u
types=$1/tests/catalogue/types
if [ ! -x "$types" ]; then # built with the unit tests only
    echo "0 passed, 0 failed"
    exit 0
fi
[ "${FOVEA_ALL:-0}" = 0 ] && share=100 || share=1
"$types" --seed="${FOVEA_SEED:-1}" --share="${FOVEA_TYPES:-$share}" -j"$(nproc)"
