/* fuzz.h - the fuzz targets: functions that read untrusted inputs, and check what must hold for
 * them.
 *
 * A target takes any bytes. It returns, or calls fuzz_finding, or a sanitizer or assert ends the
 * process. The session's door limits memory, and the interpreter limits work, so a timeout is a
 * finding, too. */
#ifndef FV_TESTS_FUZZ_H
#define FV_TESTS_FUZZ_H

#include "ir/kernel/program.h"

typedef struct fuzz_target {
    const char *name;
    const char *doc;
    void (*run)(fv_session *s, const uint8_t *data, size_t size);
    /* Changes the input in place, to `max` bytes at most; returns its new size, or 0: it found
     * nothing to change. NULL: bytes have no structure that is known. */
    size_t (*mutate)(fv_session *s, uint8_t *data, size_t size, size_t max, uint64_t seed);
} fuzz_target;

extern const fuzz_target fuzz_targets[]; /* ends with a NULL name */
const fuzz_target *fuzz_find(const char *name);

/* One input, in a session of its own that out of memory leaves by its door. */
void fuzz_run(const fuzz_target *t, const uint8_t *data, size_t size);
/* Mutates the input in place; returns the new size, or 0 if there is no mutation. */
size_t fuzz_mutate(const fuzz_target *t, uint8_t *data, size_t size, size_t max, uint64_t seed);

/* Tells what does not hold, with the session's messages, and aborts. */
_Noreturn void fuzz_finding(fv_session *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Random numbers: splitmix64. */
uint64_t fuzz_random(uint64_t *state);
uint64_t fuzz_below(uint64_t *state, uint64_t n);
uint64_t fuzz_hash(const void *data, size_t size);

/* ---- targets ---- */

void fuzz_onnx(fv_session *s, const uint8_t *data, size_t size);
void fuzz_graph(fv_session *s, const uint8_t *data, size_t size);
void fuzz_definitions(fv_session *s, const uint8_t *data, size_t size);
void fuzz_kernel(fv_session *s, const uint8_t *data, size_t size);
void fuzz_tuning(fv_session *s, const uint8_t *data, size_t size);
void fuzz_profile(fv_session *s, const uint8_t *data, size_t size);
void fuzz_npy(fv_session *s, const uint8_t *data, size_t size);
void fuzz_pb(fv_session *s, const uint8_t *data, size_t size);

/* ---- mutations ---- */

size_t fuzz_mutate_model(fv_session *s, uint8_t *data, size_t size, size_t max, uint64_t seed);
size_t fuzz_mutate_tensor(fv_session *s, uint8_t *data, size_t size, size_t max, uint64_t seed);
size_t fuzz_mutate_text(fv_session *s, uint8_t *data, size_t size, size_t max, uint64_t seed);

/* ---- what targets share ---- */

/* The input as text; NULL: it holds a byte 0, and no file that does is read as text. */
const char *fuzz_text(fv_arena *a, const uint8_t *data, size_t size);
/* What was printed parses and prints the same: where the texts first differ is a finding. */
void fuzz_same_text(fv_session *s, const char *once, const char *twice);
/* What must hold of a legal program, which is expanded: it prints, parses and prints the same, and
 * runs. */
void fuzz_program(fv_session *s, fv_program *p, bool trusted, uint64_t seed);

#endif
