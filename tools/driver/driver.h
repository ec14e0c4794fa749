/* driver.h - libfovea: the way from a file to something that runs, without command-line code.
 *
 *   path -fv_driver_read-> source -fv_driver_lower-> program -+- fv_driver_artifact: runs
 *                                                             '- fv_driver_write: files
 *
 * Everything here is called with a door of the session open. */
#ifndef FV_DRIVER_DRIVER_H
#define FV_DRIVER_DRIVER_H

#include "backend/consumer/weights.h"
#include "backend/llvm/llvm.h"
#include "backend/lowering/options.h"
#include "ir/definition/definitions.h"
#include "passes/passes.h"
#include "runtime/internal.h"
#include "tools/driver/by_hand.h"

/* The target, and how much of it the user chose. */
typedef struct fv_driver_machine {
    const fv_target *of;
    bool given;           /* else a program text keeps the target that it names */
    bool processor_given; /* the processor was chosen: kernels are for one already */
} fv_driver_machine;

/* Dims and states of the model. */
typedef struct fv_driver_dims {
    const char *const *given; /* --dim, NULL terminated */
    /* of a run: kernels, which state their own dims, are read nevertheless */
    bool are_values;
    const char *const *states; /* --state, NULL terminated */
} fv_driver_dims;

/* Schedules of kernels that are not the default's. */
typedef struct fv_driver_schedules {
    const char *path;       /* --tuning: path of a text (ir/schedule/tuning.h); NULL: none */
    const fv_tuning *tuned; /* the same in memory, which need not be for this model */
    const fv_hand_kernels *kernels; /* in the place of those of their names; NULL: none */
} fv_driver_schedules;

/* What is done, by names; arrays are NULL terminated. */
typedef struct fv_driver_work {
    const char *const *passes; /* NULL: those of the level's pipeline */
    const char *const *steps;  /* of lowering; NULL: those of the level's pipeline */
    /* passes, steps and rules (passes/switches.h); NULL: none */
    const char *const *enable, *const *disable;
    const fv_pipeline_options *pipeline;
    /* what the passes in pipeline->own depend on besides the module, as text; NULL: there are
     * none */
    const char *script;
    /* true once they have depended on something else: what they make is not kept */
    const bool *script_varies;
} fv_driver_work;

/* A change of the graph after its passes. */
typedef struct fv_driver_change {
    bool (*passed)(void *user, fv_module *m); /* false after a diagnostic. NULL: there is none */
    void *user;
} fv_driver_change;

/* Out: decisions, in the memory of the program; each NULL: nobody asks. */
typedef struct fv_driver_answers {
    fv_choices *choices; /* what was chosen for kernels */
    /* of the graph after its passes (passes/attention/attention.h) */
    struct fv_attention_sites *attentions;
    struct fv_reasons *reasons; /* what lowering decided (backend/lowering/why.h) */
} fv_driver_answers;

/* How a model is compiled: what the command line and fv_compile_options say, with defaults. */
typedef struct fv_driver_options {
    fv_driver_machine target;
    fv_driver_dims dims;
    /* '0' to '3', 's'; 0: '2'. Of passes and steps where these are NULL, and of code */
    char level;
    bool naive;
    uint64_t random_limits; /* fv_lower_options.random_limits */
    bool strict;            /* of ONNX models: fv_import_options */
    fv_driver_schedules tuning;
    /* nothing will run: weights are not read, which takes minutes where they are large */
    bool look;
    const char *name; /* prefix of C names; NULL: from the file's */
    fv_driver_work work;
    fv_driver_change change;
    fv_driver_answers answers;
} fv_driver_options;

/* By its text (fv_target_read), NULL where that is wrong: `*why` says what. Without a name native
 * where it is to run here; for files what most machines of this architecture can run. */
const fv_target *fv_driver_target(fv_arena *a, const char *name, bool here, const char **why);

#ifdef FV_HAVE_LLVM
#define FV_HAVE_JIT FV_HAVE_LLVM
#else
#define FV_HAVE_JIT 0
#endif

/* ---- reading ---- */

