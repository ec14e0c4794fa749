/* internal.h - declarations shared by the files of the library and, for artifacts that are no
 * shared library, by the compiler. */
#ifndef FV_RUNTIME_INTERNAL_H
#define FV_RUNTIME_INTERNAL_H

#include <stdbool.h>

#include "fovea.h"
#include "ir/base/answer.h"

struct fv_artifact {
    const fv_model *model;
    /* The functions that plan and run: those of the table for a loaded library, others for the
     * interpreter. */
    int (*plan)(fv_artifact *a, const int64_t *dims, size_t *workspace, int64_t *out_dims);
    int (*run)(fv_artifact *a, const int64_t *dims, const void *const *inputs, void *const *outputs,
               int64_t *out_dims, void *workspace, size_t bytes, const fv_env *env);
    /* After a run that returned `status`: adds to the log where it stopped. NULL: not available. */
    void (*explain)(fv_artifact *a, int status, const fv_array *inputs, fv_log *log);
    /* content of the file of weights, for fv_env; NULL: the model needs none */
    const void *weights;
    size_t weights_bytes;
    void *program;                   /* argument of explain */
    void (*destroy)(fv_artifact *a); /* frees ctx; may be NULL */
    void *ctx;
    void (*release)(void *owner); /* frees owner, after destroy; may be NULL */
    void *owner;
    int shares_pools;                /* whether a run has used a shared pool: pool.h */
    struct fv_workspace *workspaces; /* workspaces that no run is using */
    uint64_t drawn;                  /* state of the seeds of runs (run_setup.c); 0: no run yet */
    void *lock;                      /* guards workspaces and drawn */
};

/* An artifact whose plan and run are those of the table. NULL: no memory. */
fv_artifact *fv_artifact_new(const fv_model *model);
/* Why a shared library must not be opened: the loader would crash or give a misleading message,
 * since it maps segments without a check that the file is long enough, and reading a missing part
 * raises SIGBUS. NULL: no fault is known. */
const char *fv_library_fault(const char *path);
/* Whether a library opened by dlopen contains that many bytes of the table. */
bool fv_table_is_in(void *lib, const fv_model *t, size_t bytes) FV_MUST_USE;
/* Whether it contains the whole text. */
bool fv_text_is_in(void *lib, const char *text) FV_MUST_USE;
/* fv_load of a library that is to be described, which may be one for a CPU with other features, and
 * whose file of weights may be missing. The artifact must not be run; it may be planned if
 * fv_artifact_lacking finds nothing that is missing here. */
int fv_load_described(const char *path, fv_log *log, fv_artifact **out) FV_MUST_USE;
/* The features of the library's target that this CPU lacks, or that the system refuses this
 * process: fv_target_lacking, or if there are none, fv_target_refused for code that uses registers
 * which the system gives only on request. Returns `text`; "": the library can run here. */
char *fv_artifact_lacking(fv_artifact *a, char *text, size_t size);
/* A text that the loaded library exports by that name; NULL: it has none. */
const char *fv_load_text(const fv_artifact *a, const char *name);
/* The name of a member of the table that points out of the library or has an invalid text, count or
 * type; NULL: all of it may be read. */
const char *fv_table_fault(void *lib, const fv_model *t);
/* Reports that the argument is NULL. Returns FV_BAD_ARGUMENT. */
int fv_log_missing(fv_log *l, const char *argument);
/* Adds an error, or a message of any severity (FV_LOG_). The text begins with the file, if there is
 * one, and the word of the severity. */
#ifdef __MINGW32__
#define FV_PRINTF gnu_printf
#else
#define FV_PRINTF printf
#endif
void fv_log_add(fv_log *l, const char *format, ...) __attribute__((format(FV_PRINTF, 2, 3)));
void fv_log_say(fv_log *l, int severity, const char *format, ...)
    __attribute__((format(FV_PRINTF, 3, 4)));
/* Adds the messages of another log; NULL: none. */
void fv_log_append(fv_log *to, const fv_log *from);
/* Reports a status about which nothing has been reported since the log had `said` messages. Returns
 * the status. */
int fv_log_status(int status, size_t said, fv_log *log);
/* The number of messages that the log has got so far, those that were cleared included. */
size_t fv_log_count(const fv_log *l);

/* The name of an ONNX type number: "f32"; "?": unknown. */
const char *fv_type_text(int32_t type);
/* The size of an element in bytes; 0 if several share a byte, or it has no fixed size. */
size_t fv_type_bytes(int32_t type);
/* The alignment of its elements in bytes; 1 if unknown. */
size_t fv_type_align(int32_t type);
/* "f32[2, 3]", truncated if it does not fit. Returns `text`. */
char *fv_array_text(const fv_array *a, char *text, size_t size);
/* Checks that an argument called `name` is a dense array of the type, with aligned data if it has
 * elements. Returns FV_OK, or FV_BAD_ARGUMENT after a message. */
int fv_check_dense(const fv_array *x, const char *name, int32_t type, fv_log *log) FV_MUST_USE;

/* ---- dims: dims.c ---- */

/* the upper bound of symbols without one: FV_DIM_MAX of ir/dim/dim.h */
#define FV_DIM_MAX (INT64_C(1) << 40)

/* Finds values of the model's symbols from the shapes of inputs.
 *  given  which inputs are present; NULL: all. Their types and ranks are checked
 *  dims   out: nsymbols values; known: set to 1 for symbols that an input determines, else
 * unchanged
 * Returns FV_OK; FV_BAD_ARGUMENT, FV_BAD_DIM after a message; FV_NO_MEMORY. */
int fv_find_dims(const fv_model *m, const fv_array *inputs, const unsigned char *given,
                 int64_t *dims, unsigned char *known, fv_log *log) FV_MUST_USE;
/* Checks that the given inputs have the dims that follow from the symbols, and that each symbol is
 * within its bounds. */
int fv_check_dims(const fv_model *m, const fv_array *inputs, const unsigned char *given,
                  const int64_t *dims, fv_log *log) FV_MUST_USE;
/* Both, for all inputs; a symbol that no input determines gets its lower bound. */
int fv_solve_dims(const fv_model *m, const fv_array *inputs, int64_t *dims,
                  fv_log *log) FV_MUST_USE;
/* Evaluates a dim's text with the symbols' values; 0 if it cannot be evaluated. dims NULL: the
 * values are not known. */
int fv_eval_dim_text(const fv_model *m, const int64_t *dims, const char *text, int64_t *out);
/* The largest value of a dim's text, while the symbols are within their bounds; 0 if it cannot be
 * computed. */
int fv_bound_dim_text(const fv_model *m, const char *text, int64_t *out);
/* " where batch = 3, seq = 4": all symbols, or "" if there is none. Truncated if it does not
 * fit. */
void fv_name_dims(const fv_model *m, const int64_t *dims, char *out, size_t size);
/* The index of the symbol if the dim's text is just a symbol, else -1. */
int fv_dim_text_symbol(const fv_model *m, const char *text);
/* The index of a symbol in the dim's text that has no value, `known` being 1 for those that have
 * one; -1: there is none. */
int fv_dim_text_unknown(const fv_model *m, const char *text, const unsigned char *known);

#endif
