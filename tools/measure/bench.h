/* bench.h - what `fovea bench` has measured: bench.c fills it in, profile.c digests traced runs,
 * bench_report.c prints. */
#ifndef FV_TOOLS_MEASURE_BENCH_H
#define FV_TOOLS_MEASURE_BENCH_H

#include "tools/data/compare.h"
#include "tools/measure/ort.h"
#include "tools/measure/roof.h"
#include "tools/model/rounds.h"
#include "tools/model/runner.h"

/* Whoever takes part: a model of ours, or the other runtime's. */
typedef struct fv_party {
    fv_contender turns;
    fv_context *c;
    fv_runner *ours;
    fv_ort *theirs;
} fv_party;

/* What one launch, or all launches of a kernel, took in the traced runs. */
typedef struct fv_profile_row {
    int launch; /* its number; of a kernel: of its first launch */
    int launches;
    const char *kernel, *schedule, *nodes;
    double calls; /* in one run */
    double ms;    /* in one run: the median over traced runs */
    bool known;   /* flops and bytes are */
    double flops, bytes;
} fv_profile_row;

typedef struct fv_profile {
    int runs;
    double run_ms;                      /* median of the traced runs, whole */
    double kernel_ms;                   /* the sum of all launches' medians */
    fv_profile_row *launches, *kernels; /* sorted: the slowest first */
    int nlaunches, nkernels;
    fv_event *events; /* of the fastest traced run */
    int nevents;
} fv_profile;

/* One model with one number of threads. */
typedef struct fv_measurement {
    int threads, rounds;
    size_t workspace;
    double first_ms;
    fv_party ours, theirs; /* runner and session are closed when it is printed */
    fv_roof *roofs;        /* one a round */
    fv_roof roof;          /* the best */
    const char *against;   /* "onnxruntime 1.30.0", "fovea c"; NULL: there is nobody */
    double against_load_ms;
    double ratio;               /* of the medians, ours over theirs */
    double *ratios;             /* of each round; sorted */
    fv_difference *differences; /* one an output */
    fv_profile *profile;
} fv_measurement;

typedef struct fv_bench {
    fv_context *c;
    fv_subject m;
    bool costs_known;
    double flops, bytes;           /* of one run; bytes of inputs, outputs and constants */
    bool in_cache;                 /* they stay in a cache from run to run */
    double compile_peak, run_peak; /* bytes resident at most; 0: the system does not tell */
    fv_roof_memory *memory;
    fv_subject *other; /* of ours that we are compared with, or NULL */
    double other_ms;   /* what opening it took */
} fv_bench;

/* ---- bench_against.c ---- */

/* Is it neither a backend's name nor a library that `fovea compile` made? */
bool fv_against_is_other(const char *against) FV_MUST_USE;
/* Whom --against names, with m->threads threads; nobody where it was not given. False after a
 * message; close in any case. */
bool fv_against_open(fv_bench *b, fv_measurement *m) FV_MUST_USE;
bool fv_against_compare(fv_bench *b, fv_measurement *m) FV_MUST_USE;
void fv_against_close(fv_measurement *m);

/* ---- profile.c ---- */

/* Traces some runs. False after a message; NULL where the model cannot be traced, after a message
 * too. */
fv_profile *fv_profile_take(fv_bench *b, fv_runner *r);
/* The launches of one run, for chrome://tracing and Perfetto. False after a message. */
bool fv_profile_write(fv_bench *b, const fv_profile *p, const char *path) FV_MUST_USE;
/* The first word of a schedule: "contract"; "" where there is none. */
const char *fv_profile_family(fv_arena *a, const fv_profile_row *row);

/* ---- bench_report.c ---- */

void fv_print_bench(const fv_bench *b); /* the model */
void fv_print_measurement(const fv_bench *b, const fv_measurement *m);
json_t *fv_json_measurement(const fv_bench *b, const fv_measurement *m);
/* Outputs that differ. */
int fv_count_differing(const fv_bench *b, const fv_measurement *m);

#endif
