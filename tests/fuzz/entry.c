/* entry.c - what libFuzzer calls, for the target FUZZ_TARGET. */
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_run(fuzz_find(FUZZ_TARGET), data, size);
    return 0;
}

/* A quarter of the inputs are changed as bytes, with the words of the dictionary. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed) {
    size_t n = seed % 4 ? fuzz_mutate(fuzz_find(FUZZ_TARGET), data, size, max, seed) : 0;
    return n ? n : LLVMFuzzerMutate(data, size, max);
}
