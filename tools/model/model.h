/* model.h - a model that is ready to run, with values of its dims, inputs and outputs. `run`,
 * `inspect` and all other commands that execute a model use it. */
#ifndef FV_TOOLS_MODEL_MODEL_H
#define FV_TOOLS_MODEL_MODEL_H

#include "backend/cost/cost.h"
#include "ir/graph/bounds.h"
#include "tools/command/command.h"
#include "tools/command/json.h"

/* What the graph implies for the values of an input. */
typedef enum {
    FV_HINT_NONE,
    FV_HINT_INDEX, /* elements are indices, from 0 to below `bound` */
    FV_HINT_MASK   /* the elements are a mask, so they are ones */
} fv_hint_kind;
typedef struct fv_hint {
    const char *name; /* name of the input */
    fv_hint_kind kind;
    const fv_dim *bound;
} fv_hint;

/* What the operators of a graph use a symbol of its dims for: a set. */
enum {
    FV_SYMBOL_IMAGE = 1, /* an axis of a window over images */
    FV_SYMBOL_VOLUME = 2,
    FV_SYMBOL_SEQUENCE = 4, /* steps, positions, keys, or an axis of a window over signals */
    FV_SYMBOL_CACHE = 8     /* entries of an input of which an output is a longer copy */
};
typedef struct fv_symbol_place {
    const char *name; /* name of the symbol */
    unsigned place;
} fv_symbol_place;

/* What a graph implies for the inputs of a run. */
typedef struct fv_implied {
    fv_hint *hints; /* a hint for each input of the graph */
    int nhints;
    /* for each table that is indexed by positions, how many entries it lacks for the chosen dims;
     * should be 0 (fv_find_lacks) */
    const fv_dim **lacks;
    int nlacks;
    fv_symbol_place *places;
    int nplaces;
    const fv_dim **sizes; /* numbers of elements of values that symbols decide, each once */
    int nsizes;
} fv_implied;

/* The milliseconds that opening a model took; for a compiled library, all time is in `code`. */
typedef struct fv_open_times {
    double read_ms, lower_ms, code_ms, keep_ms;
} fv_open_times;

/* Inputs and outputs of a run. */
typedef struct fv_run_data {
    int64_t *dims;        /* value of each symbol */
    unsigned char *known; /* for each symbol, whether it has a value */
    unsigned char *given; /* for each input, whether its data are given, by a file or another run */
    fv_array *inputs, *outputs;
    /* the values that the outputs represent (tools/data/values.h): a tensor of strings is one
     * value, a sequence is several */
    struct fv_port_value *results;
    int nresults;
    const char **safe; /* names of the results that are safe as file names */
} fv_run_data;

typedef struct fv_subject {
    const char *path;
    /* the source of the model; for a compiled library or an artifact from the cache, only its kind
     * is set */
    fv_source source;
    /* the session in which the graph was read after the artifact was made or came from the cache;
     * NULL: there is none */
    fv_session *reading;
    fv_program *program;
    fv_artifact *artifact;
    const fv_model *table;
    /* whether the artifact came from the cache; see fv_subject_graph and fv_subject_count */
    bool cached;
    fv_open_times took;
    /* costs of each launch as expressions over dims (backend/cost/cost.h); NULL for a library */
    struct fv_launch_cost *costs;
    int ncosts;
    fv_implied implied;
    fv_run_data data;
} fv_subject;

/* Reads and compiles the model, or loads a shared library. False after messages. Must be closed
 * with fv_subject_close, also after a failure. */
bool fv_subject_open(fv_context *c, const char *path, fv_backend_kind backend,
                     fv_subject *out) FV_MUST_USE;
/* Loads a shared library that is only described: it may be one for a CPU with other features, and
 * its file of weights may be missing (fv_load_described). */
bool fv_subject_describe(fv_context *c, const char *path, fv_subject *out) FV_MUST_USE;
/* fv_subject_open for a model that is not a library, with given schedules; *choices: the schedules
 * that were chosen. Does not use the cache. */
bool fv_subject_open_tuned(fv_context *c, const char *path, fv_backend_kind backend,
                           const fv_tuning *tuned, fv_choices *choices,
                           fv_subject *out) FV_MUST_USE;
/* Callbacks that change the graph as it was read, and after its passes; NULL: none. False after a
 * diagnostic. */
typedef struct fv_change {
    bool (*read)(void *user, fv_module *m);
    bool (*passed)(void *user, fv_module *m);
    void *user;
} fv_change;
/* fv_subject_open with changes of the graph. Does not use the cache. */
bool fv_subject_open_changed(fv_context *c, const char *path, fv_backend_kind backend,
                             const fv_change *change, fv_subject *out) FV_MUST_USE;
/* Runs the model on its inputs. Returns the status of the run; if the status is not FV_OK, messages
 * were reported. */
int fv_subject_run(fv_context *c, fv_subject *m) FV_MUST_USE;
/* Compiles a graph that was read already, with given options. Does not use the cache. */
bool fv_subject_open_source(fv_context *c, const fv_source *source, const fv_driver_options *o,
                            fv_backend_kind backend, fv_subject *out) FV_MUST_USE;
void fv_subject_close(fv_subject *m);
bool fv_subject_is_library(const fv_subject *m) FV_MUST_USE;
/* Makes that table the table of m, with room for its dims, inputs and outputs, in the arena. */
void fv_subject_make_room(fv_context *c, const fv_model *table, fv_subject *m);
/* The graph, for its relations and hints. If the artifact came from the cache, the graph is read
 * now. NULL: there is none. */
