/* matrix.h - bit equality among consumers: what the files of this folder share.
 *
 * A subject is a model with its data sets. For each target it is compiled once; the interpreter
 * with one thread gives the reference, and everyone else who can run code of that target has to
 * give the same bits: outcome.c compares, native.c runs in this process, foreign.c under
 * emulators. */
#ifndef FV_TESTS_MATRIX_H
#define FV_TESTS_MATRIX_H

#include <stdatomic.h>

#include "ir/kernel/program.h"
#include "runtime/fovea.h"
#include "tests/matrix/build.h"

/* ---- counting ---- */

/* Lies in memory shared with the processes that run the subjects. */
typedef struct tally {
    atomic_int passed, failed, skipped;
} tally;

/* ---- subjects: subject.c ---- */

typedef struct data_set {
    const char *name;
    fv_array *inputs;
} data_set;

typedef struct subject {
    fv_session *session;
    fv_arena *arena;
    tally *tally;
    const char *folder; /* as given: a folder with model.onnx, or an .onnx file */
    const char *model;
    const char *scratch; /* a folder for files, gone afterwards */
    build_cache *cache;
    bool naive, quick;
    int turn; /* quick: which of the variants takes part */
    data_set *sets;
    int nsets;
} subject;

/* The program for a target, expanded. NULL after a diagnostic. */
fv_program *subject_program(subject *s, const fv_target *t);
/* Inputs of all data sets; needs one program of the model. NULL, or what is wrong. */
const char *subject_read_sets(subject *s, const fv_model *m);
/* Is the model one that cannot be compiled because an operator is not in the catalogue? */
bool subject_is_unsupported(const subject *s);
const char *subject_error(const subject *s); /* the first error of the session */

/* `why` NULL: one more passed; else failed, with a line that names folder, variant, target. */
void subject_count(subject *s, const char *target, const char *variant, const char *why);

/* ---- what a run gives: outcome.c ---- */

typedef struct outcome {
    int status;
    int noutputs;
    fv_array *outputs; /* of status FV_OK */
    const char *said;  /* of another one */
} outcome;

/* Runs once with that number of threads. Outputs are allocated in the arena. */
outcome outcome_run(fv_arena *a, fv_artifact *artifact, const data_set *set, int threads);
/* NULL where the bits are equal (any NaN equals any NaN); else the first difference. */
const char *outcome_differs(fv_arena *a, const fv_model *m, const outcome *want,
                            const outcome *got);

extern const int thread_counts[]; /* 0 ends */

/* ---- one target ---- */

/* A model compiled for a target, with the results of the interpreter, one a data set. */
typedef struct reference {
    subject *subject;
    const fv_target *target;
    fv_program *program;
    const fv_model *model;
    outcome *want;
} reference;

/* Everyone in this process, as far as the target runs here. */
void native_check(reference *r);
/* Checks programs for the target under an emulator; does nothing if there is none for it. */
void foreign_check(reference *r);
/* Objects and libraries by LLVM leave no symbol undefined. */
void objects_check(reference *r);
/* Takes part in a quick run? Variants alternate from subject to subject. */
bool takes_turn(const subject *s, int variant, int nvariants);

/* Does someone compile and emulate for the target? Else says why not, once. */
const char *foreign_missing(const fv_target *t);

#endif
