/* model.h - a model that is ready to run, the values of its dims, its inputs and outputs: what
 * `run`, `inspect` and whoever else executes a model share. */
#ifndef FV_TOOLS_MODEL_MODEL_H
#define FV_TOOLS_MODEL_MODEL_H

#include "backend/cost.h"
#include "ir/graph/bounds.h"
#include "tools/command/command.h"
#include "tools/command/json.h"

/* What the graph says about the values of an input. */
typedef enum {
    FV_HINT_NONE,
    FV_HINT_INDEX, /* picks out of `bound` elements */
    FV_HINT_MASK   /* ones */
} fv_hint_kind;
typedef struct fv_hint {
    const char *name; /* name of the input */
    fv_hint_kind kind;
    const fv_dim *bound;
} fv_hint;

/* What opening a model took in milliseconds; of a library all is code. */
typedef struct fv_open_times {
    double read_ms, lower_ms, code_ms, keep_ms;
} fv_open_times;

/* Inputs and outputs of a run. */
typedef struct fv_run_data {
    int64_t *dims;        /* one a symbol */
    unsigned char *known; /* which of them are decided */
    unsigned char *given; /* which inputs come from files */
    fv_array *inputs, *outputs;
    /* what the outputs represent (tools/data/values.h): a tensor of strings is one value, sequences
     * are several ports */
    struct fv_port_value *results;
    int nresults;
    const char **safe; /* names of these for files */
} fv_run_data;

typedef struct fv_subject {
    const char *path;
    fv_source source;    /* only its kind: a compiled library, and what came from the cache */
    fv_session *reading; /* of the source, where it was read after all; NULL: none */
    fv_program *program;
    fv_artifact *artifact;
    const fv_model *table;
    bool cached; /* it came from the cache: fv_subject_graph, fv_subject_count */
    fv_open_times took;
    /* one a launch, not evaluated (backend/cost.h); of a library none */
    struct fv_launch_cost *costs;
    int ncosts;
    fv_hint *hints; /* one an input of the graph */
    int nhints;
    const fv_dim **lacks; /* positions that tables lack: should be 0 */
    int nlacks;
    fv_run_data data;
} fv_subject;

/* Reads, compiles; or loads a shared library. False after messages. The artifact is freed by
 * fv_subject_close; also after a failure. */
bool fv_subject_open(fv_context *c, const char *path, fv_backend_kind backend,
                     fv_subject *out) FV_MUST_USE;
/* The same of a model that is no library, with schedules of its own; *choices: what was chosen.
 * Never from the cache. */
bool fv_subject_open_tuned(fv_context *c, const char *path, fv_backend_kind backend,
                           const fv_tuning *tuned, fv_choices *choices,
                           fv_subject *out) FV_MUST_USE;
/* A change of the graph as it was read, and one after its passes; NULL: none. False after a
 * diagnostic. */
typedef struct fv_change {
    bool (*read)(void *user, fv_module *m);
    bool (*passed)(void *user, fv_module *m);
    void *user;
} fv_change;
/* The same of a graph that is changed. Never from the cache. */
bool fv_subject_open_changed(fv_context *c, const char *path, fv_backend_kind backend,
                             const fv_change *change, fv_subject *out) FV_MUST_USE;
/* Runs it on its inputs. Returns the status of the run; not FV_OK: after messages. */
int fv_subject_run(fv_context *c, fv_subject *m) FV_MUST_USE;
/* The same of a graph that is in memory, and of options that are made already. Never from the
 * cache. */
bool fv_subject_open_source(fv_context *c, const fv_source *source, const fv_driver_options *o,
                            fv_backend_kind backend, fv_subject *out) FV_MUST_USE;
void fv_subject_close(fv_subject *m);
bool fv_subject_is_library(const fv_subject *m) FV_MUST_USE;
/* The graph, for its relations and hints: read now, where the artifact came from the cache. NULL:
 * there is none. */
const fv_module *fv_subject_graph(fv_context *c, fv_subject *m);
/* Program and costs, where the artifact came from the cache. */
void fv_subject_count(fv_context *c, fv_subject *m);

/* ---- hints.c ---- */

/* From the graph as it was imported. */
void fv_find_hints(fv_arena *a, const fv_module *m, fv_hint **out, int *n);
/* Positions that a table lacks, for each table of the graph as it was imported: 0 where what is
 * usually picked, a Range or a sum along a mask of ones, is there. */
void fv_find_lacks(fv_arena *a, fv_module *m, const fv_dim ***out, int *n);

/* ---- dims.c ---- */

/* Values of the symbols: from --dim (where that has not fixed them at import), from the inputs that
 * are given, else 1 for a batch, 128 for a sequence, 0 for a past, 1, or what the model's relations
 * allow that is nearest -- each said in a note, unless `quietly`. False after a message. */
bool fv_choose_dims(fv_context *c, fv_subject *m, bool quietly) FV_MUST_USE;
/* What the model's relations leave of its symbols, given the dims that are known; NULL: there is no
 * graph, or what is given contradicts it. */
fv_bounds *fv_subject_bounds(fv_context *c, const fv_subject *m);
/* "batch = 1, seq = 128", or "" */
const char *fv_dims_str(fv_arena *a, const fv_model *table, const int64_t *dims);
json_t *fv_json_symbols(const fv_model *table, const int64_t *dims);

/* ---- inputs.c ---- */

/* --data-set and --input. False after messages. */
bool fv_read_inputs(fv_context *c, fv_subject *m) FV_MUST_USE;
/* Random ones for those that are not given, once the dims are chosen. */
bool fv_make_inputs(fv_context *c, fv_subject *m) FV_MUST_USE;

/* The inputs of base, by their names, and dims that fit them; the data stays that of base. False
 * after a message. */
bool fv_give_inputs(fv_context *c, const fv_subject *base, fv_subject *m) FV_MUST_USE;

/* Tensors of a data set (`what`_0.pb, ...) in the order of the ports: by the names inside the files
 * where they have all of them, else by number. False: *why. */
bool fv_read_set(fv_context *c, const char *folder, const char *what, int n,
                 const fv_port_info *ports, const fv_tensor **out, const char **why) FV_MUST_USE;

/* ---- outputs.c ---- */

/* Names that are safe as file names and in C, unique. */
const char **fv_safe_names(fv_arena *a, int n, const char *const *names);
/* The folder that the option names is there, or is made. False after a message. */
bool fv_make_folder(fv_context *c, const char *option, const char *path) FV_MUST_USE;
/* "folder/name.npy" */
const char *fv_file_in(fv_arena *a, const char *folder, const char *name, const char *suffix);
void fv_print_outputs(fv_context *c, const fv_subject *m);
json_t *fv_json_outputs(fv_context *c, const fv_subject *m);
/* -o: a folder; one file or `-`, standard output, where there is one output. Adds "file" to the
 * entries of `list` where that is not NULL, else prints the map. */
bool fv_write_outputs(fv_context *c, const fv_subject *m, const char *path,
                      json_t *list) FV_MUST_USE;
/* --expect: a folder, or the file of the only output. Returns the number of outputs that differ,
 * each of which is reported on stdout (or added to `list`); -1 after messages. */
int fv_expect_outputs(fv_context *c, const fv_subject *m, const char *folder, json_t *list);

#endif
