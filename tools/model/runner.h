/* runner.h - runs a model repeatedly with the same inputs. Buffers and threads are made once, so
 * that only the model's own run is timed. */
#ifndef FV_TOOLS_MODEL_RUNNER_H
#define FV_TOOLS_MODEL_RUNNER_H

#include "runtime/pool.h"
#include "tools/model/model.h"

/* A launch of a kernel in a traced run; times in milliseconds since the run began. */
typedef struct fv_event {
    int launch;
    double begin, end;
} fv_event;

typedef struct fv_runner {
    fv_subject *m;
    fv_pool *pool; /* pool of threads; NULL: runs use one thread */
    int threads;
    fv_env env; /* the environment of runs that are not traced */
    /* milliseconds of the first run with this number of threads, which touches pages and creates
     * buffers */
    double first_ms;
    const void **in;
    void **out;
    int64_t *out_dims, *capacity;
    void *workspace;
    size_t workspace_bytes;
    /* the launches of the last traced run */
    fv_event *events;
    int nevents, cap_events;
    double origin;
} fv_runner;

double fv_now_ms(void);

/* Runs the model once through the library, which reports errors. threads 0: as many as the machine
 * has. False after messages; must be closed in any case. */
bool fv_runner_open(fv_context *c, fv_subject *m, int threads, fv_runner *r) FV_MUST_USE;
void fv_runner_close(fv_runner *r);
/* Runs once; *ms: the time. False after a message. */
bool fv_runner_run(fv_context *c, fv_runner *r, double *ms) FV_MUST_USE;
/* Runs once as fv_runner_run does, and records each launch in r->events. */
bool fv_runner_trace(fv_context *c, fv_runner *r, double *ms) FV_MUST_USE;

/* The clock of traces, in milliseconds. */
typedef struct fv_trace_clock {
    double step;    /* the difference between two times that the clock can tell apart */
    double reading; /* the mean time that the trace of a launch has if the launch does nothing */
} fv_trace_clock;

/* Measures the clock; forgets the launches in r->events. */
fv_trace_clock fv_runner_clock(fv_runner *r);

#endif
