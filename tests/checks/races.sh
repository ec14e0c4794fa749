# Builds the runtime with a sanitizer of races, and runs tests/runtime/races.c: runs at the same time share threads and
# workspaces. Then builds libfovea with it, in BUILD/races-build, and runs tests/tools/races.c: threads that compile, load and
# run at the same time. Skipped where the compiler has no such sanitizer.
# Usage: races.sh BUILD
set -u
cc=${CC:-cc}
program=$1/races
echo 'int main(void) { return 0; }' >"$program.c"
if ! $cc -fsanitize=thread "$program.c" -o "$program" 2>/dev/null || ! "$program"; then
    echo "skipped: $cc has no sanitizer of races that runs here"
    echo "0 passed, 0 failed"
    exit 0
fi
passed=0 failed=0
count() { # NAME STATUS
    if [ "$2" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "FAILED $1"; fi
}
sources=$(ls runtime/*.c | grep -v -e /library_windows.c -e /mpi.c) # of another system, and of MPI
# shellcheck disable=SC2086
$cc -std=gnu11 -g -O1 -fsanitize=thread -D_GNU_SOURCE '-DFV_VERSION="races"' -I. tests/runtime/races.c $sources ir/base/quoted.c \
    ir/target/feature.c -lpthread -ldl -o "$program" && "$program"
count races $?

build=$1/races-build log=$1/races.log
if [ -f "$build/build.ninja" ] ||
    meson setup "$build" --buildtype=plain -Db_sanitize=thread -Db_lundef=false '-Dc_args=-O1 -g1' >"$log" 2>&1; then
    if ninja -C "$build" -t query tests/tools/fovea-races >/dev/null 2>&1; then
        ninja -C "$build" tests/tools/fovea-races >"$log" 2>&1 &&
            meson test -C "$build" --no-rebuild --timeout-multiplier 4 --print-errorlogs 'tools races' >>"$log" 2>&1
        status=$?
        [ $status = 0 ] || tail -n 100 "$log"
        count 'races of the compiler' $status
    else
        echo 'skipped: the compiler, this build has no LLVM'
    fi
else
    tail -n 20 "$log"
    count 'the build with the sanitizer' 1
fi
echo "$passed passed, $failed failed"
[ $failed = 0 ]
