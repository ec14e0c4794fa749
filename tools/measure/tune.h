/* tune.h - `fovea tune`: tune.c decides and reports, tune_kernels.c finds and orders the schedules
 * to try, tune_programs.c compiles programs and times their kernels. tune_predict.c chooses
 * schedules by the cost model alone. */
#ifndef FV_TOOLS_MEASURE_TUNE_H
#define FV_TOOLS_MEASURE_TUNE_H

#include "tools/driver/tuning.h"
#include "tools/measure/roof.h"
#include "tools/model/model.h"
#include "tools/model/runner.h"

typedef enum { FV_TUNE_FAILED, FV_TUNE_NO, FV_TUNE_YES } fv_tune_answer;

/* A schedule to try for a kernel; `done`: it was tried. */
typedef struct fv_tune_try {
    fv_schedule change; /* the parameters that it states differ from those of the kernel */
    fv_schedule whole;  /* all parameters */
    double predicted;   /* milliseconds in one run by the cost model; negative: not known */
    bool done;
} fv_tune_try;

/* A kernel of the model: all launches whose definitions have this key. */
typedef struct fv_tune_kernel {
    const char *key, *name, *formula;
    double ms;    /* measured milliseconds in one run of the default program */
    double now;   /* `ms` times the measured ratios of the schedules that were kept */
    double bound; /* least milliseconds in one run, by the peaks of arithmetic and memory */
    struct {
        fv_tune_try *all; /* the most promising first */
        int n, cap;
        fv_schedule of; /* the schedule of the kernel that each `change` changes */
        double base;    /* milliseconds in one run with `of` by the cost model; 0: not known */
    } tries;
} fv_tune_kernel;

/* Times, in milliseconds. */
typedef struct fv_tune_time {
    double begin, end; /* begin and end of tuning, on the clock */
    /* largest time of compiling a program, and of a round */
    double open_ms, pair_ms;
} fv_tune_time;

typedef struct fv_tuner {
    fv_context *c;
    const char *path;
    fv_backend_kind backend;
    fv_tune_time time;
    fv_tuning found;
    struct {
        fv_tune_kernel *all;
        int n, cap;
    } kernels; /* the kernels whose schedules are searched */
    fv_roof roof;
    int tried;    /* number of schedules that were tried */
    double ratio; /* ratio of the times with and without all schedules found; 0: not measured */
    json_t *list;
    const char *hash, *target;
    bool said;  /* whether messages about reading the model were printed, as by the first program */
    int status; /* the exit status of the command after a program failed */
    /* is_one: the program that is made next has schedules that are tried; is_unfit: it could not be
     * made with them, which ends nothing */
    struct {
        bool is_one, is_unfit;
    } trial;
} fv_tuner;

/* A program with given schedules, and the data to run it. */
typedef struct fv_tune_program {
    fv_context c;
    fv_subject m;
    fv_choices choices;
    fv_runner r;
    int block; /* number of runs in a round */
    /* in the last round: the least milliseconds of a run, and of each kernel of the tuner */
    double run_ms, *kernel_ms;
} fv_tune_program;

/* ---- tune_programs.c ---- */

typedef fv_tune_answer fv_tune_work(fv_tuner *t, fv_tune_program *p, void *arg);
/* Makes a program in a session of its own, and calls `work` with it. The messages of that session
 * are printed if it is the first program, or if it or `work` fails and `quiet` is not set. */
fv_tune_answer fv_tune_with(fv_tuner *t, const fv_tuning *with, bool quiet, fv_tune_work *work,
                            void *arg);
/* The choice for the kernel in the program; NULL: it has no such kernel. */
const fv_choice *fv_tune_choice(const fv_tune_program *p, const char *key);
/* Times both programs in turns; the second one first if `swap`. False after a message. */
bool fv_tune_round(fv_tuner *t, fv_tune_program *a, fv_tune_program *b, bool swap) FV_MUST_USE;
/* Are all outputs of the two programs equal, apart from the bits of NaNs? False after a message. */
bool fv_tune_same_outputs(fv_tune_program *a, fv_tune_program *b) FV_MUST_USE;

/* ---- tune_kernels.c ---- */

/* Finds the kernels of the default program that take the most time, and their bounds. False after
 * a message. */
bool fv_tune_find_kernels(fv_tuner *t, fv_tune_program *now) FV_MUST_USE;
/* Lists the schedules to try, which change one of those of `now`, in the order of the times that
 * the cost model predicts. */
void fv_tune_list(fv_tuner *t, fv_tune_program *now);
/* Is the kernel about as fast as its bound? */
bool fv_tune_is_near(const fv_tune_kernel *k) FV_MUST_USE;
/* The next schedule for the kernel; NULL: there is none, or the kernel is near its bound. */
fv_tune_try *fv_tune_next(const fv_tune_kernel *k);
/* The choice that made the kernel; NULL: nothing can be chosen for it. */
const fv_choice *fv_tune_choice_of(const fv_choices *all, const fv_kernel *kernel);
/* Lists schedules for the kernel, which change the schedule c: changes of one parameter or of the
 * tile, and then two of them together, the more promising ones first. */
void fv_tune_add_tries(fv_arena *a, fv_tune_kernel *k, const fv_choice *c, int threads);
/* The schedules `from` with one more change of a kernel, in the arena. */
fv_tuning fv_tune_changed(fv_arena *a, const fv_tuning *from, const fv_tune_kernel *k,
                          const fv_schedule *change);

/* The ending of a noun after that number. */
static inline const char *fv_tune_plural(int n) {
    return n == 1 ? "" : "s";
}

/* ---- tune_predict.c ---- */

/* `fovea tune --predict`: chooses the schedules that the cost model predicts to be clearly faster,
 * and runs nothing. Returns the exit status. */
int fv_tune_predict(fv_context *c);

#endif
