# Tests the Python package: tests/python, and the blocks of docs/python.md. FOVEA_PYTHON=/usr/bin/python3 chooses a
# python; by default it is the first one that has numpy.
# Usage: python.sh BUILD [PATTERN]
set -u
export FOVEA_CACHE_DIR= # what is tested is compiled
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
FOVEA_LIBRARY=$build/tools:$build/runtime PYTHONDONTWRITEBYTECODE=1 exec "$python" tests/python/run.py ${2:+"$2"}
