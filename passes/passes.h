/* passes.h - passes, which change a module of graph IR, and pipelines of them. A pass has a name
 * and one line of purpose, and counts what it does. A pipeline is a table of passes and of the
 * steps of lowering that follow; those of the levels are in passes/pipelines. The verifier runs
 * after every pass in debug builds and on request. */
#ifndef FV_PASSES_PASSES_H
#define FV_PASSES_PASSES_H

#include "ir/base/text.h"
#include "ir/graph/gate.h"
#include "ir/rule/rule.h"

/* the number of times that a pass did something, such as 12 for "gelu-erf" */
typedef struct fv_pass_count {
    const char *what;
    int n;
} fv_pass_count;

typedef struct fv_pass_run {
    const struct fv_pass *pass; /* the running pass */
    fv_module *module;
    fv_arena *arena; /* scratch memory of this run of the pass */
    fv_pass_count *counts;
    int ncounts, cap_counts;
    int64_t tried; /* how often a rule was tried on an op, which is the cost of matching */
    bool changed;
    /* the options of the pipeline; NULL: there are none */
    const struct fv_pipeline_options *options;
} fv_pass_run;
/* adds 1 to the count of `what`, and records that the pass changed the module */
void fv_pass_count_one(fv_pass_run *r, const char *what);
/* Reports that the pass did not make n changes, and why; printed after the counts. */
void fv_pass_declined(fv_pass_run *r, int n, const char *what);
/* Must be called before each optional change of a pass: may the change be made?
 * (ir/graph/gate.h) */
bool fv_pass_may(const fv_pass_run *r, const char *what, const fv_op *op) FV_MUST_USE;
/* Visits each op of the module; ops in a region of an op are visited before it. A visit may erase
 * its op and insert others before it; false ends the walk. */
bool fv_pass_each(fv_pass_run *r, bool (*visit)(fv_pass_run *r, fv_op *op)) FV_MUST_USE;

typedef struct fv_pass {
    const char *name;
    const char *doc;
    bool (*run)(fv_pass_run *r); /* runs the pass; false after a diagnostic */
    void *user; /* data of the creator of the pass; NULL: the pass is in the table */
} fv_pass;

/* Why --disable refuses to leave out this pass; NULL: it can be left out. */
const char *fv_pass_needed(const fv_pass *p);
/* Why no level lists the pass, so that it runs only where --enable or a list of passes names it;
 * NULL: a level may list it. */
const char *fv_pass_asked(const fv_pass *p);

/* A constraint on the order of two passes in a list. passes/passes.def has the constraints and
 * their reasons. */
typedef enum {
    FV_PASS_AFTER, /* the first run of the pass comes after the first run of the other */
    FV_PASS_AGAIN, /* a run of the pass comes after the last run of the other */
} fv_pass_order_kind;

typedef struct fv_pass_order {
    const fv_pass *pass;
    fv_pass_order_kind kind;
    const fv_pass *other;
    const char *why;
} fv_pass_order;

const fv_pass_order *fv_pass_order_at(int i); /* constraint number i; NULL after the last */
/* Does the list keep the constraint? It does, too, if it lacks one of the two passes. */
bool fv_pass_order_holds(const fv_pass_order *o, const char *const *names) FV_MUST_USE;
/* Reports a warning for each constraint that a list of passes (NULL terminated) breaks. */
void fv_warn_of_order(fv_session *s, const char *const *names);

const fv_pass *fv_pass_find(const char *name);
const fv_pass *fv_pass_at(int i); /* pass number i of the table; NULL after the last */

/* A callback that is called when no rule of a pass matches any more. It gets the rules in the order
 * in which they are tried. */
typedef struct fv_rule_watch {
    void *user;
    void (*settled)(void *user, const fv_pass_run *r, const fv_rule *rules, int n,
                    fv_exactness most);
} fv_rule_watch;

typedef struct fv_pipeline_options {
    bool verify; /* whether the graph is verified after every pass */
    /* whether memory is to be saved: weights that a run converts stay as they are stored, also
     * where it then takes longer */
    bool saves_memory;
    /* whether the program will not run, so weights are only read if they are small together */
    bool without_weights;
    /* called before each pass that can be left out, and before each optional change of a pass;
     * NULL: all passes run and make all changes */
    const fv_gate *gate;
    const fv_rule_watch *rules; /* called after rules have been applied; NULL: nothing is called */
    /* names of rules that are not applied, NULL terminated; NULL: all are applied */
    const char *const *without;
    const struct fv_watch *watch; /* observes the changes of the module; NULL: nothing does */
    /* passes in addition to those of the table, NULL terminated; NULL: there are none */
    const fv_pass *const *own;
    /* called after each pass; NULL: nothing is called */
    void (*report)(void *user, const char *pass, const fv_pass_run *r);
    void *user;
} fv_pipeline_options;

/* Applies those rules that are at least as exact as `most`, until none matches. False after a
 * diagnostic: they do not terminate, or one of them failed. */
bool fv_apply_rules(fv_pass_run *r, const fv_rule *rules, int n, fv_exactness most) FV_MUST_USE;

/* Does a pass of the table have a rule of that name? */
bool fv_rule_is_shipped(fv_arena *a, const char *name) FV_MUST_USE;

/* The pass of that name among `own` (NULL: none), then in the table; NULL: there is none. */
const fv_pass *fv_pass_find_own(const fv_pass *const *own, const char *name);
/* Runs passes by name (NULL terminated), in order. False after a diagnostic: a pass failed, or
 * there is no pass of a name, in which case none runs. */
bool fv_run_passes(fv_module *m, const char *const *names,
                   const fv_pipeline_options *o) FV_MUST_USE;
/* A pipeline, as a table in Lua describes it (passes/pipelines). Lists are NULL terminated. */
typedef struct fv_pipeline_table {
    const char *purpose;       /* a line for people; NULL: the table has none */
    const char *const *passes; /* names of the passes in their order */
    /* the steps of lowering, in their order (ir/definition/step_names.h); NULL: all */
    const char *const *steps;
    /* "0" to "3" or "s": the optimization level of LLVM and of a C compiler; NULL: "2" */
    const char *code;
} fv_pipeline_table;

/* The shipped pipeline of level '0', '1', '2', '3' or 's'; NULL: there is no such level. */
const fv_pipeline_table *fv_pipeline_shipped(char level);
/* The passes of the shipped pipeline of a level, NULL terminated; NULL: there is no such level. */
const char *const *fv_pipeline(char level);
/* The names of all steps of lowering, in the arena. */
const char *const *fv_pipeline_steps(fv_arena *a);
/* A message about what is wrong with a list of steps, in the arena; NULL: nothing is wrong. */
const char *fv_pipeline_steps_wrong(fv_arena *a, const char *const *steps);
/* Prints the pipeline as a table in Lua that `--pipeline` can read; p must have steps and code. */
void fv_pipeline_print(fv_text *t, const fv_pipeline_table *p);
/* A list of passes, or of steps of lowering, without the names in `disable` and with those passes
 * of `enable` that it lacks; each is inserted after the first runs of all passes that it has to
 * follow. Names in `enable` that are not passes are ignored. Lists are NULL terminated, or NULL.
 * The result is in the arena. */
const char *const *fv_pipeline_with(fv_arena *a, const char *const *names,
                                    const char *const *enable, const char *const *disable);

#endif
