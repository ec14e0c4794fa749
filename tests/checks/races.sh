# Builds the runtime with a sanitizer of races, and runs tests/runtime/races.c: runs at the same time share threads and
# workspaces. Skipped where the compiler has no such sanitizer.
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
sources=$(ls runtime/*.c | grep -v -e /library_windows.c -e /mpi.c) # of another system, and of MPI
# shellcheck disable=SC2086
if $cc -std=gnu11 -g -O1 -fsanitize=thread -D_GNU_SOURCE '-DFV_VERSION="races"' -I. tests/runtime/races.c $sources ir/base/quoted.c \
    ir/target/feature.c -lpthread -ldl -o "$program" && "$program"; then
    echo "1 passed, 0 failed"
else
    echo "FAILED races"
    echo "0 passed, 1 failed"
    exit 1
fi
