#!/usr/bin/env bash
# A build without everything that can be left out.
# Usage: minimal.sh ROOT BUILD
. "$(dirname "$0")/lib.sh"
sources s
setup s -Dwerror=true -Dllvm=disabled -Dlibelf=disabled -Dimages=disabled -Dlua=disabled -Dmpi=disabled -Ddocs=disabled >summary 2>&1
for option in llvm libelf images lua mpi docs fuzzers python tests; do
    try "the summary has $option" grep -Eq "^ +$option +: NO" summary
done
try 'build' ninja -C s/build --quiet || ends
for file in s/build/tools/fovea s/build/tools/libfovea.so s/build/runtime/libfovea-run.so; do
    readelf -d "$file" | grep NEEDED >needed
    try "$file needs none of them" sh -c '! grep -E "LLVM|elf|jpeg|png|webp|tiff|openjp|lua|mpi" needed'
done
try 'a model is interpreted' prints 'probs' s/build/tools/fovea run "$dates/dates.onnx" --data-set "$dates/test/test_data_set_0" \
    --expect "$dates/test/test_data_set_0"
try 'a model is compiled to C' s/build/tools/fovea compile "$dates/dates.onnx" -q -o dates.c
try 'the C is compiled' cc -std=c99 -O1 -march=native -I. "$dates/dates.c" dates.c -o dates
try 'and runs' prints '^1979-05-03$' sh -c 'echo "3 May 1979" | ./dates'
ends