const fv_module *fv_subject_graph(fv_context *c, fv_subject *m);
/* The graph as it is before passes and lowering change it. Reads the file again if they have
 * changed the graph of the model; call it at most once for a model. NULL: there is none. */
const fv_module *fv_subject_graph_as_read(fv_context *c, fv_subject *m);
/* Records that the command has read the file at the path, if there is one, so that no output
 * replaces it (fv_spares_models). */
void fv_note_read(fv_context *c, const char *path);
/* Unique names that are safe in file names and in C. */
const char **fv_safe_names(fv_arena *a, int n, const char *const *names);
/* Makes the program and its costs available, also if the artifact came from the cache. */
void fv_subject_count(fv_context *c, fv_subject *m);

/* ---- hints.c ---- */

/* Finds hints for the inputs, in the graph as it was imported. */
void fv_find_hints(fv_arena *a, const fv_module *m, fv_hint **out, int *n);
/* Finds, for each table that the graph indexes by positions, how many positions it lacks: a dim
 * that is 0 if the table has all positions that are usually looked up (those of a Range, or of a
 * sum along a mask of ones). */
void fv_find_lacks(fv_arena *a, fv_module *m, const fv_dim ***out, int *n);

/* ---- places.c ---- */

/* Finds the symbols of which the graph says what they measure, in the graph as it was imported. */
void fv_find_places(fv_arena *a, const fv_module *m, fv_symbol_place **out, int *n);
/* Finds the numbers of elements of all values, in the graph as it was imported. */
void fv_find_sizes(fv_arena *a, const fv_module *m, const fv_dim ***out, int *n);

/* ---- dims.c ---- */

/* Chooses the values of symbols: from --at and --dim, from the shapes of given inputs, otherwise 1
 * for a batch, 128 for a sequence, 0 for a past, their sum for a total, for a capacity what an
 * output needs, 224 for a side of an image, 64 for one of a volume, and 1 for others, or the
 * nearest value that the model's relations allow. Names say what a symbol is, otherwise its use
 * in the graph. If an output would have no element, sequences and sides are doubled until it has;
 * if a value would be very large, as the scores of an attention between all pixels, sides are
 * halved.
 * Unless `quietly`, each choice is reported as a note. False after a message. */
bool fv_choose_dims(fv_context *c, fv_subject *m, bool quietly) FV_MUST_USE;
/* Has an output an element for the chosen dims, as far as they determine it? If not, a message says
 * that there is nothing to `what`, a verb. */
bool fv_has_work(fv_context *c, const fv_subject *m, const char *what) FV_MUST_USE;
/* The bounds that the model's relations leave for its symbols, given the known dims; NULL: there is
 * no graph, or the given values contradict it. */
fv_bounds *fv_subject_bounds(fv_context *c, const fv_subject *m);
/* the dims as text: "batch = 1, seq = 128", or "" */
const char *fv_dims_str(fv_arena *a, const fv_model *table, const int64_t *dims);
json_t *fv_json_symbols(const fv_model *table, const int64_t *dims);

/* ---- inputs.c ---- */

/* Reads the files of --data-set, --adapter and --input. False after messages. */
bool fv_read_inputs(fv_context *c, fv_subject *m) FV_MUST_USE;
/* Makes random inputs where none were given; dims must have been chosen. */
bool fv_make_inputs(fv_context *c, fv_subject *m) FV_MUST_USE;

/* Takes the inputs of `base` by name, and dims that fit them; their data still belongs to `base`.
 * False after a message. */
bool fv_give_inputs(fv_context *c, const fv_subject *base, fv_subject *m) FV_MUST_USE;

/* Reads the tensors of a data set, the files `what`_0.pb, ..., in the order of the n ports. If each
 * port has a file with a tensor of its name, files are found by these names, otherwise by number.
 * False: *why is the reason, or NULL if it was reported as a message. */
bool fv_read_set(fv_context *c, const char *folder, const char *what, int n,
                 const fv_port_info *ports, const fv_tensor **out, const char **why) FV_MUST_USE;

/* ---- outputs.c ---- */

/* Writes the inputs as a data set, for fv_read_set: each tensor or tensor of strings is a file; if
 * there are other values, each port is one. False after a message. */
bool fv_write_inputs(fv_context *c, const fv_subject *m, const char *folder) FV_MUST_USE;
/* Checks that the folder named by the option exists, or creates it. False after a message. */
bool fv_make_folder(fv_context *c, const char *option, const char *path) FV_MUST_USE;
/* the path "folder/name.npy" */
const char *fv_file_in(fv_arena *a, const char *folder, const char *name, const char *suffix);
void fv_print_outputs(fv_context *c, const fv_subject *m);
json_t *fv_json_outputs(fv_context *c, const fv_subject *m);
/* Writes outputs to `path`, the value of -o: a folder; or, if there is one output, a file or `-`
 * (standard output). Adds "file" to the entries of `list`, or prints the names if `list` is
 * NULL. */
bool fv_write_outputs(fv_context *c, const fv_subject *m, const char *path,
                      json_t *list) FV_MUST_USE;
/* Compares outputs with --expect: a folder, or the file of the only output. Returns how many
 * differ; each is reported on stdout, or added to `list`. -1 after messages. */
int fv_expect_outputs(fv_context *c, const fv_subject *m, const char *folder, json_t *list);

#endif
