/* driver.h - libfovea: functions that turn a file into an artifact that can be run, without
 * command-line code.
 *
 *   path -fv_driver_read-> source -fv_driver_lower-> program -+- fv_driver_artifact: runs
 *                                                             '- fv_driver_write: files
 *
 * Everything here must be called while a door of the session is open. */
#ifndef FV_DRIVER_DRIVER_H
#define FV_DRIVER_DRIVER_H

#include "backend/consumer/weights.h"
#include "backend/llvm/llvm.h"
#include "backend/lowering/options.h"
#include "frontend/sharding.h"
#include "ir/definition/definitions.h"
#include "passes/passes.h"
#include "runtime/internal.h"
#include "tools/driver/by_hand.h"

/* The target, and which parts of it the user chose. */
typedef struct fv_driver_machine {
    const fv_target *of;
    /* several targets whose code is written to one file, the lowest first, which is `of`; n 0: only
     * `of` */
    const fv_target *const *levels;
    int nlevels;
    /* whether the user chose the target; otherwise a program text keeps the target that it names */
    bool given;
    /* whether the user chose the processor; kernels in a program text were made for one already */
    bool processor_given;
    /* whether the code will run in this process. Then `native` is without the features for which
     * the system refuses registers to this process; the system is asked for them only if the model
     * has elements whose products use them: of at most 8 bits, or bf16 if sums may be in tiles */
    bool in_process;
    /* whether the code, or the interpreter, loads elements from any address, so that large
     * constants need no copy */
    bool unaligned;
} fv_driver_machine;

/* Values of dims, and states of the model. */
typedef struct fv_driver_dims {
    const char *const *given; /* --dim, NULL terminated */
    /* dims are values for a run and not for the import, so texts of kernels accept them, too */
    bool are_values;
    const char *const *states; /* --state, NULL terminated */
} fv_driver_dims;

/* A model in memory, whose bytes must not change while the session lives. Its path is only a name
 * for messages, from which the name of the model is derived. */
typedef struct fv_driver_bytes {
    const void *data; /* the content of a file of any kind that can be compiled */
    size_t size;
    const char *folder; /* folder of external data and side files; NULL: there are none */
} fv_driver_bytes;

/* Replacements of what lowering makes by default: a tuning replaces schedules of kernels,
 * handwritten kernels replace whole kernels. */
typedef struct fv_driver_schedules {
    const char *path; /* --tuning: path of a text (ir/schedule/tuning.h); NULL: none */
    /* a tuning in memory, which is used even if it was made for another model */
    const fv_tuning *tuned;
    /* handwritten kernels, which replace the kernels of the same names; NULL: none */
    const fv_hand_kernels *kernels;
} fv_driver_schedules;

/* Which passes and steps run, by names; arrays are NULL terminated. */
typedef struct fv_driver_work {
    const char *const *passes; /* names of passes; NULL: those of the level's pipeline */
    const char *const *steps;  /* names of steps of lowering; NULL: those of the level's pipeline */
    /* names of passes, steps and rules (passes/switches.h); NULL: none */
    const char *const *enable, *const *disable;
    /* whether a small workspace matters more than time, at any level */
    bool prefers_ram;
    const fv_pipeline_options *pipeline;
    /* text of everything besides the module on which passes in pipeline->own depend; NULL: there
     * are no such passes */
    const char *script;
    /* becomes true when passes in pipeline->own have used anything besides the module and script,
     * such as the time: then the compiled model is not cached */
    const bool *script_varies;
} fv_driver_work;

/* A callback that changes the graph after its passes. */
typedef struct fv_driver_change {
    /* returns false after a diagnostic. NULL: the graph is not changed */
    bool (*passed)(void *user, fv_module *m);
    void *user;
} fv_driver_change;

/* Results besides the program: records of decisions, in the memory of the program. A member that is
 * NULL is not computed. */
typedef struct fv_driver_answers {
    fv_choices *choices; /* the schedules that were chosen for kernels */
    /* the attentions of the graph after its passes (passes/attention/attention.h) */
    struct fv_attention_sites *attentions;
    /* the denormal weights of the graph after its passes (passes/denormals.h); reads the weights */
    struct fv_denormals *denormals;
    struct fv_reasons *reasons; /* the decisions of lowering (backend/lowering/why.h) */
    /* if there are several targets, the bytes of constants that the code for some of them uses, but
     * not the code for all */
    size_t *unshared;
    /* if there are several targets, their programs, expanded: an array of FV_MAX_LEVELS */
    fv_program **levels;
} fv_driver_answers;

