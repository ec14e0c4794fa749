/* passes.h - graph IR to graph IR: passes, pipelines, and what a pass says it did.
 *
 * A pass is a function from module to module with a name, one line of purpose and counts of what it
 * did. A pipeline is a table: passes, and the steps of lowering behind them; those of the levels
 * are in passes/pipelines. The verifier runs after every pass in debug builds and where asked. */
#ifndef FV_PASSES_PASSES_H
#define FV_PASSES_PASSES_H

#include "ir/base/text.h"
#include "ir/graph/gate.h"
#include "ir/rule/rule.h"

typedef struct fv_pass_count { /* "gelu-erf": 12 */
    const char *what;
    int n;
} fv_pass_count;

typedef struct fv_pass_run {
    const struct fv_pass *pass; /* the one that runs */
    fv_module *module;
    fv_arena *arena; /* of this run of the pass: scratch */
    fv_pass_count *counts;
    int ncounts, cap_counts;
    int64_t tried; /* rules at ops: what matching costs */
    bool changed;
    const struct fv_pipeline_options *options; /* NULL: there are none */
} fv_pass_run;
void fv_pass_count_one(fv_pass_run *r, const char *what); /* also sets changed */
/* Is a change of an optimizing pass to be made? Asked before each. */
bool fv_pass_may(const fv_pass_run *r, const char *what, const fv_op *op) FV_MUST_USE;
/* Visits each op of the module, those that stand in an op before it. A visit may erase its op and
 * put others before it; false ends the walk. */
bool fv_pass_each(fv_pass_run *r, bool (*visit)(fv_pass_run *r, fv_op *op)) FV_MUST_USE;

typedef struct fv_pass {
    const char *name;
    const char *doc;
    bool (*run)(fv_pass_run *r); /* false after a diagnostic */
    void *user;                  /* of whoever has made the pass; NULL: it is of the table */
} fv_pass;

/* Why --disable does not take it; NULL: it does. */
const char *fv_pass_needed(const fv_pass *p);
/* Why it runs only where it is asked for; NULL: a level's list has it, or could. */
const char *fv_pass_asked(const fv_pass *p);

/* Where a pass stands beside another one that is in the same list: passes/passes.def has them, with
 * why. */
typedef enum {
    FV_PASS_AFTER, /* its first run comes after the other's first */
    FV_PASS_AGAIN, /* a run of it follows the other's last */
} fv_pass_order_kind;

typedef struct fv_pass_order {
    const fv_pass *pass;
    fv_pass_order_kind kind;
    const fv_pass *other;
    const char *why;
} fv_pass_order;

const fv_pass_order *fv_pass_order_at(int i); /* NULL behind the last */
/* True as well where the list lacks one of the two. */
bool fv_pass_order_holds(const fv_pass_order *o, const char *const *names) FV_MUST_USE;
/* A warning for each order that a list of passes (NULL terminated) does not keep. */
void fv_warn_of_order(fv_session *s, const char *const *names);

const fv_pass *fv_pass_find(const char *name);
const fv_pass *fv_pass_at(int i); /* NULL behind the last */

/* Who is told of rules that a pass has applied, in the order in which it tries them, until none
 * matched. */
typedef struct fv_rule_watch {
    void *user;
    void (*settled)(void *user, const fv_pass_run *r, const fv_rule *rules, int n,
                    fv_exactness most);
} fv_rule_watch;

typedef struct fv_pipeline_options {
    bool verify; /* after every pass */
    /* asked before each pass that is not needed, and before the changes that passes make; NULL: all
     * may be */
    const fv_gate *gate;
    const fv_rule_watch *rules; /* NULL: nobody looks */
    /* names of rules that are not applied, NULL terminated; NULL: all may be */
    const char *const *without;
    const struct fv_watch *watch; /* NULL: nobody looks */
    const fv_pass *const *own; /* passes besides those of the table, NULL terminated; NULL: none */
    void (*report)(void *user, const char *pass, const fv_pass_run *r); /* NULL: none */
    void *user;
} fv_pipeline_options;

/* Applies the rules that are as exact as `most`, or more, until none matches. False after a
 * diagnostic, where they come to no end. */
bool fv_apply_rules(fv_pass_run *r, const fv_rule *rules, int n, fv_exactness most) FV_MUST_USE;

/* Has a shipped pass a rule of that name? */
bool fv_rule_is_shipped(fv_arena *a, const char *name) FV_MUST_USE;

/* The pass of that name among `own` (NULL: none), then in the table; NULL: there is none. */
const fv_pass *fv_pass_find_own(const fv_pass *const *own, const char *name);
/* Runs passes by name (NULL terminated), in order. An unknown name is a diagnostic with the
 * nearest. */
bool fv_run_passes(fv_module *m, const char *const *names,
                   const fv_pipeline_options *o) FV_MUST_USE;
/* How a model is compiled, as its table in Lua says it (passes/pipelines). Lists are NULL
 * terminated. */
typedef struct fv_pipeline_table {
    const char *purpose;       /* for people; NULL: it says none */
    const char *const *passes; /* in their order */
    /* of lowering that are done (ir/definition/step_names.h), in their order; NULL: all */
    const char *const *steps;
    /* "0" to "3", "s": how much is looked for in code, by LLVM and by a C compiler; NULL: "2" */
    const char *code;
} fv_pipeline_table;

/* The shipped pipeline of level '0', '1', '2', '3' or 's'; NULL: there is no such level. */
const fv_pipeline_table *fv_pipeline_shipped(char level);
/* Its passes. */
const char *const *fv_pipeline(char level);
/* The names of all steps of lowering, in the arena. */
const char *const *fv_pipeline_steps(fv_arena *a);
/* What is wrong with a list of steps, in the arena; NULL: nothing. */
const char *fv_pipeline_steps_wrong(fv_arena *a, const char *const *steps);
/* The table in Lua, as `--pipeline` reads it; p has steps and code. */
void fv_pipeline_print(fv_text *t, const fv_pipeline_table *p);
/* Is it in the list, which may be NULL? */
bool fv_is_in(const char *const *list, const char *name) FV_MUST_USE;
/* A list of passes with those of `enable` that it lacks, each behind the first runs of all that it
 * has to come after, and without those of `disable`; both NULL terminated, or NULL; names that are
 * no passes' say nothing. In the arena. */
const char *const *fv_pipeline_with(fv_arena *a, const char *const *names,
                                    const char *const *enable, const char *const *disable);

#endif
