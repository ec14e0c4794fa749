/* internal.h - what the files of the binding share.
 *
 * Two kinds of jumps meet here: Lua's errors and the doors of a session. Neither may cross frames
 * of the other. So
 *   - a binding reads its arguments first, into memory of Lua: there Lua may raise, and no door of
 *     ours is open;
 *   - then it calls Fovea by fv_lua_try, which opens a door: there Lua is not called, but by
 *     fv_lua_protected, which catches;
 *   - then it pushes results, again without a door.
 * Out of memory in the middle closes the door and becomes a Lua error; a module that was being
 * changed then cannot be used any more.
 *
 * Handles are userdata that hold a pointer into a module's arena, and the module's handle. An arena
 * gives nothing back while the module lives, so a pointer to what was erased can be asked whether
 * it is; every access asks (fv_lua_op, fv_lua_value). A module of which the owner is somebody else
 * is lent for the run of a pass: then its handles are closed. One object has one handle, kept in a
 * weak table, so handles are equal as Lua compares them and can be keys. */
#ifndef FV_PASSES_LUA_INTERNAL_H
#define FV_PASSES_LUA_INTERNAL_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "ir/base/text.h"
#include "passes/lua/lua.h"

/* FV_LUA_INTERVAL: instructions between two looks at the limits, of a state that is small. */
enum { FV_LUA_TEXT = 4000, FV_LUA_FRAMES = 20, FV_LUA_INTERVAL = 1000 };

/* A place in a script. */
typedef struct fv_lua_frame {
    char source[200], name[80];
    int line;
} fv_lua_frame;

struct fv_lua {
    lua_State *main, *L; /* L: the one that runs, a coroutine perhaps */
    fv_session *session;
    fv_arena *arena;
    fv_lua_options o;
    const char *path, *folder;
    size_t used;  /* bytes of the state */
    bool starved; /* the last allocation that failed was beyond the limit */
    bool late;    /* ... of steps, or it was interrupted */
    size_t base;  /* bytes of the session when the outermost call began */
    int64_t steps;
    /* of the thread at the last look; 0: there was none, or it says nothing */
    int64_t nanoseconds;
    const char *stop; /* why no instruction is run any more; NULL: they are */
    bool varies, loaded, closing;
    bool matching, condition_failed; /* a rule asks its function; that has raised an error */
    bool lent, poisoned;             /* answers of protected calls: pass.c */
    struct fv_lua_pass *running; /* the innermost pass of the script that runs; NULL: none does */
    int depth;                   /* protected calls inside each other */
    const fv_pass **passes;      /* NULL terminated */
    int npasses;
    fv_pipeline_table pipeline; /* without passes: the script has none */
    fv_lua_kernel *kernels;     /* in the order in which they were declared */
    int nkernels, cap_kernels;
    fv_tuning schedules; /* that the script wishes */
    int cap_schedules;
    struct fv_lua_test *tests; /* in their order */
    int ntests, cap_tests;
    fv_lua_option *options; /* by name */
    int noptions, cap_options;
    const char **files; /* scripts that were read */
    int nfiles, cap_files;
    fv_text key;
    /* of the error that nobody caught */
    char message[FV_LUA_TEXT];
    fv_lua_frame frames[FV_LUA_FRAMES];
    int nframes, at; /* at: the frame that the message speaks of; -1: none */
};

/* The handle of a module. */
typedef struct fv_lua_box {
    fv_module *m;  /* NULL: it is gone */
    bool poisoned; /* memory ran out while it was changed */
    bool owned;    /* the script has read it; else lent */
    /* ops of which operands or attributes were changed, and types not inferred since */
    fv_op **touched;
    int ntouched, cap_touched;
} fv_lua_box;

/* The handle of anything in a module. */
typedef struct fv_lua_handle {
    fv_lua_box *box; /* NULL: a tensor that is of no module, with its memory behind the handle */
    void *at;
    bool open; /* of a tensor: may be written to */
} fv_lua_handle;

/* A pass of the script. */
typedef struct fv_lua_pass {
    fv_pass pass;
    fv_lua *lua;
    int run;              /* reference to its function */
    int values;           /* reference to the table of its options */
    const fv_rule *rules; /* of fv.rules; then `run` is none */
    int nrules;
    fv_pass_run *now;          /* while it runs */
    struct fv_lua_pass *outer; /* the one that runs around it */
    bool around;               /* the module was in the hands of the script before */
} fv_lua_pass;

