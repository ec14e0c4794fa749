/* llvm.h - expanded programs through LLVM: objects, libraries, text, and code in memory.
 *
 * One emission serves all: a module with a function per kernel, the run, the plan and the table of
 * fv_model. A file refers to no symbol outside (on microcontrollers to arithmetic helpers of the
 * compiler), so a program that calls library functions is refused; code in memory has them.
 * Constants never enter LLVM: objects get them as a section of their own, code in memory reaches
 * them where they are.
 *
 * Needs a legal, expanded program. LLVM itself ends the process when it runs out of memory. */
#ifndef FV_BACKEND_LLVM_H
#define FV_BACKEND_LLVM_H

#include "backend/consumer/consumer.h"
#include "backend/consumer/weights.h"
#include "backend/have.h"

/* Says why LLVM cannot be used, as when its library is not installed; NULL: it can. The first call
 * loads the library, which takes tens of milliseconds. In a build without LLVM, where FV_HAVE_LLVM
 * is 0, nothing else is defined. */
#if FV_HAVE_LLVM
const char *fv_llvm_missing(void);
#else
static inline const char *fv_llvm_missing(void) {
    return "this fovea was built without LLVM";
}
#endif
/* Loads LLVM's library; false after a diagnostic. fv_llvm_write, fv_jit_new and fv_jit_load do it
 * first. */
bool fv_llvm_load(fv_session *s) FV_MUST_USE;

typedef enum {
    FV_LLVM_OBJ, /* NAME.o: a relocatable object with code and weights, for the target's system */
    /* libNAME.so, NAME.dll or libNAME.dylib: exports NAME_model, NAME_run, NAME_plan, and
     * fovea_model, which equals NAME_model and serves loaders that do not know the name */
    FV_LLVM_SO,
    FV_LLVM_LIB, /* libNAME.a, which contains one object */
    FV_LLVM_IR,  /* text of the module after its passes; weights are a declaration */
    FV_LLVM_ASM, /* assembly; weights are a declaration */
} fv_llvm_kind;

typedef struct fv_llvm_options {
    int level; /* optimization level 0 to 3; no result depends on it */
    /* whether short functions are preferred where that costs little time; no result depends on
     * it */
    bool small;
    const char *soname; /* soname of a shared library; NULL: the last part of the path */
    /* AUTO: in the object, above 1 GiB in a file; IR and ASM only declare them. OBJECT: for IR and
     * ASM an object next to the text. FILE: a file next to the output */
    fv_weights_kind weights;
    /* the programs of the model for several targets, at most FV_MAX_LEVELS, the lowest first, among
     * which the code chooses when it runs; the program that is written then is that of
     * fv_program_of_levels. nlevels 0: it is written for its target alone */
    const fv_program *const *levels;
    int nlevels;
    /* called when all files are written, before the first one is renamed to its path; false after a
     * diagnostic: then none is renamed. NULL: nothing is called */
    bool (*written)(void *user);
    void *user;
} fv_llvm_options;

/* Writes the program for p->target to `path`. It is written in a temporary folder of the same
 * folder, and renamed when it is complete. False after a diagnostic; `path` is unchanged then. The
 * same program gives the same bytes. */
bool fv_llvm_write(fv_session *s, const fv_program *p, const fv_llvm_options *o, fv_llvm_kind kind,
                   const char *path) FV_MUST_USE;

/* The kind of weights that the options state, or for AUTO the one that is selected; AUTO for IR and
 * ASM, which then only declare weights. */
fv_weights_kind fv_llvm_weights(const fv_program *p, const fv_llvm_options *o, fv_llvm_kind kind);
/* The path of the weights file in the folder of `path`: X.weights, X_weights.o; NULL: there is
 * none. */
const char *fv_llvm_weights_path(fv_arena *a, const fv_program *p, const fv_llvm_options *o,
                                 fv_llvm_kind kind, const char *path);

/* Code in memory for a program whose target runs on this machine. The program and its constants
 * must outlive it. NULL after a diagnostic. Gives the pages of mapped files that contain constants
 * of the program, and those of LLVM's code, back to the system, which reads them again where they
 * are used again. */
typedef struct fv_jit fv_jit;
fv_jit *fv_jit_new(fv_session *s, const fv_program *p, const fv_llvm_options *o);
/* The objects from which the code was loaded, valid as long as the JIT; NULL after fv_jit_load. */
const void *fv_jit_object(const fv_jit *j, size_t *bytes);
/* Loads objects that fv_jit_object returned, in this or another process on the same machine with
 * the same build of Fovea. Their content is trusted.
 *   name       of the program
 *   constants  the present address of each constant of the program, on whose values the code may
 *              depend; the constants must outlive the JIT, the array need not
 * NULL after a diagnostic. */
fv_jit *fv_jit_load(fv_session *s, const char *name, const void *object, size_t bytes,
                    const void *const *constants, int nconstants);
/* The table of the model, valid as long as the JIT. Any thread may use it. */
const fv_model *fv_jit_model(const fv_jit *j);
void fv_jit_free(fv_jit *j);
/* Milliseconds that each phase of making the code in memory took. */
typedef struct fv_jit_times {
    /* milliseconds of emitting LLVM IR; of LLVM's passes and code generation; of loading; of making
     * the contents of constants */
    double emit, code, load, weights;
    int parts; /* number of modules, which threads compile concurrently; 0 after fv_jit_load */
} fv_jit_times;
fv_jit_times fv_jit_times_of(const fv_jit *j);

#endif
