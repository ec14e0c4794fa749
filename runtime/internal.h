/* internal.h - what the files of the library share, and what the compiler adds to it: artifacts
 * that are no shared library. */
#ifndef FV_RUNTIME_INTERNAL_H
#define FV_RUNTIME_INTERNAL_H

#include <stdbool.h>

#include "fovea.h"
#include "ir/base/answer.h"

struct fv_artifact {
    const fv_model *model;
    /* How to plan and run; a loaded library calls its table, the interpreter its own. */
    int (*plan)(fv_artifact *a, const int64_t *dims, size_t *workspace, int64_t *out_dims);
    int (*run)(fv_artifact *a, const int64_t *dims, const void *const *inputs, void *const *outputs,
               int64_t *out_dims, void *workspace, size_t bytes, const fv_env *env);
    /* After a run that returned `status`: says in the log where it stopped. NULL: nobody knows. */
    void (*explain)(fv_artifact *a, int status, const fv_array *inputs, fv_log *log);
    const void *weights; /* the file of weights, for fv_env; NULL: the model needs none */
    size_t weights_bytes;
    void *program;                   /* explain's */
    void (*destroy)(fv_artifact *a); /* what ctx holds; NULL: nothing */
    void *ctx;
    void (*release)(void *owner); /* after destroy; NULL: nothing */
    void *owner;
    struct fv_pool_list *pools;      /* one for each number of threads that a run has asked for */
    struct fv_workspace *workspaces; /* that no run uses now */
    void *lock;                      /* of pools and workspaces, and of explain */
};

/* An artifact whose plan and run are those of the table. NULL: no memory. */
fv_artifact *fv_artifact_new(const fv_model *model);
/* What keeps a shared library from being opened, where the loader would crash or mislead: it maps
 * segments without asking whether the file has them, and reading one that is cut off is SIGBUS.
 * NULL: nothing that is known; the loader decides. */
const char *fv_library_fault(const char *path);
/* Does a library that dlopen opened hold that many bytes of the table? */
bool fv_table_is_in(void *lib, const fv_model *t, size_t bytes) FV_MUST_USE;
/* The member of the table that leads out of the library, or is no text, count or type; NULL: all of
 * it may be read. */
const char *fv_table_fault(void *lib, const fv_model *t);
/* Says that the argument is NULL. Returns FV_BAD_ARGUMENT. */
int fv_log_missing(fv_log *l, const char *argument);
void fv_log_add(fv_log *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "f32", "?": of an ONNX type number. */
const char *fv_type_text(int32_t type);
/* What addresses of its elements are multiples of; 1 where nobody knows. */
size_t fv_type_align(int32_t type);
/* "f32[2, 3]"; cut where it does not fit. Returns `text`. */
char *fv_array_text(const fv_array *a, char *text, size_t size);

/* ---- dims: dims.c ---- */

/* Values of the model's symbols from the shapes of inputs.
 *  given  which inputs are there; NULL: all. Types and ranks of those are checked
 *  dims   nsymbols values, out; known: set to 1 where an input told it, else untouched
 *  Returns FV_OK; FV_BAD_ARGUMENT, FV_BAD_DIM after a message; FV_NO_MEMORY. */
int fv_find_dims(const fv_model *m, const fv_array *inputs, const unsigned char *given,
                 int64_t *dims, unsigned char *known, fv_log *log) FV_MUST_USE;
/* Do the inputs that are given have the dims that follow from the symbols, each within its
 * bounds? */
int fv_check_dims(const fv_model *m, const fv_array *inputs, const unsigned char *given,
                  const int64_t *dims, fv_log *log) FV_MUST_USE;
/* Both, for all inputs; a symbol that no input tells is the lowest that it may be. */
int fv_solve_dims(const fv_model *m, const fv_array *inputs, int64_t *dims,
                  fv_log *log) FV_MUST_USE;
/* Evaluates a dim's text with the symbols' values; 0 where it cannot. */
int fv_eval_dim_text(const fv_model *m, const int64_t *dims, const char *text, int64_t *out);
/* " where batch = 3, seq = 4": all symbols, or "" where there is none. Cut where it does not
 * fit. */
void fv_name_dims(const fv_model *m, const int64_t *dims, char *out, size_t size);
/* The symbol that a dim's text is, or -1. */
int fv_dim_text_symbol(const fv_model *m, const char *text);

#endif
