/* host.h - functions that the program which runs a script provides: files, compiling, running and
 * timing, which passes alone cannot do.
 *
 * Those that can fail are called with a door of the session open, and return false (or NULL) after
 * a diagnostic. A member may be NULL; a script that needs it gets an error. Lists end with NULL; a
 * list that is NULL is empty. */
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

/* A kernel of a script; `line`: the line of the script that declares it. Those of fv.kernel are
 * verified, those of fv.compile are not yet. */
typedef struct fv_lua_kernel {
    const char *text, *path;
    int line;
} fv_lua_kernel;

/* How a module is compiled, by options with the names of those of the command; NULL: the script
 * does not set the option. */
typedef struct fv_lua_how {
    const char *level, *schedule, *backend, *target, *processor;
    /* names of shipped passes, and names as --enable and --disable take them */
    const char *const *passes, *const *enable, *const *disable;
    const char *const *relax; /* names of --relax */
    /* pairs of name and value: "n", "1..8" */
    const char *const *dims;
    /* schedules by node; NULL: the defaults */
    const fv_tuning *schedules;
    const fv_lua_kernel *kernels; /* kernels that the script wrote */
    int nkernels;
} fv_lua_how;

typedef struct fv_lua_port {
    const char *name;
    fv_elem elem;
    int rank;
    const char *const *dims; /* the dims as texts over symbols */
} fv_lua_port;

/* A compiled module: the head of the structure that the host keeps for it. */
typedef struct fv_lua_compiled {
    int ninputs, noutputs;
    const fv_lua_port *inputs, *outputs;
} fv_lua_compiled;

/* The arguments of a run. A missing input is random; a dim that neither inputs nor `dims` decide is
 * chosen as by `fovea run`. */
typedef struct fv_lua_inputs {
    int n;
    const char *const *names;
    const fv_tensor *const *tensors;
    const char *const *dims; /* pairs of name and value: "n", "8" */
    int seed, threads;       /* threads 0: as many as there are */
} fv_lua_inputs;

/* Times of a run in milliseconds. */
typedef struct fv_lua_timing {
    double min, q1, median, q3, max;
    int runs;
    int won; /* the number of rounds in which it took less time than the first module */
    /* the time relative to that of the first module of the comparison: the median of the ratios of
     * all rounds */
    double ratio;
} fv_lua_timing;

/* The cost of a launch by the cost model (backend/cost/cost.h). */
typedef struct fv_lua_launch {
    /* origin: the nodes that the kernel comes from, separated by commas; schedule "": the kernel
     * was written by hand */
    const char *kernel, *origin, *schedule;
    /* false: a dim of the launch is only known at run time, and the costs are 0 */
    bool known;
    double operations, bytes, cycles;
} fv_lua_launch;

typedef struct fv_lua_cost {
    bool known; /* whether all launches are known */
    /* sums over all launches: operations on floats, bytes read and written, cycles of a core */
    double operations, bytes, cycles;
    /* bytes of inputs, outputs and constants that are touched at least once */
    double traffic;
    /* bytes of the workspace, as placed */
    double memory;
    int nlaunches;
    const fv_lua_launch *launches;
} fv_lua_cost;

/* The measured time of a launch in one run, in milliseconds. */
typedef struct fv_lua_measured {
    const char *kernel, *origin, *schedule; /* as in fv_lua_launch */
    double calls;                           /* the number of calls in a run */
    double median, min;                     /* the median and the least of the times of all runs */
    double predicted;                       /* by the cost model; negative: not known */
} fv_lua_measured;

typedef struct fv_lua_profile {
    int runs;
    double median; /* of a whole run, in milliseconds */
    int nlaunches;
    const fv_lua_measured *launches; /* the slowest first */
} fv_lua_profile;

/* The difference between a tensor and the expected one. */
typedef struct fv_lua_difference {
    /* how types or dims differ, or that elements of the type cannot be compared, in words; then the
     * other members have no meaning. NULL: the elements were compared */
    const char *shape;
    size_t count, differing;
    /* the largest differences, relative -1: there is none; the elements at `at` */
    double absolute, relative, got, want;
    /* the root of the mean of the squared differences; the largest difference divided by the range
     * of the expected elements; the cosine of the angle between both as vectors. NaN: undefined */
    double rms, of_range, cosine;
    uint64_t ulp;
    size_t at;
    bool nan[2], inf[2]; /* has a NaN, an infinity: [0] the tensor, [1] the expected one */
} fv_lua_difference;

typedef struct fv_lua_host {
    void *user;
    void (*write)(void *user, fv_lua_stream to, const char *text, size_t n);
    fv_module *(*load)(void *user, const char *path); /* reads a verified graph */
    /* reads a tensor from a file within the folders that the user names; in the arena */
    const fv_tensor *(*read_tensor)(void *user, const char *name, fv_arena *a);
    /* writes into the output folder of the script */
    bool (*save)(void *user, const fv_module *m, const char *name);
    bool (*save_text)(void *user, const char *text, size_t n, const char *name);
    /* Compiles m, which is verified, is not changed, and outlives the result. The caller also
     * releases *out if this failed or ran out of memory; NULL: there is nothing to release. */
    bool (*compile)(void *user, const fv_module *m, const fv_lua_how *how, fv_lua_compiled **out);
    void (*release)(fv_lua_compiled *c);
    /* noutputs tensors, allocated in the arena */
    bool (*run)(void *user, fv_lua_compiled *c, const fv_lua_inputs *in, fv_arena *a,
                fv_tensor *out);
    bool (*time)(void *user, fv_lua_compiled *const *list, int n, const fv_lua_inputs *in,
                 int rounds, double seconds, fv_arena *a, fv_lua_timing *out);
    bool (*cost)(void *user, fv_lua_compiled *c, const fv_lua_inputs *in, fv_arena *a,
                 fv_lua_cost *out);
    bool (*profile)(void *user, fv_lua_compiled *c, const fv_lua_inputs *in, fv_arena *a,
                    fv_lua_profile *out);
    /* atol, rtol below 0: the defaults of `fovea diff` */
    void (*differ)(fv_arena *a, const fv_tensor *got, const fv_tensor *want, double atol,
                   double rtol, fv_lua_difference *out);
} fv_lua_host;

#endif
