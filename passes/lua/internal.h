/* internal.h - shared by the files of the binding.
 *
 * Two mechanisms of jumping meet here: errors of Lua and the doors of a session. Neither may jump
 * over frames of the other. Therefore
 *   - a binding first reads its arguments into memory of Lua; there Lua may raise errors, and no
 *     door of ours is open;
 *   - then it calls Fovea by fv_lua_try, which opens a door; there Lua is only called by
 *     fv_lua_protected, which catches errors;
 *   - then it pushes results, again without a door.
 * If memory runs out in the middle, the door is closed and an error of Lua is raised; a module that
 * was being changed cannot be used afterwards.
 *
 * A handle is a userdata with a pointer into the arena of a module and the handle of that module.
 * An arena frees nothing while the module lives, so an erased object can still be asked whether it
 * is erased, and every access does so (fv_lua_op, fv_lua_value). A module that the script does not
 * own is lent to it for the run of a pass; afterwards its handles are closed. Each object has one
 * handle, which a weak table keeps, so handles compare equal in Lua and can be keys. */
#ifndef FV_PASSES_LUA_INTERNAL_H
#define FV_PASSES_LUA_INTERNAL_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "ir/base/text.h"
#include "passes/lua/lua.h"

/* FV_LUA_INTERVAL: the instructions between two checks of the limits, while the state is small. */
enum { FV_LUA_TEXT = 4000, FV_LUA_FRAMES = 20, FV_LUA_INTERVAL = 1000 };

/* A position in a script: a file and a line. */
typedef struct fv_lua_frame {
    char source[200], name[80];
    int line;
} fv_lua_frame;

/* How much a script has used of its memory, steps and time. */
typedef struct fv_lua_use {
    size_t bytes; /* bytes that the state has allocated */
    bool starved; /* whether the last failed allocation would have exceeded the memory limit */
    bool late;    /* whether the limit of steps was exceeded, or the script was interrupted */
    size_t base;  /* bytes of the session when the outermost call began */
    int64_t steps;
    /* in nanoseconds: the time at the last count, the processor time when it was last read, and the
     * time of instructions that are not counted yet */
    int64_t clock, ran, script;
    const char *stop; /* why every further instruction fails; NULL: none does */
} fv_lua_use;

/* The calls that the script is in. */
typedef struct fv_lua_calls {
    /* whether a rule is calling its function in Lua; whether that function has raised an error */
    bool matching, condition_failed;
    /* what find_loan and end_loan in pass.c have found out about the module of a pass: whether the
     * script had a handle of it before; whether memory ran out while the script changed it */
    bool lent, poisoned;
    struct fv_lua_pass *running; /* the innermost running pass of the script; NULL: none runs */
    int depth;                   /* depth of nested protected calls */
} fv_lua_calls;

/* What the script has declared, in the order of declaration. */
typedef struct fv_lua_declared {
    const fv_pass **passes; /* NULL terminated */
    int npasses;
    fv_pipeline_table pipeline; /* no passes: the script has no pipeline */
    fv_shard_request *plan;     /* NULL: the script has no plan */
    fv_lua_kernel *kernels;
    int nkernels, cap_kernels;
    fv_tuning schedules; /* the schedules that the script requests */
    int cap_schedules;
    struct fv_lua_test *tests;
    int ntests, cap_tests;
} fv_lua_declared;

/* What the results of the script depend on. */
typedef struct fv_lua_reads {
    fv_lua_option *options; /* sorted by name */
    int noptions, cap_options;
    const char **files; /* the scripts that were read */
    int nfiles, cap_files;
    fv_text key; /* the version of Lua, the arguments of the script, and the contents of `files` */
    bool varies; /* whether the results depend on more than `key` contains, such as the time */
} fv_lua_reads;

/* The error that nobody caught. */
typedef struct fv_lua_error {
    char message[FV_LUA_TEXT];
    fv_lua_frame frames[FV_LUA_FRAMES];
    int nframes, at; /* at: the frame to which the message refers; -1: none */
} fv_lua_error;

struct fv_lua {
    lua_State *main, *L; /* L: the running thread, which may be a coroutine */
    fv_session *session;
    fv_arena *arena;
    fv_lua_options o;
    const char *path, *folder;
    bool loaded, closing;
    fv_lua_use use;
    fv_lua_calls calls;
    fv_lua_declared declared;
    fv_lua_reads reads;
    fv_lua_error error;
};

