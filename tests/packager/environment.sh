#!/usr/bin/env bash
# A wheel in a virtual environment, without a network.
# Usage: environment.sh ROOT BUILD
. "$(dirname "$0")/lib.sh"
python=
for p in /usr/bin/python3 python3; do
    "$p" -c 'import numpy, venv, ensurepip' 2>/dev/null && python=$p && break
done
[ -n "$python" ] && command -v patchelf >/dev/null || {
    echo 'skipped: a virtual environment, no python3 has numpy, venv and ensurepip, or there is no patchelf'
    ends
}
# programs of a network fail
export http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 PIP_NO_INDEX=1 PIP_DISABLE_PIP_VERSION_CHECK=1
try 'a wheel' "$python" "$root/python/wheel_backend.py" "$build" . || ends
try 'an environment' "$python" -m venv --system-site-packages v || ends
try 'install' v/bin/pip install -q ./*.whl || ends
cat >use.py <<'P'
import sys

import fovea
import numpy as np

text = np.zeros((1, 40), np.int32)
text[0, :10] = list(b"3 May 1979")
probs, = fovea.Session(sys.argv[1]).run(None, {"text": text})
print("".join("0123456789-"[i] for i in probs[0].argmax(axis=1)))
P
try 'Python compiles and runs a model' prints '^1979-05-03$' v/bin/python use.py "$dates/dates.onnx"
try 'the package is that of the environment' prints "^$work/v/" v/bin/python -c 'import fovea; print(fovea.__file__)'
try 'the command is there' prints '^fovea 0' v/bin/fovea --version
try 'it compiles to C' v/bin/fovea compile "$dates/dates.onnx" -q -o dates.c
try 'remove' v/bin/pip uninstall -q -y fovea
try 'and nothing is left' sh -c '! find v -name "*fovea*" | grep .'
ends