/* How a model is compiled. The command line and fv_compile_options set these members. */
typedef struct fv_driver_options {
    const fv_driver_bytes *bytes; /* the model; NULL: it is read from its path */
    fv_driver_machine target;
    fv_driver_dims dims;
    /* the level, '0' to '3' or 's'; 0 stands for '2'. It decides passes and steps (if these are
     * NULL) and the optimization of code */
    char level;
    bool naive;
    unsigned relax;         /* departures that are allowed: fv_lower_options.relax */
    uint64_t random_limits; /* the seed of fv_lower_options.random_limits */
    /* how violations of the standard in ONNX models are handled: see fv_import_options */
    bool strict;
    fv_driver_schedules tuning;
    /* the program will not run, so weights are not read, which would take minutes if they are
     * large */
    bool without_weights;
    bool without_hash; /* the hash of the model is not needed: fv_import_options */
    const char *name;  /* prefix of C names; NULL: it is derived from the name of the file */
    fv_driver_work work;
    fv_driver_change change;
    fv_driver_answers answers;
} fv_driver_options;

/* Sets in_process and unaligned: the code will run in this process, by this backend. */
void fv_driver_runs_here(fv_driver_machine *m, fv_backend_kind backend);
/* Parses the text of a target (fv_target_read); NULL: it is wrong, and `*why` says why. name NULL:
 * `native` if the code is to run on this machine (`here`), otherwise a target that most machines of
 * this architecture can run. `native` is made with the profile of this machine, if there is one;
 * notes say why one is not used. */
const fv_target *fv_driver_target(fv_session *s, fv_arena *a, const char *name, bool here,
                                  const char **why);
/* Makes the target one for a processor: a name of processor.def, or the path of a profile
 * (ir/target/machine.h), which contains a slash or a dot. NULL: `*why` says what is wrong; if it is
 * empty, a diagnostic was reported. */
const fv_target *fv_driver_processor(fv_session *s, fv_arena *a, const fv_target *t,
                                     const char *name, const char **why);

/* ---- reading ---- */

typedef enum {
    FV_FILE_ONNX,
    FV_FILE_GRAPH,
    FV_FILE_DEFINITIONS,
    FV_FILE_PROGRAM,
    FV_FILE_KERNEL,
    FV_FILE_ELF
} fv_file_kind;
/* Is a file of that kind read into a module of graph IR? */
static inline bool fv_file_is_graph(fv_file_kind k) {
    return k == FV_FILE_ONNX || k == FV_FILE_GRAPH || k == FV_FILE_DEFINITIONS;
}
/* The kind of a file, found from its first bytes. Content that is not recognised counts as
 * FV_FILE_ONNX. */
fv_file_kind fv_driver_kind(const char *text, size_t n);
/* The kind of the file at a path. `-` and files that cannot be read are FV_FILE_ONNX. */
fv_file_kind fv_driver_path_kind(const char *path);

/* A model that was read: a graph or definitions, neither verified nor changed yet, or a program. */
typedef struct fv_source {
    fv_file_kind kind;
    fv_module *module;
    fv_program *program;
    /* hash of the content that was read: of the files of an ONNX model, or of a text; "": not
     * computed */
    const char *hash;
    const fv_tuning *tuning; /* the tuning that --tuning names; NULL: there is none */
    /* the content of a model in memory, or from standard input; NULL: the model is in files */
    const void *bytes;
    size_t nbytes;
} fv_source;

/* Reads a model, graph IR text, definitions, program text or the text of a kernel: from o->bytes,
 * or else from the path; path `-` is standard input. Large constants of a program text F are read
 * from the file F.bin. Later messages of the session refer to the path. False after diagnostics. */
bool fv_driver_read(fv_session *s, const char *path, const fv_driver_options *o,
                    fv_source *out) FV_MUST_USE;
/* The pipeline of the level, with the options' switches applied. False: there is no such level.
 * Lists are in the arena. */
bool fv_driver_pipeline(fv_arena *a, const fv_driver_options *o,
                        fv_pipeline_table *out) FV_MUST_USE;
/* Runs the pipeline on the graph. Definitions are only verified, since no passes apply to them. */
bool fv_driver_passes(fv_module *m, const fv_driver_options *o) FV_MUST_USE;
/* Runs passes and lowering, and verifies the program, which is not expanded. NULL after
 * diagnostics. */
fv_program *fv_driver_lower(fv_session *s, const fv_source *source, const fv_driver_options *o);
/* fv_driver_lower for a graph, in two steps. The first one runs the passes, and then what o->change
 * and o->answers.attentions ask for; the second one lowers the graph for o->target.of. */
