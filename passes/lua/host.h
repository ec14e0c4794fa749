/* host.h - what a script asks of whoever runs it: files, and compiling, running and timing, which
 * are not in reach of passes.
 *
 * All are called with a door of the session open; answers are false (or NULL) after a diagnostic.
 * Members may be NULL: then the script is told that this is not there. Lists end with NULL; a list
 * that is NULL says nothing. */
#ifndef FV_PASSES_LUA_HOST_H
#define FV_PASSES_LUA_HOST_H

#include "ir/graph/graph.h"
#include "ir/schedule/tuning.h"

typedef enum {
    /* print; io.write; io.stderr */
    FV_LUA_PRINT,
    FV_LUA_OUT,
    FV_LUA_ERR
} fv_lua_stream;

/* A kernel that a script has written, which is verified; `line`: of the script, where it says
 * so. */
typedef struct fv_lua_kernel {
    const char *text, *path;
    int line;
} fv_lua_kernel;

/* How a module is compiled: as the options of that name of the command have it; NULL where the
 * script does not say. */
typedef struct fv_lua_how {
    const char *level, *schedule, *backend, *target, *processor;
    const char *const *passes, *const *enable, *const *disable; /* shipped passes */
    const char *const *dims;                                    /* in pairs: "n", "1..8" */
    const fv_tuning *schedules;                                 /* by nodes; NULL: as they come */
    const fv_lua_kernel *kernels;                               /* by hand */
    int nkernels;
} fv_lua_how;

typedef struct fv_lua_port {
    const char *name;
    fv_elem elem;
    int rank;
    const char *const *dims; /* as text, over symbols */
} fv_lua_port;

/* A module that was compiled: the head of what the host has of it. */
typedef struct fv_lua_compiled {
    int ninputs, noutputs;
    const fv_lua_port *inputs, *outputs;
} fv_lua_compiled;

/* What goes into a run. An input that is not there is random; a dim that neither inputs nor `dims`
 * decide is as in `fovea run`. */
typedef struct fv_lua_inputs {
    int n;
    const char *const *names;
    const fv_tensor *const *tensors;
    const char *const *dims; /* in pairs: "n", "8" */
    int seed, threads;       /* threads 0: as many as there are */
} fv_lua_inputs;

/* Milliseconds of a run. */
typedef struct fv_lua_timing {
    double min, q1, median, q3, max;
    int runs;
    double ratio; /* to the first of those that were timed together: the median over rounds */
} fv_lua_timing;

/* What launches cost, by the cost model (backend/cost.h). */
typedef struct fv_lua_launch {
    /* origin: the nodes that it comes from, with commas; schedule "": written by hand */
    const char *kernel, *origin, *schedule;
    /* false: a dim of it is known in the run only, and the rest is 0 */
    bool known;
    double operations, bytes, cycles;
} fv_lua_launch;

typedef struct fv_lua_cost {
    bool known; /* of all launches */
    /* all launches; operations on floats, bytes read and written, cycles of a core */
    double operations, bytes, cycles;
    /* bytes of inputs, outputs and constants that are touched at least once */
    double traffic;
    /* bytes of workspace: what is alive at a time, as it was placed */
    double memory;
    int nlaunches;
    const fv_lua_launch *launches;
} fv_lua_cost;

/* How far a tensor is from what is expected. */
typedef struct fv_lua_difference {
    /* types or dims differ: in words, and nothing else is filled in; NULL: they do not */
    const char *shape;
    size_t count, differing;
    /* the largest, relative -1: of none; the elements at `at` */
    double absolute, relative, got, want;
    uint64_t ulp;
    size_t at;
    bool nan[2], inf[2]; /* in what we got, in what is expected */
} fv_lua_difference;

typedef struct fv_lua_host {
    void *user;
    void (*write)(void *user, fv_lua_stream to, const char *text, size_t n);
    fv_module *(*load)(void *user, const char *path); /* a verified graph */
    /* into the folder that scripts write to */
    bool (*save)(void *user, const fv_module *m, const char *name);
    bool (*save_text)(void *user, const char *text, size_t n, const char *name);
    /* m is verified, stays as it is, and outlives what is made. *out is released by the caller also
     * where that failed or ran out of memory; NULL: there is nothing to release. */
    bool (*compile)(void *user, const fv_module *m, const fv_lua_how *how, fv_lua_compiled **out);
    void (*release)(fv_lua_compiled *c);
    /* noutputs, in the arena */
    bool (*run)(void *user, fv_lua_compiled *c, const fv_lua_inputs *in, fv_arena *a,
                fv_tensor *out);
    bool (*time)(void *user, fv_lua_compiled *const *list, int n, const fv_lua_inputs *in,
                 int rounds, double seconds, fv_lua_timing *out);
    bool (*cost)(void *user, fv_lua_compiled *c, const fv_lua_inputs *in, fv_arena *a,
                 fv_lua_cost *out);
    /* atol, rtol below 0: as in `fovea diff` */
    void (*differ)(fv_arena *a, const fv_tensor *got, const fv_tensor *want, double atol,
                   double rtol, fv_lua_difference *out);
} fv_lua_host;

#endif
