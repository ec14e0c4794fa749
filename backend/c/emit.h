/* emit.h - the C emitter: writes an expanded program as C99 that depends on nothing.
 *
 * For a path that ends in ".c" it writes `NAME.c` and `NAME.h`, and further files for weights that
 * are not text; for a path that ends in "/" a folder with sources, header, Makefile, self-test and,
 * on request, a thread pool. The bytes depend on program and options only. Files are written in a
 * temporary folder, and renamed when all are complete; if writing fails, no file was changed,
 * unless one of the renamings failed. A folder is refused if it contains files that are not in its
 * manifest. */
#ifndef FV_BACKEND_C_EMIT_H
#define FV_BACKEND_C_EMIT_H

#include "backend/consumer/weights.h"
#include "ir/kernel/program.h"
#include "runtime/fovea_model.h"

/* Runs the program in another way (with the interpreter), to compute the results that the self-test
 * expects.
 *  dims      a value for each symbol of the program
 *  inputs    the bytes that the self-test generates
 *  outputs   memory of the sizes that the plan reports
 *  out_dims, env  as in fv_run_fn
 * Returns the status of the run. */
typedef int (*fv_c_reference)(void *user, const fv_program *p, const int64_t *dims,
                              const void *const *inputs, void *const *outputs, int64_t *out_dims,
                              const fv_env *env);

/* The build system for which a folder is a library; each but PLAIN adds files of its own. */
typedef enum {
    FV_C_PLAIN,
    FV_C_CMAKE,
    FV_C_ARDUINO, /* without Makefile and self-test, which the Arduino builder would compile */
    FV_C_ZEPHYR,
    FV_C_ESP_IDF
} fv_c_layout;
const char *const *fv_c_layout_names(void); /* in the order of the enum, NULL terminated */
/* Sets *layout to the layout with this name; false: there is none. */
bool fv_c_layout_by_name(const char *name, fv_c_layout *layout) FV_MUST_USE;
/* May the folder, and with it the library, have this name? CMake reserves some names of targets. */
bool fv_c_layout_takes(fv_c_layout layout, const char *name) FV_MUST_USE;

/* What the header of code that LLVM makes needs to know besides the program. */
typedef struct fv_c_library {
    const char *file;         /* the name of the header, without .h */
    const char *weights_file; /* the name of the file of weights; NULL: there is none */
    /* the expanded programs for several targets, as in fv_llvm_options; nlevels 0: one target */
    const fv_program *const *levels;
    int nlevels;
} fv_c_library;

typedef struct fv_c_options {
    fv_c_layout layout; /* used only if the path is a folder */
    /* AUTO: TEXT up to 1 MiB. Larger weights are INCBIN in a folder, or TEXT if objects of the
     * target are not ELF, and an error for a pair of files, for which a kind must be chosen.
     *  TEXT    array initialisers
     *  INCBIN  NAME_weights.bin, and NAME_weights.S that includes it
     *  OBJECT  NAME_weights.o, for the target
     *  FILE    NAME.weights, which a run is given by its fv_env, and NAME_weights.c that maps it */
    fv_weights_kind weights;
    /* for a folder: whether it also gets a thread pool (pthreads), in a file of its own; not for
     * ARDUINO */
    bool threads;
    /* for a folder: dims of the self-test; NULL: 1, or a value with which the model runs, and a few
     * more sizes */
    const int64_t *test_dims;
    fv_c_reference reference; /* NULL: the self-test checks status, bounds and determinism only */
    void *reference_user;
    const fv_c_library *library; /* fv_c_library_header sets it; otherwise NULL */
} fv_c_options;

/* Writes the program. `o` NULL: default options. False after a diagnostic. */
bool fv_c_write(fv_session *s, const fv_program *p, const fv_c_options *o,
                const char *path) FV_MUST_USE;

/* The text of the header of an object or a library that LLVM makes, in the arena. Its functions are
 * those of a model with symbolic dims, NAME_plan and NAME_run, whatever dims the model has. Its
 * first line ends with FV_C_LIBRARY_HEADER, which no other header does. The program is expanded.
 * NULL: the name of the program or that of the header cannot be used in C. */
#define FV_C_LIBRARY_HEADER "the interface of a compiled library or object."
const char *fv_c_library_header(fv_session *s, fv_arena *a, const fv_program *p,
                                const fv_c_library *library);

/* Writes the functions of each kernel for people to read, without the helpers and types that they
 * use. out: p->nkernels texts in the arena, NULL for a kernel that is a call of the communicator.
 * False after a diagnostic. */
bool fv_c_kernels(fv_session *s, fv_arena *a, const fv_program *p, const char **out) FV_MUST_USE;

#endif