typedef struct fv_lua_test {
    const char *name;
    int run; /* reference to its function */
} fv_lua_test;

typedef struct fv_lua_rule {
    fv_rule rule;
    fv_lua *lua;
    const char *what; /* "rule 'x'" */
    int when;         /* reference to its function, or none */
} fv_lua_rule;

typedef struct fv_lua_class {
    const char *name; /* "op": metatable "fv.op" */
    const luaL_Reg *getters, *methods, *meta;
} fv_lua_class;
extern const fv_lua_class fv_lua_module_class, fv_lua_func_class, fv_lua_region_class,
    fv_lua_op_class, fv_lua_value_class, fv_lua_type_class, fv_lua_dim_class, fv_lua_tensor_class,
    fv_lua_pass_class, fv_lua_rule_class, fv_lua_compiled_class;
extern const fv_lua_class *const fv_lua_classes[]; /* NULL terminated */
extern const luaL_Reg fv_lua_functions[];          /* of fv itself */

/* ---- state.c ---- */

fv_lua *fv_lua_of(lua_State *L);
/* So many steps more; raises where a limit is passed. */
void fv_lua_count(lua_State *L, int64_t steps);
/* The limits are looked at after the next instruction of that coroutine. */
void fv_lua_look_soon(lua_State *L);
/* Bytes that what it makes may take besides what it has taken. */
size_t fv_lua_room(lua_State *L);
/* Runs f with `arg` as its light userdata; no error leaves. False after diagnostics. `what`, for
 * messages: "pass 'x'", or NULL. */
bool fv_lua_protected(fv_lua *l, const char *what, lua_CFunction f, void *arg) FV_MUST_USE;
/* Runs work(arg) with a door open. Raises where memory runs out, after which `changed` (or NULL) is
 * not usable, and where the answer is false: the messages that were said become the error. */
void fv_lua_try(lua_State *L, fv_lua_box *changed, bool (*work)(void *arg), void *arg);
/* The same for what makes dims and nothing else: one of too many parts leaves the module as it
 * was. */
void fv_lua_try_dims(lua_State *L, fv_lua_box *box, bool (*work)(void *arg), void *arg);
/* The same for what changes the module: raises where a rule is matched right now. */
void fv_lua_change(lua_State *L, fv_lua_box *changed, bool (*work)(void *arg), void *arg);
/* The text of a file that the script consists of, which fv_lua_key then knows. Raises. */
const char *fv_lua_read(lua_State *L, const char *path, size_t *n);
/* Pushes what `str` says of x; returns 1. */
int fv_lua_push_text(lua_State *L, const char *(*str)(fv_arena *a, const void *x), const void *x);
/* Zeroed memory of Lua's, pushed. */
void *fv_lua_scratch(lua_State *L, size_t n, size_t size);
/* Each line of the text as a note. */
void fv_lua_note_lines(fv_lua *l, const char *text);
/* "; did you mean 'x'?", or "". Valid until the next call. */
const char *fv_lua_nearest(fv_lua *l, const char *word, const char *const *names);

/* ---- pattern.c, elements.c ---- */

/* Replace what takes long in the library on the top, `string` and `table`, by what counts. */
void fv_lua_set_patterns(lua_State *L);
void fv_lua_set_elements(lua_State *L);

/* ---- sandbox.c ---- */

void fv_lua_open_libraries(lua_State *L);
/* _G.fv, and the classes. module.c */
void fv_lua_open_module(lua_State *L);

/* ---- handle.c ---- */

void fv_lua_make_classes(lua_State *L);
/* The handle of a module, pushed; a new one where it has none. */
fv_lua_box *fv_lua_push_box(lua_State *L, fv_module *m, bool owned);
/* Finds the handle that m has; false: none, and nothing is pushed. */
bool fv_lua_find_box(lua_State *L, const fv_module *m) FV_MUST_USE;
fv_lua_box *fv_lua_module(lua_State *L, int arg);
/* nil for NULL */
void fv_lua_push(lua_State *L, fv_lua_box *box, const fv_lua_class *c, const void *at);
/* The object at `arg`; *box is its module, NULL of a tensor that is of none. Raise where it is
 * another kind, stale, or of a module that is gone. */
