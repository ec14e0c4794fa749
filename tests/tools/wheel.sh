# Tests the wheel of a build, installed in a folder of its own: it holds the libraries and the command, and runs without
# others; its name, its bytes, and what it says where LLVM or an instruction is missing.
# Usage: SCRIPT FOVEA ROOT PROTOC BUILD
. "$(dirname "$0")/lib.sh"
unset LD_LIBRARY_PATH # Meson sets it to folders of the build, where libraries of the wheel would be found
build=$4
python=
for p in python3 /usr/bin/python3; do
    "$p" -c 'import numpy' 2>/dev/null && python=$p && break
done
[ -n "$python" ] && command -v patchelf objdump >/dev/null || { echo 'skipped: the wheel needs numpy, patchelf and objdump'; exit 77; }
mkdir once twice site
for folder in once twice; do
    "$python" "$root/python/wheel_backend.py" "$build" $folder >out 2>err || tell "a wheel in $folder" no
done
wheel=$(basename once/*.whl)
cmp "once/$wheel" "twice/$wheel" >out 2>err && tell 'the same bytes' yes || tell 'the same bytes' no
echo "$wheel" >out
grep -Eq '^fovea-[0-9.]*-py3-none-manylinux_2_[0-9]+_[a-z0-9_]+\.whl$' out && tell 'its tag' yes || tell 'its tag' no
if "$python" -m pip --version >/dev/null 2>&1; then
    "$python" -m pip install -q --no-deps --no-index --target site "once/$wheel" >out 2>err && tell 'pip installs it' yes || tell 'pip installs it' no
    "$python" -m pip wheel -q --no-deps --no-build-isolation --config-settings=build="$build" -w twice/pip "$root/python" >out 2>err
    cmp "once/$wheel" "twice/pip/$wheel" >out 2>&1 && tell 'pip makes the same one' yes || tell 'pip makes the same one' no
else
    echo 'skipped: pip, which is not installed'
    "$python" -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall("site")' "once/$wheel"
    chmod +x site/fovea/fovea
fi
# every library is the system's C library, or a copy in the wheel
ldd site/fovea/libfovea.so.0 site/fovea/libfovea-run.so.0 site/fovea/fovea >out
grep -E '=> ' out | grep -vE '/(libc|libm|libdl|libpthread|libz|libgcc_s|libstdc\+\+)\.so|/fovea/(libs/|libfovea\.so)' >err
[ -s err ] && tell 'needs nothing of the system' no || tell 'needs nothing of the system' yes
grep -Eq 'not found' out && tell 'finds all libraries' no || tell 'finds all libraries' yes

unset FOVEA_LIBRARY
export PYTHONPATH=$work/site PYTHONDONTWRITEBYTECODE=1
cat >use.py <<'P'
import sys

import fovea
import numpy as np

s = fovea.Session(sys.argv[1])
text = np.zeros((1, 40), np.int32)
text[0, :10] = list(b"3 May 1979")
print("".join("0123456789-"[i] for i in s(text)[0].argmax(axis=1)))
P
dates=$root/examples/dates/dates.onnx
check 'runs a model' 0 '^1979-05-03$' "$python" use.py "$dates"
check 'has the command' 0 '^fovea 0' "$python" -m fovea --version
check 'finds it' 0 'probs' "$python" -c 'import sys, fovea; print(fovea.inspect(sys.argv[1])["outputs"])' "$dates"
[ -x site/bin/fovea ] && check 'installs the command' 0 '^fovea 0' "$python" site/bin/fovea --version
if "$fovea" compile "$dates" -q -o dates.so 2>err; then
    cc -shared -fPIC -O1 -D_GNU_SOURCE -o absent.so "$root/tests/tools/llvm_missing.c" -ldl || exit 1
    export LD_PRELOAD=$work/absent.so
    check 'without LLVM, interprets' 0 '^1979-05-03$' "$python" use.py "$dates"
    noted 'LLVM.*cannot be loaded.*the model is interpreted'
    check 'without LLVM, runs a compiled library' 0 '^1979-05-03$' "$python" use.py "$work/dates.so"
    [ ! -s err ] && tell 'and needs none for that' yes || tell 'and needs none for that' no
    unset LD_PRELOAD
fi
echo 'pni avx1024' >site/fovea/cpu_features
check 'a CPU that lacks an instruction' 1 'FV_BAD_CPU: this wheel of fovea was built for CPUs with avx1024, which this machine lacks; install one' \
    "$python" use.py "$dates"
finish