bool fv_driver_prepare(const fv_source *source, const fv_driver_options *o) FV_MUST_USE;
fv_program *fv_driver_lower_module(fv_session *s, fv_module *m, const fv_source *source,
                                   const fv_driver_options *o);
/* Makes a program of a single kernel, whose parameters become inputs and outputs. NULL after a
 * diagnostic. */
fv_program *fv_driver_wrap_kernel(fv_session *s, const char *text, const fv_target *target);

/* ---- running ---- */

/* The results of compiling a model in order to run it. */
typedef struct fv_compiled {
    fv_artifact *artifact;
    /* the model that was read; empty, with FV_FILE_ONNX as its kind, if the artifact came from the
     * cache and no file was read */
    fv_source source;
    /* the expanded program; NULL: the artifact came from the cache, see fv_driver_program */
    fv_program *program;
    bool cached;
    /* milliseconds of each phase; keep_ms: of storing the entry in the cache. For an artifact from
     * the cache, all time but read_ms is in code_ms */
    double read_ms, lower_ms, code_ms, keep_ms;
} fv_compiled;

/* Callbacks during a compilation; each may be NULL. For an artifact from the cache none is called,
 * except `read` if the model was read. */
typedef struct fv_driver_watch {
    void *user;
    /* called before the passes run; also if the compiled model is found in the cache after
     * reading */
    void (*read)(void *user, const fv_source *source);
    void (*lowered)(void *user, fv_program *p); /* called before the program is expanded */
} fv_driver_watch;

/* Compiles the model at a path so that it can run, or loads it from the cache on disk
 * (docs/cli.md); the cache contains only code in memory of models that were read as graphs or
 * definitions. watch NULL: no callbacks. The session must outlive the artifact. False after
 * diagnostics. */
bool fv_driver_compile(fv_session *s, const char *path, const fv_driver_options *o,
                       fv_backend_kind backend, const fv_driver_watch *watch,
                       fv_compiled *out) FV_MUST_USE;
/* The program of an artifact that came from the cache, not expanded. NULL after a diagnostic. */
fv_program *fv_driver_program(const fv_artifact *a);

/* Can this machine run code of the program, which may be expanded or not? Asks the system for the
 * registers that the code uses and that the system gives only on request. */
bool fv_driver_may_run(const fv_program *p) FV_MUST_USE;
/* Makes an artifact that runs the program; expands the program. The session owns the artifact and
 * must outlive it. NULL after diagnostics. */
fv_artifact *fv_driver_artifact(fv_session *s, fv_program *p, fv_backend_kind backend, char level);
/* The optimization options of LLVM for the level: 's' is '2' with the attribute `optsize` for
 * functions. */
fv_llvm_options fv_driver_llvm(char level);

/* the names of backends, in the order of fv_backend_kind, NULL terminated */
const char *const *fv_backend_names(void);

/* implements fv_artifact.explain: runs a->program, which must be expanded, on the interpreter to
 * find where it stops */
void fv_driver_explain(fv_artifact *a, int status, const fv_array *inputs, fv_log *log);
/* The object file of code in memory; NULL: the artifact is of another kind, or came from the
 * cache. */
const void *fv_driver_object(const fv_artifact *a, size_t *bytes);

/* The milliseconds of the phases of code in memory as text: "LLVM IR 11, 4 parts through LLVM 180,
 * loading 1, weights 9";
 * NULL: the artifact was not made by LLVM, or came from the cache. */
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
    FV_EMIT_EXPANDED /* kernels after expansion, as consumers get them */
} fv_emit_kind;
/* the kind whose name in --emit is `name`, such as "so" */
fv_emit_kind fv_emit_by_name(const char *name);
fv_emit_kind fv_emit_by_suffix(const char *path);
const char *fv_emit_name(fv_emit_kind kind);
const char *fv_emit_suffix(fv_emit_kind kind); /* the suffix of files of that kind, such as ".so" */
/* the usual suffix of files of that kind on the system `system`, such as ".dll" */
const char *fv_emit_suffix_on(fv_emit_kind kind, fv_system system);
const char *const *fv_emit_names(void); /* the names that --emit takes, NULL terminated */

/* The name of a model that is written to this path: "kws" for "kws.c", "kws/" and "libkws.so"; NULL
 * for standard output. */
const char *fv_emit_stem(fv_arena *a, const char *out);
/* The name of fv_emit_stem as a prefix of names in C: "my_model" for `-o my__model.c`, "int_v" for
 * `-o int.c`. */
const char *fv_emit_prefix(fv_arena *a, const char *out);
/* Checks that writing to `out` does not destroy a file that the session has read. False after a
 * diagnostic. */