/* The handle of a module. */
typedef struct fv_lua_box {
    fv_module *m;  /* NULL: the module no longer exists */
    bool poisoned; /* whether memory ran out while the module was being changed */
    bool owned;    /* whether the script owns the module; otherwise it is lent */
    /* ops whose operands or attributes were changed since types were last inferred */
    fv_op **touched;
    int ntouched, cap_touched;
} fv_lua_box;

/* The handle of an object in a module. */
typedef struct fv_lua_handle {
    fv_lua_box *box; /* NULL: a tensor without a module, whose memory follows the handle */
    void *at;
    bool open; /* for a tensor: it may be written to */
} fv_lua_handle;

/* A pass of the script. */
typedef struct fv_lua_pass {
    fv_pass pass;
    fv_lua *lua;
    int run;              /* reference to the pass's function in Lua */
    int values;           /* reference to the table of the pass's option values */
    const fv_rule *rules; /* the rules of fv.rules, in which case `run` is unused */
    int nrules;
    fv_pass_run *now;          /* the current run; NULL: it does not run */
    struct fv_lua_pass *outer; /* the pass that runs this one */
    bool around;               /* the script had a handle of the module before the pass */
} fv_lua_pass;

typedef struct fv_lua_test {
    const char *name;
    int run; /* reference to its function */
} fv_lua_test;

typedef struct fv_lua_rule {
    fv_rule rule;
    fv_lua *lua;
    const char *what; /* the rule in messages: "rule 'x'" */
    int when;         /* reference to the rule's condition in Lua, or none */
} fv_lua_rule;

/* The names of the classes of handles, which are those of their metatables. */
#define FV_LUA_MODULE   "fv.module"
#define FV_LUA_FUNC     "fv.func"
#define FV_LUA_REGION   "fv.region"
#define FV_LUA_OP       "fv.op"
#define FV_LUA_VALUE    "fv.value"
#define FV_LUA_TYPE     "fv.type"
#define FV_LUA_DIM      "fv.dim"
#define FV_LUA_TENSOR   "fv.tensor"
#define FV_LUA_PASS     "fv.pass"
#define FV_LUA_RULE     "fv.rule"
#define FV_LUA_COMPILED "fv.compiled"

/* The handle of a compiled module. */
typedef struct fv_lua_compiled_handle {
    fv_lua_compiled *at; /* NULL: it is closed */
    const fv_lua_host *host;
} fv_lua_compiled_handle;

typedef struct fv_lua_class {
    const char *name; /* name of the class and of its metatable, "fv.op" */
    const luaL_Reg *getters, *methods, *meta;
} fv_lua_class;
extern const fv_lua_class fv_lua_module_class, fv_lua_func_class, fv_lua_region_class,
    fv_lua_op_class, fv_lua_value_class, fv_lua_type_class, fv_lua_dim_class, fv_lua_tensor_class,
    fv_lua_pass_class, fv_lua_rule_class, fv_lua_compiled_class;

/* ---- state.c ---- */

fv_lua *fv_lua_of(lua_State *L);
/* Makes the Lua state of the script, which is closed with the arena of the script. */
void fv_lua_state_new(fv_lua *l);
/* Counts steps; raises an error where a limit is exceeded. */
void fv_lua_count(lua_State *L, int64_t steps);
/* The seconds that one call into Fovea may take before the steps of the script are used up. */
double fv_lua_seconds(lua_State *L);
/* Has the limits checked after the next instruction of that coroutine. */
void fv_lua_look_soon(lua_State *L);
/* The bytes that objects made by the script may still take. */
size_t fv_lua_room(lua_State *L);
/* Runs f with `arg` as its light userdata, and catches all errors. False after diagnostics. `what`
 * is for messages: "pass 'x'", or NULL. */
bool fv_lua_protected(fv_lua *l, const char *what, lua_CFunction f, void *arg) FV_MUST_USE;
/* Runs work(arg) with a door open. Raises an error if memory runs out, after which `changed` (or
 * NULL) cannot be used, and if the answer is false: the diagnostics become the text of the
 * error. */
void fv_lua_try(lua_State *L, fv_lua_box *changed, bool (*work)(void *arg), void *arg);
/* fv_lua_try for work that only makes dims: a dim with too many terms leaves the module
 * unchanged. */
