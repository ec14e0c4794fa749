# Checks fovea.hpp, the examples of docs/cpp.md and docs/api.md as C++, and the programs of examples in C++: g++ and clang++ have no warning, and
# tests/checks/cpp.cpp passes with a sanitizer of memory.
# Usage: cpp.sh BUILD
set -u
build=$(realpath "$1")
export FOVEA_CACHE_DIR= # what is tested is compiled
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
# check NAME COMMAND...
check() {
    if "${@:2}" >"$work/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $1"
        head -n 20 "$work/log"
    fi
}
strict="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -fsyntax-only -Iruntime"
# examples DOCUMENT SUFFIX LEAST OUT [NAME]: writes them, of which there must be LEAST
examples() {
    n=$(python3 tests/checks/cpp.py "$1" "$2" "$build/tools/fovea" "$work/$4" ${5:+"$5"})
    [ "${n:-0}" -ge "$3" ]
}
check "examples of docs/api.md" examples docs/api.md c 14 c.cpp
check "examples of docs/cpp.md" examples docs/cpp.md cpp 5 cpp.cpp
check "the example without exceptions" examples docs/cpp.md cpp 1 plain.cpp plain
compilers=0
for compiler in g++ clang++-19 clang++; do
    command -v $compiler >/dev/null || continue
    compilers=$((compilers + 1))
    check "$compiler: docs/api.md as C++11" $compiler -std=c++11 -Wall -Wpedantic -Werror -fsyntax-only -Iruntime "$work/c.cpp"
    check "$compiler: docs/cpp.md" $compiler -std=c++17 $strict -Wno-return-type "$work/cpp.cpp"
    for program in examples/server/*.cpp examples/embed/*.cpp; do
        check "$compiler: $program" $compiler -std=c++17 $strict "$program"
    done
    check "$compiler: without exceptions" $compiler -std=c++17 $strict -fno-exceptions -fno-rtti "$work/plain.cpp"
    [ $compilers = 2 ] && break
done
check "a compiler for C++" [ $compilers -gt 0 ]
check "the header as C++20" g++ -std=c++20 $strict tests/checks/cpp.cpp
check "cpp.cpp compiles" g++ -std=c++17 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -g1 -fsanitize=address,undefined -Iruntime \
    tests/checks/cpp.cpp -L"$build/tools" -Wl,-rpath,"$build/tools" -lfovea -o "$work/cpp"
"$work/cpp" "$work" >"$work/log" 2>&1 || cat "$work/log"
counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$work/log")
counts=${counts:-0 1}
grep -q 'ERROR: ' "$work/log" && counts="0 1"
passed=$((passed + ${counts% *})) failed=$((failed + ${counts#* }))
echo "$passed passed, $failed failed"
[ $failed = 0 ]
