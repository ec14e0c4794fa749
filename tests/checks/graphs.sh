# Random graphs: interpreter, JIT and generated C give the same bits, and agree with the naive schedule
# as far as docs/testing.md says. The seed is always the same, so that a failure is of the change at
# hand; FOVEA_SEED chooses another, FOVEA_GRAPHS another number than 500. Usage: graphs.sh BUILD
set -u
graphs=$1/tests/matrix/graphs
cache=${XDG_CACHE_HOME:+$XDG_CACHE_HOME/fovea-check}
if [ ! -x "$graphs" ]; then # built with libelf only, which the matrix needs
    echo "0 passed, 0 failed"
    exit 0
fi
exec "$graphs" --cache="${cache:-build/cache}" --seed="${FOVEA_SEED:-1}" --count="${FOVEA_GRAPHS:-500}" -j"$(nproc)"
