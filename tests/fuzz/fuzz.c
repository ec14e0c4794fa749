/* fuzz.c - the table of targets, and functions that they share. */
#include "tests/fuzz/fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/diag.h"

enum { MEMORY = 256 << 20 };

const fuzz_target fuzz_targets[] = {
    {"onnx", "ONNX models: import, passes, lowering, a run", fuzz_onnx, fuzz_mutate_model},
    {"graph", "texts of graph IR: the same from the parser on", fuzz_graph, fuzz_mutate_text},
    {"definitions", "texts of definitions: verifier, printer, lowering, a run", fuzz_definitions,
     fuzz_mutate_text},
    {"kernel", "texts of kernels and programs: verifier, printer, expansion, a run", fuzz_kernel,
     fuzz_mutate_text},
    {"tuning", "tuning files: read, printed, read again", fuzz_tuning, fuzz_mutate_text},
    {"profile", "profiles of machines: read, printed, read again", fuzz_profile, fuzz_mutate_text},
    {"npy", "numpy's files: read, written, read again", fuzz_npy, NULL},
    {"pb", "TensorProto: read, written, read again", fuzz_pb, fuzz_mutate_tensor},
    {0}};

const fuzz_target *fuzz_find(const char *name) {
    for (const fuzz_target *t = fuzz_targets; t->name; t++)
        if (!strcmp(t->name, name))
            return t;
    return NULL;
}

_Noreturn void fuzz_finding(fv_session *s, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("finding: ", stderr);
    vfprintf(stderr, format, args);
    fputs("\n", stderr);
    va_end(args);
    for (const fv_message *m = fv_messages(s); m; m = m->next)
        fprintf(stderr, "  %s\n", m->text);
    abort();
}

void fuzz_run(const fuzz_target *t, const uint8_t *data, size_t size) {
    fv_session *s = fv_session_new();
    fv_door door;
    fv_session_limit(s, MEMORY);
    if (!FV_DOOR_OPEN(s, &door)) {
        t->run(s, data, size);
        fv_door_close(s, &door);
    }
    fv_session_free(s);
}

size_t fuzz_mutate(const fuzz_target *t, uint8_t *data, size_t size, size_t max, uint64_t seed) {
    fv_session *s = fv_session_new();
    fv_door door;
    volatile size_t n = 0;
    fv_session_limit(s, MEMORY);
    if (t->mutate && !FV_DOOR_OPEN(s, &door)) {
        n = t->mutate(s, data, size, max, seed);
        fv_door_close(s, &door);
    }
    fv_session_free(s);
    return n;
}

const char *fuzz_text(fv_arena *a, const uint8_t *data, size_t size) {
    return size && memchr(data, 0, size) ? NULL
                                         : fv_strndup(a, size ? (const char *)data : "", size);
}

void fuzz_same_text(fv_session *s, const char *once, const char *twice) {
    while (*once && *twice) {
        size_t n = strcspn(once, "\n"), m = strcspn(twice, "\n");
        if (n != m || memcmp(once, twice, n))
            break;
        once += n + (once[n] != 0);
        twice += m + (twice[m] != 0);
    }
    if (*once || *twice)
        fuzz_finding(s, "prints differently the second time:\n%.*s\n%.*s", (int)strcspn(once, "\n"),
                     once, (int)strcspn(twice, "\n"), twice);
}

uint64_t fuzz_random(uint64_t *state) {
    uint64_t x = *state += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

uint64_t fuzz_below(uint64_t *state, uint64_t n) {
    return n ? fuzz_random(state) % n : 0;
}

uint64_t fuzz_hash(const void *data, size_t size) { /* FNV-1a */
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < size; i++)
        h = (h ^ ((const uint8_t *)data)[i]) * UINT64_C(1099511628211);
    return h;
}