void *fv_lua_any(lua_State *L, int arg, const fv_lua_class *c, fv_lua_box **box);
fv_op *fv_lua_op(lua_State *L, int arg, fv_lua_box **box);
fv_value *fv_lua_value(lua_State *L, int arg, fv_lua_box **box);
/* The same of a value that has to be of `box`. */
fv_value *fv_lua_value_in(lua_State *L, int arg, fv_lua_box *box);
fv_region *fv_lua_region(lua_State *L, int arg, fv_lua_box **box);
bool fv_lua_is(lua_State *L, int arg, const fv_lua_class *c) FV_MUST_USE;
bool fv_lua_op_lives(const fv_op *op) FV_MUST_USE;
bool fv_lua_value_lives(const fv_lua_box *box, const fv_value *v) FV_MUST_USE;
/* Iterators over what is there now, without what is erased on the way; pushes one. name NULL: all
 * ops. */
void fv_lua_push_ops(lua_State *L, fv_lua_box *box, const fv_region *r, const fv_opdef *name,
                     bool nested);

/* ---- op.c ---- */

/* Infers the types of ops that were changed: what these assume has to be known of the module. False
 * after a diagnostic. */
bool fv_lua_settle(fv_lua_box *box) FV_MUST_USE;
/* The op was changed. With a door open. */
void fv_lua_touch(fv_lua_box *box, fv_op *op);

/* ---- attribute.c ---- */

void fv_lua_push_attr(lua_State *L, fv_lua_box *box, const fv_attr *a);
/* The attribute `d` as the Lua value at `arg` says, in memory of Lua; what it needs is pushed.
 * Raises. */
void fv_lua_read_attr(lua_State *L, int arg, fv_lua_box *box, const fv_attr_def *d,
                      const fv_opdef *of, fv_attr *out);
/* Its entry in the catalogue; raises where there is none. */
const fv_attr_def *fv_lua_attr_def(lua_State *L, const fv_opdef *d, const char *name);
/* A copy of what it points to in the module's arena. */
fv_attr fv_lua_keep_attr(fv_module *m, const fv_attr *a);

/* ---- build.c ---- */

/* An op of the catalogue by its name at `arg`. Raises. */
const fv_opdef *fv_lua_opdef(lua_State *L, int arg);
/* NAME, INPUTS, ATTRIBUTES, RESULTS at `arg` and behind it: builds the op before `before`, or at
 * the end of r; pushes its results and returns how many. */
int fv_lua_build(lua_State *L, int arg, fv_lua_box *box, fv_region *r, fv_op *before);

/* ---- type.c ---- */

fv_elem fv_lua_elem(lua_State *L, int arg); /* "f32" */
/* A dim: a handle, or a number. Raises. */
const fv_dim *fv_lua_dim(lua_State *L, int arg, fv_lua_box *box);
void fv_lua_push_dims(lua_State *L, fv_lua_box *box, int n, const fv_dim *const *dims);

/* ---- value.c ---- */

/* A list of them, pushed, `false` for NULL; returns 1. */
int fv_lua_push_values(lua_State *L, fv_lua_box *box, int n, fv_value *const *list);
/* Raises where v's type is not old's: who uses old relies on it. Dims are equal by proof, or
 * because the module assumes it. */
void fv_lua_check_type(lua_State *L, const fv_lua_box *box, const fv_value *old, const fv_value *v);

/* ---- tensor.c ---- */

int fv_lua_const(lua_State *L);      /* module:const */
int fv_lua_buffer(lua_State *L);     /* module:buffer */
int fv_lua_tensor_new(lua_State *L); /* fv.tensor */
/* A tensor of zeros in memory of Lua, which is of no module, pushed. Raises. */
fv_tensor *fv_lua_push_tensor(lua_State *L, fv_elem elem, int rank, const int64_t *dims);
fv_tensor *fv_lua_tensor_at(lua_State *L, int arg);

/* ---- pass.c ---- */

int fv_lua_pass_new(lua_State *L);    /* fv.pass */
int fv_lua_options_new(lua_State *L); /* fv.options */
/* The passes that run inside `outer` do so no more: they ended, or memory did. */
void fv_lua_end_passes(fv_lua *l, const fv_lua_pass *outer);
/* --script-arg of what nobody has declared. False after a diagnostic. */
bool fv_lua_check_args(fv_lua *l) FV_MUST_USE;
/* Declares the pass and pushes its handle; raises. With neither `run` nor rules it does nothing. */
fv_lua_pass *fv_lua_declare(lua_State *L, const char *name, const char *purpose);

/* ---- pipeline.c ---- */

