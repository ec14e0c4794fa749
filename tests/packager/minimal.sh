#!/usr/bin/env bash
# A build without everything that can be left out.
# Usage: minimal.sh ROOT BUILD
. "$(dirname "$0")/lib.sh"
setup "$root" b -Dllvm=disabled -Dlibelf=disabled -Dimages=disabled -Dlua=disabled -Dmpi=disabled -Ddocs=disabled >summary 2>&1
for option in llvm libelf images lua mpi docs fuzzers python tests; do
    try "the summary has $option" grep -Eq "^ +$option +: NO" summary
done
try 'build' ninja -C b --quiet || ends
for file in b/tools/fovea b/tools/libfovea.so b/runtime/libfovea-run.so; do
    readelf -d "$file" | grep NEEDED >needed
    try "$file needs none of them" sh -c '! grep -E "LLVM|elf|jpeg|png|webp|tiff|openjp|lua|mpi" needed'
done
try 'a model is interpreted' prints 'probs' b/tools/fovea run "$dates/dates.onnx" --data-set "$dates/test/test_data_set_0" \
    --expect "$dates/test/test_data_set_0"
try 'a model is compiled to C' b/tools/fovea compile "$dates/dates.onnx" -q -o dates.c
try 'the C is compiled' cc -std=c99 -O1 -march=native -I. "$dates/dates.c" dates.c -o dates
try 'and runs' prints '^1979-05-03$' sh -c 'echo "3 May 1979" | ./dates'
ends