bool fv_driver_spares(fv_session *s, const char *out) FV_MUST_USE;
/* How fv_driver_emit and fv_driver_write write. */
typedef struct fv_write_options {
    char level;
    fv_weights_kind weights; /* --weights */
    bool replaceable;        /* --replaceable: files of weights of the same layout are accepted */
    /* whether the C header of an object or library is written as well, if the result is a file */
    bool header;
    int layout; /* for a folder of C: an fv_c_layout (backend/c/emit.h) */
    /* the programs for several targets, all expanded; the program that is written is that of
     * fv_program_of_levels. n 0: it is written for its target alone */
    const fv_program *const *levels;
    int nlevels;
    void *user;
    /* called after lowering and before anything is written; if it returns false (after a message),
     * nothing is written. NULL: always written. Not called for FV_EMIT_IR and FV_EMIT_DEFINITIONS,
     * for which no program is made */
    bool (*accept)(void *user, fv_program *p);
} fv_write_options;
/* Writes the program to `out`, and expands it first if the kind needs that. Text goes to standard
 * output if `out` is `-`. All files are written, or none. False after a diagnostic. */
bool fv_driver_write(fv_session *s, fv_program *p, fv_emit_kind kind, const char *out,
                     const fv_write_options *o) FV_MUST_USE;
/* Marks the weights as replaceable, and expands the program. Returns the text of the layout that
 * files of weights must have. */
const char *fv_driver_layout(fv_arena *a, fv_program *p);
/* Writes the file of weights of such a program. It is written completely, or `out` is as it was.
 * False after a diagnostic. */
bool fv_driver_write_weights(fv_session *s, const fv_program *p, const char *out) FV_MUST_USE;
/* Writes graph IR, or, if d is not NULL, definitions. Large constants go to `out`.bin, or into the
 * text if `out` is `-` or not a regular file. */
bool fv_driver_write_ir(fv_session *s, const fv_module *m, const fv_definitions *d,
                        const char *out) FV_MUST_USE;
/* Writes a graph whose passes have run as an ONNX model. Our own ops are replaced by the
 * standard's, which changes m. Weights go into the model, or into `out`.data: by default if they
 * have more than 1 GiB. `-` is standard output. All files are written, or none. False after a
 * diagnostic. */
bool fv_driver_write_onnx(fv_session *s, fv_module *m, const char *out, fv_weights_kind weights,
                          const fv_pipeline_options *o) FV_MUST_USE;
/* The same, with annotations of how devices share tensors; NULL: without. */
bool fv_driver_write_sharded(fv_session *s, fv_module *m, const fv_shardings *shardings,
                             const char *out, fv_weights_kind weights,
                             const fv_pipeline_options *o) FV_MUST_USE;
/* Runs passes and as much of lowering as the kind needs, and writes to `out`. *p: the program; NULL
 * if the kind needs no program. False after diagnostics. */
bool fv_driver_emit(fv_session *s, const fv_source *source, const fv_driver_options *driver,
                    fv_emit_kind kind, const char *out, const fv_write_options *o,
                    fv_program **p) FV_MUST_USE;
/* fv_driver_emit, also for several targets: lowers the graph for each of them, and writes their
 * code to one file, which has equal constants once. *p is then the lowest target's program, with
 * the constants of all. */
bool fv_driver_emit_targets(fv_session *s, const fv_source *source, const fv_driver_options *driver,
                            fv_emit_kind kind, const char *out, const fv_write_options *o,
                            fv_program **p) FV_MUST_USE;
/* States why only one target can be written to a file of that kind with these options; NULL: there
 * can be several. */
const char *fv_driver_why_one_target(const fv_driver_options *o, fv_emit_kind kind);
/* The files that were written: `out` and the additional files in its folder; if `out` is a folder,
 * the files of its manifest. `p` may be NULL. NULL terminated, in the arena. */
const char *const *fv_driver_files(fv_session *s, fv_arena *a, const fv_program *p,
                                   fv_emit_kind kind, const char *out, const fv_write_options *o);

/* Computes the bytes of workspace and the dims of the outputs of an expanded program for these
 * dims, as fv_plan_fn does. */
int fv_driver_plan(fv_program *p, const int64_t *dims, size_t *workspace,
                   int64_t *out_dims) FV_MUST_USE;

/* A new folder that is removed with all its files when the arena is freed. NULL after a
 * diagnostic. */
const char *fv_driver_temporary(fv_session *s, fv_arena *a);

/* Copies the session's messages to the log, one line each. */
void fv_driver_log(fv_session *s, fv_log *log);

#endif