int fv_lua_pipeline_new(lua_State *L); /* fv.pipeline */
int fv_lua_level(lua_State *L);        /* fv.level */
int fv_lua_module_run(lua_State *L);   /* module:run */
/* The table is the script's pipeline. Raises. */
void fv_lua_set_pipeline(lua_State *L, int table);
/* The list at `arg` of passes, names and lists of these as one of names, pushed; where. Raises. */
int fv_lua_pass_names(lua_State *L, int arg);

/* ---- table.c ---- */

/* The text at `arg`. Raises where it is none, or holds a byte 0, where Fovea's texts end. */
const char *fv_lua_text(lua_State *L, int arg);
/* The same of what is known to be a text, anywhere on the stack. */
const char *fv_lua_whole(lua_State *L, int at);

/* Raises where the table has a field besides `names`; `what` takes them: "fv.pass". */
void fv_lua_check_fields(lua_State *L, int table, const char *what, const char *const *names);
/* Fields, pushed; raise where they are there and something else. `otherwise` NULL: a text that has
 * to be there. */
const char *fv_lua_text_field(lua_State *L, int table, const char *name, const char *otherwise);
lua_Integer fv_lua_integer_field(lua_State *L, int table, const char *name, lua_Integer otherwise,
                                 lua_Integer least, lua_Integer most);
double fv_lua_number_field(lua_State *L, int table, const char *name, double otherwise);
/* The texts in the list at `arg`, NULL terminated, in memory of Lua, pushed; the list has to stay
 * on the stack. Raises. */
const char *const *fv_lua_texts(lua_State *L, int arg);
/* Of {n = 4, m = "1..8"}: "m", "1..8", "n", "4", NULL; by name. In memory of Lua, pushed. NULL:
 * there is no such field. Raises. */
const char *const *fv_lua_dims_field(lua_State *L, int table, const char *name);
/* The names of a table's fields, sorted, NULL terminated, in memory of Lua, pushed. Raises where
 * one is no text. */
const char *const *fv_lua_keys(lua_State *L, int table, const char *what);

/* ---- compiled.c, measure.c, save.c ---- */

int fv_lua_compile(lua_State *L);       /* fv.compile */
int fv_lua_run(lua_State *L);           /* fv.run */
int fv_lua_time(lua_State *L);          /* fv.time */
int fv_lua_diff(lua_State *L);          /* fv.diff */
int fv_lua_save(lua_State *L);          /* fv.save */
int fv_lua_compiled_cost(lua_State *L); /* compiled:cost */
/* Raises where it is closed. */
fv_lua_compiled *fv_lua_compiled_at(lua_State *L, int arg);
/* {inputs=, dims=, seed=, threads=} of the table at `arg`, or none, in memory of Lua; what it needs
 * is pushed. Raises. */
fv_lua_inputs fv_lua_read_inputs(lua_State *L, int arg);
/* An arena that is freed by the one of these, or where an error goes past: then by the collector.
 * Nothing is in it before somebody makes it, with a door open. Pushes what holds it. */
fv_arena **fv_lua_push_arena(lua_State *L);
void fv_lua_free_arena(fv_arena **a);
/* Runs it, and pushes a table of its outputs by their names. */
void fv_lua_push_outputs(lua_State *L, fv_lua_compiled *c, const fv_lua_inputs *in);

/* ---- kernel.c ---- */

int fv_lua_kernel_new(lua_State *L); /* fv.kernel */

/* ---- schedule.c ---- */

/* The line of the script that runs. */
int fv_lua_line(lua_State *L);
int fv_lua_schedule_new(lua_State *L); /* fv.schedule */
/* Of the table {match=, name=, params=}; its texts live as long as the script. Raises. */
fv_tuned_kernel fv_lua_read_schedule(lua_State *L, int table);
/* The list `schedules` of such tables in the table, in memory of Lua, pushed; NULL: there is none.
 * Raises. */
const fv_tuning *fv_lua_schedules_field(lua_State *L, int table);

/* ---- test.c ---- */

int fv_lua_test_new(lua_State *L); /* fv.test */

/* ---- operator.c ---- */

int fv_lua_op_new(lua_State *L); /* fv.op */

/* ---- rules.c ---- */

int fv_lua_rule_new(lua_State *L);  /* fv.rule */
int fv_lua_rules_new(lua_State *L); /* fv.rules */
/* False after diagnostics. */
bool fv_lua_apply_rules(fv_lua_pass *p, fv_pass_run *r) FV_MUST_USE;

#endif