typedef enum {
    FV_FILE_ONNX,
    FV_FILE_GRAPH,
    FV_FILE_DEFINITIONS,
    FV_FILE_PROGRAM,
    FV_FILE_KERNEL,
    FV_FILE_ELF
} fv_file_kind;
/* Is it read into a module? */
static inline bool fv_file_is_graph(fv_file_kind k) {
    return k == FV_FILE_ONNX || k == FV_FILE_GRAPH || k == FV_FILE_DEFINITIONS;
}
/* What a file holds, by its first bytes; FV_FILE_ONNX: a model, as far as one can tell. */
fv_file_kind fv_driver_kind(const char *text, size_t n);
/* The same of a path; `-` and what cannot be read are FV_FILE_ONNX. */
fv_file_kind fv_driver_path_kind(const char *path);

/* What was read: either a graph, not verified nor changed yet, or a program. */
typedef struct fv_source {
    fv_file_kind kind;
    fv_module *module;
    fv_program *program;
    /* of what was read: of an ONNX model's files, or of a text; "": nobody needed it */
    const char *hash;
    const fv_tuning *tuning; /* what --tuning has read; NULL: nothing was asked for */
    const void *bytes; /* of a model that was read from standard input; NULL: it is in files */
    size_t nbytes;
} fv_source;

/* Reads a model, graph IR text, program text or the text of a kernel; `-` is standard input. Large
 * constants of a text are in a file next to it: F.bin for a program text F. Messages refer to the
 * path from here on. False after diagnostics. */
bool fv_driver_read(fv_session *s, const char *path, const fv_driver_options *o,
                    fv_source *out) FV_MUST_USE;
/* What a graph is given to, with switches. False: there is no such level. Lists are in the
 * arena. */
bool fv_driver_pipeline(fv_arena *a, const fv_driver_options *o,
                        fv_pipeline_table *out) FV_MUST_USE;
/* Runs the pipeline over the graph; definitions are past that, and are only verified. */
bool fv_driver_passes(fv_module *m, const fv_driver_options *o) FV_MUST_USE;
/* The level that LLVM gets: for 's' the same as for '2', with the attribute that functions are to
 * be small. */
fv_llvm_options fv_driver_llvm(char level);
/* Passes, lowering, verification. Not expanded yet. NULL after diagnostics. */
fv_program *fv_driver_lower(fv_session *s, const fv_source *source, const fv_driver_options *o);
/* The program text of a kernel alone: its parameters are inputs and outputs. NULL after a
 * diagnostic. */
fv_program *fv_driver_wrap_kernel(fv_session *s, const char *text, const fv_target *target);

/* ---- running ---- */

/* What is kept of the compilation of something that runs. */
typedef struct fv_compiled {
    fv_artifact *artifact;
    fv_source source;    /* only its kind where nothing had to be read */
    fv_program *program; /* expanded; NULL: it came from the cache, fv_driver_program has it */
    bool cached;
    /* the last: putting it into the cache. From there all is code, but for the model where it was
     * read */
    double read_ms, lower_ms, code_ms, keep_ms;
} fv_compiled;

/* Who wants to look at what is changed later; members may be NULL, and neither is called for what
 * comes from the cache. */
typedef struct fv_driver_watch {
    void *user;
    /* before passes; also where the rest is in the cache */
    void (*read)(void *user, const fv_source *source);
    void (*lowered)(void *user, fv_program *p); /* before expansion */
} fv_driver_watch;

/* All the way from a path to something that runs, or out of the cache on disk (docs/cli.md), where
 * code in memory is kept that was made of a graph. watch NULL: nobody looks. The session must
 * outlive the artifact. False after diagnostics. */
bool fv_driver_compile(fv_session *s, const char *path, const fv_driver_options *o,
                       fv_backend_kind backend, const fv_driver_watch *watch,
                       fv_compiled *out) FV_MUST_USE;
/* The program of an artifact that came from the cache, not expanded. NULL after a diagnostic. */
fv_program *fv_driver_program(const fv_artifact *a);

/* An artifact that runs the program, which is expanded by this. Owns nothing of the session: the
 * session must outlive it. NULL after diagnostics. */
fv_artifact *fv_driver_artifact(fv_session *s, fv_program *p, fv_backend_kind backend, char level);

/* fv_artifact.explain: the interpreter runs a->program, which is expanded, and says where it
 * stops. */
void fv_driver_explain(fv_artifact *a, int status, const fv_array *inputs, fv_log *log);
/* The object of code in memory; NULL: it is none, or came from the cache. */
const void *fv_driver_object(const fv_artifact *a, size_t *bytes);

