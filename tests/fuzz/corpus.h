/* corpus.h - inputs for the fuzz targets, derived from the inputs of other tests. */
#ifndef FV_TESTS_FUZZ_CORPUS_H
#define FV_TESTS_FUZZ_CORPUS_H

#include "tests/fuzz/fuzz.h"

typedef struct corpus corpus;
struct corpus {
    const char *root; /* of the source */
    /* folder of exported models and the standard's tests; NULL or missing: these are left out */
    const char *shared;
    /* the only target whose inputs are wanted; NULL: those of all targets */
    const char *target;
    void (*add)(corpus *c, const char *target, const uint8_t *data, size_t size);
    void *user;
};

/* Calls add with every input, in the same order every time. */
void corpus_walk(corpus *c);

#endif