void fv_lua_try_dims(lua_State *L, fv_lua_box *box, bool (*work)(void *arg), void *arg);
/* fv_lua_try for work that changes the module: raises an error while a rule is being matched. */
void fv_lua_change(lua_State *L, fv_lua_box *changed, bool (*work)(void *arg), void *arg);
/* Reads a file that belongs to the script; fv_lua_key includes its text. Raises. */
const char *fv_lua_read(lua_State *L, const char *path, size_t *n);
/* Pushes the text that `str` gives for x; returns 1. */
int fv_lua_push_text(lua_State *L, const char *(*str)(fv_arena *a, const void *x), const void *x);
/* Zeroed memory that Lua owns, pushed. */
void *fv_lua_scratch(lua_State *L, size_t n, size_t size);
/* Pushes an object that holds an arena, and returns the address of the pointer to the arena, which
 * is NULL until the caller makes one with a door open. fv_lua_free_arena frees the arena; after an
 * error the collection of the object does. */
fv_arena **fv_lua_push_arena(lua_State *L);
void fv_lua_free_arena(fv_arena **a);
/* Marks the passes that run inside of `outer` as ended: they returned, or memory ran out. */
void fv_lua_end_passes(fv_lua *l, const fv_lua_pass *outer);
/* Reports each line of the text as a note. */
void fv_lua_note_lines(fv_lua *l, const char *text);
/* "; did you mean 'x'?", or "". Valid until the next call. */
const char *fv_lua_nearest(fv_lua *l, const char *word, const char *const *names);

/* ---- pattern.c, elements.c ---- */

/* Replace functions of the library on the top of the stack, `string` or `table`, that may take
 * long, by functions that count steps. */
void fv_lua_set_patterns(lua_State *L);
void fv_lua_set_elements(lua_State *L);

/* ---- sandbox.c ---- */

void fv_lua_open_libraries(lua_State *L);

/* ---- module.c ---- */

/* Sets _G.fv and makes the classes. */
void fv_lua_open_module(lua_State *L);

/* ---- handle.c ---- */

/* `classes`: NULL terminated */
void fv_lua_make_classes(lua_State *L, const fv_lua_class *const *classes);
/* Pushes the handle of a module, a new one if it has none. */
fv_lua_box *fv_lua_push_box(lua_State *L, fv_module *m, bool owned);
/* Pushes the handle of m; false: it has none, and nothing is pushed. */
bool fv_lua_find_box(lua_State *L, const fv_module *m) FV_MUST_USE;
fv_lua_box *fv_lua_module(lua_State *L, int arg);
/* Pushes the handle of an object; nil for NULL. */
void fv_lua_push(lua_State *L, fv_lua_box *box, const char *class, const void *at);
/* The object at `arg`; *box is its module, NULL for a tensor without one. Raises an error for
 * another kind of object, an erased one, or one of a module that no longer exists. */
void *fv_lua_any(lua_State *L, int arg, const char *class, fv_lua_box **box);
fv_op *fv_lua_op(lua_State *L, int arg, fv_lua_box **box);
fv_value *fv_lua_value(lua_State *L, int arg, fv_lua_box **box);
/* fv_lua_value for a value, which must belong to `box`. */
fv_value *fv_lua_value_in(lua_State *L, int arg, fv_lua_box *box);
fv_region *fv_lua_region(lua_State *L, int arg, fv_lua_box **box);
bool fv_lua_op_lives(const fv_op *op) FV_MUST_USE;
bool fv_lua_value_lives(const fv_lua_box *box, const fv_value *v) FV_MUST_USE;
/* Pushes an iterator over the ops of r that exist now, and, if `nested` is set, over those in
 * regions of its ops; ops that are erased meanwhile are skipped. name NULL: all operators. */
void fv_lua_push_ops(lua_State *L, fv_lua_box *box, const fv_region *r, const fv_opdef *name,
                     bool nested);

/* ---- op.c ---- */

/* Infers the types of ops that were changed, so that the relations they imply are recorded in the
 * module. False after a diagnostic. */
bool fv_lua_settle(fv_lua_box *box) FV_MUST_USE;
/* Records that the op was changed. Called with a door open. */
void fv_lua_touch(fv_lua_box *box, fv_op *op);

/* ---- attribute.c ---- */

void fv_lua_push_attr(lua_State *L, fv_lua_box *box, const fv_attr *a);
/* Reads the attribute `d` from the Lua value at `arg`, into memory of Lua; memory that it needs is
 * pushed. Raises. */
