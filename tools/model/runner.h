/* runner.h - a model that is run again and again with the same inputs: buffers and threads are made
 * once, so that what is timed is the model's own run. */
#ifndef FV_TOOLS_MODEL_RUNNER_H
#define FV_TOOLS_MODEL_RUNNER_H

#include "runtime/pool.h"
#include "tools/model/model.h"

/* A launch of a kernel, in a run that was traced; milliseconds since the run began. */
typedef struct fv_event {
    int launch;
    double begin, end;
} fv_event;

typedef struct fv_runner {
    fv_subject *m;
    fv_pool *pool; /* NULL: one thread */
    int threads;
    fv_env env;      /* of runs that are not traced */
    double first_ms; /* the first run of this many threads: pages are touched, buffers made */
    const void **in;
    void **out;
    int64_t *out_dims, *capacity;
    void *workspace;
    size_t workspace_bytes;
    /* of the last traced run */
    fv_event *events;
    int nevents, cap_events;
    double origin;
} fv_runner;

double fv_now_ms(void);

/* Runs the model once through the library, which tells what is wrong. threads 0: as many as there
 * are. False after messages; close it in any case. */
bool fv_runner_open(fv_context *c, fv_subject *m, int threads, fv_runner *r) FV_MUST_USE;
void fv_runner_close(fv_runner *r);
/* One run; its milliseconds. False after a message. */
bool fv_runner_run(fv_context *c, fv_runner *r, double *ms) FV_MUST_USE;
/* The same, noting each launch in r->events. */
bool fv_runner_trace(fv_context *c, fv_runner *r, double *ms) FV_MUST_USE;

#endif
