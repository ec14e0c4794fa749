/* driver.h - libfovea: the way from a file to something that runs, without command-line code. */
#ifndef FV_DRIVER_DRIVER_H
#define FV_DRIVER_DRIVER_H

#include "backend/backend.h"
#include "ir/graph.h"
#include "passes/passes.h"
#include "runtime/internal.h"

/* How a model is compiled: what the command line and fv_compile_options say, with defaults. */
typedef struct fv_driver_options {
    const fv_target *target;
    const char *const *dims; /* --dim, NULL terminated */
    char level;              /* '0' to '3', 's' */
    bool naive;
    const char *name;
    const char *const *passes; /* NULL: the level's pipeline */
    const fv_pipeline_options *pipeline;
} fv_driver_options;

#ifdef FV_HAVE_LLVM
#define FV_HAVE_JIT FV_HAVE_LLVM
#else
#define FV_HAVE_JIT 0
#endif

typedef enum { FV_TEXT_NONE, FV_TEXT_GRAPH, FV_TEXT_KERNELS } fv_text_kind;
/* What a file holds, by its first bytes; FV_TEXT_NONE: an ONNX model, as far as one can tell. */
fv_text_kind fv_driver_text_kind(const char *text, size_t n);

/* Reads a model (ONNX or graph IR text, `-`: standard input). NULL after diagnostics. */
fv_module *fv_driver_import(fv_session *s, const char *path, const fv_driver_options *o);
/* Runs the pipeline. */
bool fv_driver_passes(fv_module *m, const fv_driver_options *o);
/* Import, passes, lowering, verification; or reading a program text. Not expanded yet. *module (may
 * be NULL) becomes the graph, NULL where the file was a program. NULL after diagnostics. */
fv_program *fv_driver_program(fv_session *s, const char *path, const fv_driver_options *o,
                              fv_module **module);

/* An artifact that runs the program, which is expanded by this. Owns nothing of the session: the
 * session must outlive it. NULL after diagnostics. */
fv_artifact *fv_driver_artifact(fv_session *s, fv_program *p, fv_backend_kind backend, char level);

/* ---- files ---- */

typedef enum {
    FV_EMIT_NONE, FV_EMIT_SO, FV_EMIT_OBJ, FV_EMIT_LIB, FV_EMIT_C, FV_EMIT_LLVM, FV_EMIT_ASM,
    FV_EMIT_IR, FV_EMIT_KERNELS
} fv_emit_kind;
fv_emit_kind fv_emit_by_name(const char *name);   /* "so": as --emit takes it */
fv_emit_kind fv_emit_by_suffix(const char *path);
const char *fv_emit_suffix(fv_emit_kind kind);    /* ".so" */
/* Writes the program; expands it first where the kind needs it. IR is fv_module_print's affair. */
bool fv_driver_write(fv_session *s, fv_program *p, fv_emit_kind kind, const char *out, char level);
/* Writes beside and renames; `-` is standard output. */
bool fv_driver_write_text(fv_session *s, const char *path, const fv_text *t);

/* Messages of the session as lines of the log. */
void fv_driver_log(fv_session *s, fv_log *log);

#endif