void fv_lua_read_attr(lua_State *L, int arg, fv_lua_box *box, const fv_attr_def *d,
                      const fv_opdef *of, fv_attr *out);
/* The declaration of the attribute in the catalogue; raises an error if there is none. */
const fv_attr_def *fv_lua_attr_def(lua_State *L, const fv_opdef *d, const char *name);
/* Copies the attribute, and the texts and lists that it points to, into the module's arena. */
fv_attr fv_lua_keep_attr(fv_module *m, const fv_attr *a);

/* ---- build.c ---- */

/* The operator of the catalogue whose name is at `arg`. Raises. */
const fv_opdef *fv_lua_opdef(lua_State *L, int arg);
/* Builds an op from NAME, INPUTS, ATTRIBUTES and RESULTS at `arg` and after it, before the op
 * `before` or at the end of r. Pushes its results, or the op if it has none, and returns the number
 * of pushed values. */
int fv_lua_build(lua_State *L, int arg, fv_lua_box *box, fv_region *r, fv_op *before);

/* ---- type.c ---- */

fv_elem fv_lua_elem(lua_State *L, int arg); /* reads an element type, such as "f32" */
/* A dim: a handle, or a number. Raises. */
const fv_dim *fv_lua_dim(lua_State *L, int arg, fv_lua_box *box);
void fv_lua_push_dims(lua_State *L, fv_lua_box *box, int n, const fv_dim *const *dims);

/* ---- value.c ---- */

/* Pushes a list of values, with `false` for NULL; returns 1. */
int fv_lua_push_values(lua_State *L, fv_lua_box *box, int n, fv_value *const *list);
/* Raises an error unless v has the type of old, on which the users of old rely. Dims must be equal
 * by proof, or by a relation of the module. */
void fv_lua_check_type(lua_State *L, const fv_lua_box *box, const fv_value *old, const fv_value *v);

/* ---- tensor.c ---- */

int fv_lua_const(lua_State *L);       /* implements module:const */
int fv_lua_buffer(lua_State *L);      /* implements module:buffer */
int fv_lua_tensor_new(lua_State *L);  /* implements fv.tensor */
int fv_lua_tensor_file(lua_State *L); /* implements fv.tensor_file */
/* Pushes a tensor of zeros that Lua owns and that has no module. Raises. */
fv_tensor *fv_lua_push_tensor(lua_State *L, fv_elem elem, int rank, const int64_t *dims);
fv_tensor *fv_lua_tensor_at(lua_State *L, int arg);

/* ---- pass.c ---- */

int fv_lua_pass_new(lua_State *L);    /* fv.pass */
int fv_lua_options_new(lua_State *L); /* fv.options */
/* Reports the first --script-arg whose option is not declared. False after a diagnostic. */
bool fv_lua_check_args(fv_lua *l) FV_MUST_USE;
/* Declares a pass and pushes its handle; raises. The caller then sets the pass's function `run` or
 * its rules. */
fv_lua_pass *fv_lua_declare(lua_State *L, const char *name, const char *purpose);

/* ---- pipeline.c ---- */

int fv_lua_pipeline_new(lua_State *L); /* implements fv.pipeline */
int fv_lua_level(lua_State *L);        /* implements fv.level */
int fv_lua_module_run(lua_State *L);   /* implements module:run */
/* Makes the table the pipeline of the script. Raises. */
void fv_lua_set_pipeline(lua_State *L, int table);
/* Pushes the names of passes in the list at `arg`, which consists of passes, names and lists of
 * these, as one list, and returns its index. Raises. */
int fv_lua_pass_names(lua_State *L, int arg);

/* ---- plan.c ---- */

/* Makes the value at `table` the plan of the script. Raises. */
void fv_lua_set_plan(lua_State *L, int table);

/* ---- table.c ---- */

/* The text at `arg`. Raises an error if there is none, or if it contains a byte 0, at which texts
 * of Fovea end. */
const char *fv_lua_text(lua_State *L, int arg);
/* fv_lua_text for a value anywhere on the stack that is known to be a text. */
const char *fv_lua_whole(lua_State *L, int at);

/* Pushes a field of the table at `table` and returns its type. Metamethods of the table are not
 * called: they could free what was read from it before. */
