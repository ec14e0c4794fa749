/* bench.h - the measurements of `fovea bench`: bench.c makes them, profile.c evaluates traced runs,
 * bench_report.c prints them. */
#ifndef FV_TOOLS_MEASURE_BENCH_H
#define FV_TOOLS_MEASURE_BENCH_H

#include "tools/data/compare.h"
#include "tools/measure/ort.h"
#include "tools/measure/roof.h"
#include "tools/model/rounds.h"
#include "tools/model/runner.h"

/* One side of the comparison: a model compiled by Fovea, or the model in another runtime. */
typedef struct fv_party {
    fv_contender turns;
    fv_context *c;
    fv_runner *ours;
    fv_ort *theirs;
} fv_party;

/* The time that one launch, or all launches of a kernel, took in the traced runs. */
typedef struct fv_profile_row {
    int launch; /* index of the launch; for a kernel that of its first launch */
    int launches;
    const char *kernel, *schedule, *nodes;
    const char *label; /* the nodes of all launches, shortened (labels.h); NULL: not known */
    double calls;      /* number of calls in one run */
    double ms;         /* milliseconds in one run: the median over the traced runs */
    /* milliseconds in one run: the least of each launch, added up. Times that the clock cannot tell
     * apart from the least one are averaged */
    double least;
    bool known; /* whether the numbers of operations and bytes are known */
    double flops, bytes;
    double predicted; /* milliseconds in one run by the cost model; negative: not known */
    double waiting;   /* the part of `predicted` in which a core waits for caches and memory */
} fv_profile_row;

/* The cost model is judged by the kernels that take more than FV_PROFILE_COUNTS of the time. A
 * prediction is good if it deviates by less than FV_PROFILE_NEAR from the least time, since the
 * peak from which it is made is the best of several measurements, too. */
#define FV_PROFILE_COUNTS 0.01
#define FV_PROFILE_NEAR   0.15

typedef struct fv_profile {
    int runs;
    fv_trace_clock clock;
    double run_ms;    /* median time of a whole traced run, in milliseconds */
    double kernel_ms; /* sum of the median times of all launches, in milliseconds */
    fv_profile_row *launches, *kernels; /* sorted by time, the slowest first */
    int nlaunches, nkernels;
    fv_event *events; /* launches of the fastest traced run */
    int nevents;
} fv_profile;

/* The measurements of one model with one number of threads. */
typedef struct fv_measurement {
    int threads, rounds;
    size_t workspace;
    double first_ms;
    /* the two sides; their runners and sessions are closed before results are printed */
    fv_party ours, theirs;
    fv_roof *roofs; /* measurements of the machine's peak, one for each round */
    fv_roof roof;   /* the best of these measurements */
    /* what the model is compared with, "onnxruntime 1.30.0" or "fovea c"; NULL: with nothing */
    const char *against;
    double against_load_ms;
    double ratio;               /* ratio of the median times, ours divided by theirs */
    double *ratios;             /* ratios of the rounds, sorted */
    fv_difference *differences; /* one entry for each output */
    fv_profile *profile;
} fv_measurement;

typedef struct fv_bench {
    fv_context *c;
    fv_subject m;
    bool costs_known;
    /* operations on floats in one run; bytes of inputs, outputs and constants */
    double flops, bytes;
    bool in_cache; /* whether `bytes` stay in a cache between runs, since it is large enough */
    /* largest resident memory in bytes, while compiling and while running; 0: the system does not
     * report it */
    double compile_peak, run_peak;
    fv_roof_memory *memory;
    /* another program of Fovea with which the model is compared; NULL: there is none */
    fv_subject *other;
    double other_ms; /* milliseconds of opening that program */
} fv_bench;

/* ---- bench_against.c ---- */

/* Is `against`, the argument of --against, a library of another runtime, and neither the name of a
 * backend nor a library that `fovea compile` made? False for NULL. */
bool fv_against_is_other(const char *against) FV_MUST_USE;
/* Opens the program that --against names, with m->threads threads; does nothing without the option.
 * False after a message. The other side must be closed in any case. */
bool fv_against_open(fv_bench *b, fv_measurement *m) FV_MUST_USE;
bool fv_against_compare(fv_bench *b, fv_measurement *m) FV_MUST_USE;
void fv_against_close(fv_measurement *m);

/* ---- profile.c ---- */

/* Traces some runs, and predicts the times of their launches for a machine with that roof, which is
 * measured again between the runs. NULL after a message: the model cannot be traced. */
fv_profile *fv_profile_take(fv_bench *b, fv_runner *r, const fv_roof *roof);
/* The number of kernels whose prediction is judged; *near: of how many of them it is good. */
int fv_profile_judged(const fv_profile *p, int *near);
/* Writes the launches of one run as a trace for chrome://tracing and Perfetto. False after a
 * message. */
bool fv_profile_write(fv_bench *b, const fv_profile *p, const char *path) FV_MUST_USE;
/* The first word of a kernel's schedule, such as "contract"; "": it has no schedule. */
const char *fv_profile_family(fv_arena *a, const fv_profile_row *row);

/* ---- bench_parts.c ---- */

/* Measures all ranks of a model in parts, which the folder contains. Prints the results, or adds
 * them to the list if it is not NULL; of several processes, that of rank 0 does. Returns the exit
 * status, after messages. */
int fv_bench_parts(fv_context *c, const char *folder, fv_backend_kind backend, json_t *results);

/* ---- bench_report.c ---- */

/* prints the results that do not depend on the number of threads */
void fv_print_bench(const fv_bench *b);
void fv_print_measurement(const fv_bench *b, const fv_measurement *m);
json_t *fv_json_measurement(const fv_bench *b, const fv_measurement *m);
/* The number of outputs that differ. */
int fv_count_differing(const fv_bench *b, const fv_measurement *m);

#endif