/* Milliseconds that LLVM's steps took, as text: "LLVM IR 11, 4 parts through LLVM 180, loading 1";
 * NULL: the artifact is no JIT's. */
const char *fv_driver_code_steps(fv_arena *a, const fv_artifact *artifact);

/* ---- files ---- */

typedef enum {
    FV_EMIT_NONE,
    FV_EMIT_SO,
    FV_EMIT_OBJ,
    FV_EMIT_LIB,
    FV_EMIT_C,
    FV_EMIT_LLVM,
    FV_EMIT_ASM,
    FV_EMIT_IR,
    FV_EMIT_ONNX,
    FV_EMIT_DEFINITIONS,
    FV_EMIT_KERNELS,
    FV_EMIT_EXPANDED /* kernels as consumers get them */
} fv_emit_kind;
fv_emit_kind fv_emit_by_name(const char *name); /* "so": as --emit takes it */
fv_emit_kind fv_emit_by_suffix(const char *path);
const char *fv_emit_name(fv_emit_kind kind);
const char *fv_emit_suffix(fv_emit_kind kind); /* ".so" */
const char *const *fv_emit_names(void);        /* NULL terminated */

/* What an output path is called: "kws" of "kws.c", "kws/" and "libkws.so"; NULL for standard
 * output. */
const char *fv_emit_stem(fv_arena *a, const char *out);
/* That, made fit as a prefix of names in C: "my_model" for `-o my__model.c`, "int_v" for
 * `-o int.c`. */
const char *fv_emit_prefix(fv_arena *a, const char *out);
/* False after a diagnostic: s has read the file at `out`, and writing would be the end of it. */
bool fv_driver_spares(fv_session *s, const char *out) FV_MUST_USE;
/* Writes the program to `out`; expands it first where the kind needs it. Text goes to standard
 * output where `out` is `-`. Everything or nothing is written. False after a diagnostic. */
typedef struct fv_write_options {
    char level;
    fv_weights_kind weights; /* --weights */
    void *user;
    /* asked when it is lowered; false, after a message: nothing is written. NULL: all is accepted.
     * Not asked where no program is made, for FV_EMIT_IR and FV_EMIT_DEFINITIONS */
    bool (*accept)(void *user);
} fv_write_options;
bool fv_driver_write(fv_session *s, fv_program *p, fv_emit_kind kind, const char *out,
                     const fv_write_options *o) FV_MUST_USE;
/* Graph IR, with the large constants in `out`.bin; in the text where `out` is `-` or no regular
 * file. With d: its definitions. */
bool fv_driver_write_ir(fv_session *s, const fv_module *m, const fv_definitions *d,
                        const char *out) FV_MUST_USE;
/* An ONNX model of a graph whose passes have run: ops of ours are spelled in the standard's, which
 * changes m. Weights lie in the model, or in `out`.data: by default where they are more than 1 GiB.
 * To standard output where `out` is `-`. Everything or nothing is written. False after a
 * diagnostic. */
bool fv_driver_write_onnx(fv_session *s, fv_module *m, const char *out, fv_weights_kind weights,
                          const fv_pipeline_options *o) FV_MUST_USE;
/* All the way from what was read to `out`: passes, what the kind needs of lowering, and
 * fv_driver_write. *p: the program, NULL where it is written without one. False after
 * diagnostics. */
bool fv_driver_emit(fv_session *s, const fv_source *source, const fv_driver_options *driver,
                    fv_emit_kind kind, const char *out, const fv_write_options *o,
                    fv_program **p) FV_MUST_USE;
/* Files that were written: `out`, then the files next to it; for a folder those of its manifest.
 * `p` may be NULL. NULL-terminated, in the arena. */
const char *const *fv_driver_files(fv_session *s, fv_arena *a, const fv_program *p,
                                   fv_emit_kind kind, const char *out, fv_weights_kind weights);

/* Bytes of workspace and the dims of the outputs for these dims, of an expanded program:
 * fv_plan_fn. */
int fv_driver_plan(fv_program *p, const int64_t *dims, size_t *workspace,
                   int64_t *out_dims) FV_MUST_USE;

/* A new folder that goes with the arena, and all files in it. NULL after a diagnostic. */
const char *fv_driver_temporary(fv_session *s, fv_arena *a);

/* Messages of the session as lines of the log. */
void fv_driver_log(fv_session *s, fv_log *log);

#endif