int fv_lua_field(lua_State *L, int table, const char *name);
/* Raises an error if the table has a field that is not among `names`; `what` is the function that
 * takes them: "fv.pass". */
void fv_lua_check_fields(lua_State *L, int table, const char *what, const char *const *names);
/* Push a field; raise an error if it has the wrong type. `otherwise` is the default; NULL: the
 * field is required. */
const char *fv_lua_text_field(lua_State *L, int table, const char *name, const char *otherwise);
lua_Integer fv_lua_integer_field(lua_State *L, int table, const char *name, lua_Integer otherwise,
                                 lua_Integer least, lua_Integer most);
double fv_lua_number_field(lua_State *L, int table, const char *name, double otherwise);
/* The number of entries of the list at `list`, without metamethods. Raises an error above 2^20: a
 * table with gaps can have a length that no int holds. */
int fv_lua_length(lua_State *L, int list);
/* The texts in the list at `arg`, NULL terminated, in pushed memory of Lua; the list must stay on
 * the stack. Raises. */
const char *const *fv_lua_texts(lua_State *L, int arg);
/* Converts the field {n = 4, m = "1..8"} to "m", "1..8", "n", "4", NULL, sorted by name, in pushed
 * memory of Lua. NULL: there is no such field. Raises. */
const char *const *fv_lua_dims_field(lua_State *L, int table, const char *name);
/* The names of a table's fields, sorted, NULL terminated, in pushed memory of Lua. Raises an error
 * if a key is no text. */
const char *const *fv_lua_keys(lua_State *L, int table, const char *what);

/* ---- compiled.c, run.c, measure.c, save.c ---- */

int fv_lua_compile(lua_State *L);          /* implements fv.compile */
int fv_lua_run(lua_State *L);              /* implements fv.run */
int fv_lua_time(lua_State *L);             /* implements fv.time */
int fv_lua_diff(lua_State *L);             /* implements fv.diff */
int fv_lua_save(lua_State *L);             /* implements fv.save */
int fv_lua_compiled_cost(lua_State *L);    /* implements compiled:cost */
int fv_lua_compiled_profile(lua_State *L); /* implements compiled:profile */
/* The compiled module at `arg`. Raises an error if it is closed. */
fv_lua_compiled *fv_lua_compiled_at(lua_State *L, int arg);
/* Reads {inputs=, dims=, seed=, threads=} of the table at `arg`, if there is one, into memory of
 * Lua; memory that it needs is pushed. Raises. */
fv_lua_inputs fv_lua_read_inputs(lua_State *L, int arg);
/* Runs a compiled module, and pushes a table of its outputs by their names. */
void fv_lua_push_outputs(lua_State *L, fv_lua_compiled *c, const fv_lua_inputs *in);

/* ---- lowered.c ---- */

int fv_lua_instructions(lua_State *L); /* implements fv.instructions */
int fv_lua_layout(lua_State *L);       /* implements fv.layout */
/* The layout with that text, and in *printed its text as it is printed; NULL after a diagnostic.
 * Called with a door open. */
const struct fv_layout *fv_lua_parse_layout(fv_lua *l, const char *text, const char **printed);
int fv_lua_lowered(lua_State *L); /* implements module:lowered */

/* ---- kernel.c ---- */

int fv_lua_kernel_new(lua_State *L); /* implements fv.kernel */

/* ---- schedule.c ---- */

/* The current line of the script. */
int fv_lua_line(lua_State *L);
int fv_lua_schedule_new(lua_State *L); /* implements fv.schedule */
/* Reads the table {match=, form=, layout=, name=, params=}; the texts live as long as the script.
 * Raises. */
fv_tuned_kernel fv_lua_read_schedule(lua_State *L, int table);
/* Reads the field `schedules`, a list of such tables, into pushed memory of Lua; NULL: there is
 * none. Raises. */
const fv_tuning *fv_lua_schedules_field(lua_State *L, int table);

/* ---- test.c ---- */

int fv_lua_test_new(lua_State *L); /* implements fv.test */

/* ---- operator.c ---- */

int fv_lua_op_new(lua_State *L); /* implements fv.op */

/* ---- quantize.c ---- */

int fv_lua_quantize(lua_State *L); /* implements fv.quantize */

/* ---- rules.c ---- */

int fv_lua_rule_new(lua_State *L);  /* fv.rule */
int fv_lua_rules_new(lua_State *L); /* fv.rules */

#endif
