/* job.h - the files that the runner (runner/runner.h) reads and writes. */
#ifndef FV_TESTS_MATRIX_JOB_H
#define FV_TESTS_MATRIX_JOB_H

#include "tests/matrix/matrix.h"

/* All data sets of the subject, at these thread counts (0 ends). */
bool job_write(const reference *r, const int *threads, const char *path);
size_t job_bytes(const reference *r);
/* Bytes of outputs and workspace of the largest set, roughly. */
size_t job_largest_run(const reference *r);

typedef struct job_result {
    fv_arena *arena;
    unsigned char *data;
    size_t bytes, at;
} job_result;

bool job_result_open(job_result *r, fv_arena *a, const char *path);
/* The outcome of the next run. False: the file ends, or makes no sense. */
bool job_result_next(job_result *r, const fv_model *m, outcome *out);

#endif
