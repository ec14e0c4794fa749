/* definitions.c - the ops that represent definitions, branches and loops in a graph, and the order
 * of the steps of lowering. */
#include "ir/definition/definitions.h"

#include <string.h>

#include "ir/base/text.h"
#include "ir/catalogue/op.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"

enum { LONGEST_STEM = 80 };

/* ---- steps ---- */

const char *const *fv_lower_steps(void) {
#define STEP(id, naive, leaves) #id,
#define WHY(id, step, verdict, sentence, condition)
    static const char *const names[] = {
#include "ir/definition/steps.def"
        NULL};
#undef STEP
#undef WHY
    return names;
}

static int number_of(const char *step) {
    const char *const *names = fv_lower_steps();
    int i = 0;
    while (names[i] && strcmp(names[i], step))
        i++;
    return i;
}

bool fv_step_comes(const char *after, const char *step) {
    int number = number_of(step);
    return fv_lower_steps()[number] && number > number_of(after);
}

/* ---- dims of data ---- */

static bool dim_follows(const fv_dim *d, const fv_type *by) {
    bool follows = d->kind != FV_DIM_SYMBOL || !d->from_data;
    for (int i = 0; i < by->rank && !follows; i++)
        follows = fv_dim_mentions(by->dims[i], d);
    for (int i = 0; i < d->n && follows; i++)
        follows = dim_follows(d->arg[i], by);
    return follows;
}

bool fv_type_is_known_from(const fv_type *t, const fv_type *by) {
    for (int i = 0; i < t->rank; i++)
        if (!dim_follows(t->dims[i], by))
            return false;
    return true;
}

/* ---- define ---- */

/* Infers `define` and `recurrence`: their results have the types that the text states. The name of
 * the kernel has to be an identifier, since it becomes a part of names in C. */
static bool infer_define(fv_op *op) {
    const char *stem = fv_op_stem(op);
    if (op->nout < 1 || op->nout > FV_MAX_OUT)
        return fv_op_error(op, "has %d results, of 1 to %d", op->nout, FV_MAX_OUT);
    for (int i = 0; i < op->nout; i++)
        if (!op->out[i])
            return fv_op_error(op, "leaves out a result");
    return (fv_is_name(stem) && strlen(stem) <= LONGEST_STEM) ||
           fv_op_error(op, "op = \"%.80s\" is no name", stem);
}

const fv_opdef fv_define_def = {
    .name = "define",
    .domain = "",
    .since = {1},
    .doc = "what its definition says",
    .in = {{"loads", "T", FV_VARIADIC, -1}},
    .out = {{"results", "R", FV_VARIADIC, -1}},
    .attrs = {FV_A_OPTIONAL("op", STRING)},
    .types = {{"T", FV_SET_ANY}, {"R", FV_SET_ANY}},
    .infer = infer_define,
};

static bool has_no_steps(fv_definer *d, struct fv_recurrence *r) {
    (void)r;
    return fv_op_error(d->op, "has no steps");
}

const fv_opdef fv_recurrence_def = {
    .name = "recurrence",
    .domain = "",
    .since = {1},
    .doc = "what its steps say",
    .in = {{"loads", "T", FV_VARIADIC, -1}},
    .out = {{"results", "R", FV_VARIADIC, -1}},
    .attrs = {FV_A_OPTIONAL("op", STRING)},
    .types = {{"T", FV_SET_ANY}, {"R", FV_SET_ANY}},
    .infer = infer_define,
    .recur = has_no_steps,
};

/* ---- branches ---- */

static bool infer_mark(fv_op *op) {
    return op->nout == 0 || fv_op_error(op, "has no results");
}

static bool are_symbols_of_data(const fv_op *op, const fv_attr *symbols) {
    for (int i = 0; i < symbols->n; i++)
        if (symbols->u.dims[i]->kind != FV_DIM_SYMBOL || !symbols->u.dims[i]->from_data)
            return fv_op_error(op, "%s is no symbol of data",
                               fv_dim_str(fv_op_module(op)->arena, symbols->u.dims[i]));
    return true;
}

/* Infers `endif`: its results have the types that the text states. It binds as many symbols as each
 * branch lists dims. */
static bool infer_endif(fv_op *op) {
    const fv_attr *symbols = fv_op_find_attr(op, "symbols"), *dims = fv_op_find_attr(op, "dims");
    return are_symbols_of_data(op, symbols) &&
           ((symbols->n == dims->n && op->nin == op->nout) ||
            fv_op_error(op, "has %d symbols for %d dims, and %d results for %d", symbols->n,
                        dims->n, op->nout, op->nin));
}

const fv_opdef fv_if_def = {
    .name = "if",
    .domain = "",
    .since = {1},
    .doc = "what follows runs where this holds",
    .in = {{"cond", "B", .rank = FV_SCALAR}},
    .types = {{"B", FV_SET(BOOL)}},
    .infer = infer_mark,
    .has_effect = true,
};

const fv_opdef fv_else_def = {
    .name = "else",
    .domain = "",
    .since = {1},
    .doc = "the results of what runs where it holds; what follows runs where not",
    .in = {{"results", "T", FV_VARIADIC, -1}},
    .attrs = {FV_A_REQUIRED("dims", DIMS)},
    .types = {{"T", FV_SET_ANY}},
    .infer = infer_mark,
    .has_effect = true,
};

const fv_opdef fv_endif_def = {
    .name = "endif",
    .domain = "",
    .since = {1},
    .doc = "the results of what runs where not; one of both is the result",
    .in = {{"results", "T", FV_VARIADIC, -1}},
    .out = {{"outputs", "R", FV_VARIADIC, -1}},
    .attrs = {FV_A_REQUIRED("dims", DIMS), FV_A_REQUIRED("symbols", DIMS)},
    .types = {{"T", FV_SET_ANY}, {"R", FV_SET_ANY}},
    .infer = infer_endif,
    .has_effect = true,
};

/* ---- loops ---- */

static bool infer_repeated(fv_op *op, const char *values) {
    const fv_attr *symbols = fv_op_find_attr(op, "symbols"), *dims = fv_op_find_attr(op, values);
    return are_symbols_of_data(op, symbols) &&
           ((symbols->n == dims->n && symbols->n > 0 && op->nin == op->nout + 1) ||
            fv_op_error(
                op,
                "has %d symbols for %d dims, and %d results for %d operands after the condition",
                symbols->n, dims->n, op->nout, op->nin - 1));
}

static bool infer_loop(fv_op *op) {
    const fv_attr *times = fv_op_find_attr(op, "times");
    return infer_repeated(op, "first") &&
           (!times || times->n == 1 || fv_op_error(op, "times is %d dims, expected 1", times->n));
}

static bool infer_endloop(fv_op *op) {
    return infer_repeated(op, "next");
}

const fv_opdef fv_loop_def = {
    .name = "loop",
    .domain = "",
    .since = {1},
    .doc = "the ops that follow run in each iteration; the results are the states in it",
    .in = {{"cond", "B", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR}, {"first", "T", FV_VARIADIC, -1}},
    .out = {{"states", "R", FV_VARIADIC, -1}},
    .attrs = {FV_A_REQUIRED("symbols", DIMS), FV_A_REQUIRED("first", DIMS),
              FV_A_OPTIONAL("times", DIMS)},
    .types = {{"B", FV_SET(BOOL)}, {"T", FV_SET_ANY}, {"R", FV_SET_ANY}},
    .infer = infer_loop,
    .has_effect = true,
};

const fv_opdef fv_endloop_def = {
    .name = "endloop",
    .domain = "",
    .since = {1},
    .doc = "the operands are the states after an iteration, the results those after the loop",
    .in = {{"cond", "B", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR}, {"next", "T", FV_VARIADIC, -1}},
    .out = {{"states", "R", FV_VARIADIC, -1}},
    .attrs = {FV_A_REQUIRED("symbols", DIMS), FV_A_REQUIRED("next", DIMS)},
    .types = {{"B", FV_SET(BOOL)}, {"T", FV_SET_ANY}, {"R", FV_SET_ANY}},
    .infer = infer_endloop,
    .has_effect = true,
};

int fv_mark_depth(const fv_op *op) {
    return (op->def == &fv_if_def || op->def == &fv_loop_def) -
           (op->def == &fv_endif_def || op->def == &fv_endloop_def);
}

fv_op *fv_loop_end(const fv_op *op) {
    int depth = 0;
    for (op = op->next; op; op = op->next) {
        if (depth == 0 && op->def == &fv_endloop_def)
            return (fv_op *)op;
        depth += fv_mark_depth(op);
    }
    return NULL;
}

fv_op *fv_loop_begin(const fv_op *op) {
    int depth = 0;
    for (op = op->prev; op; op = op->prev) {
        if (depth == 0 && op->def == &fv_loop_def)
            return (fv_op *)op;
        depth -= fv_mark_depth(op);
    }
    return NULL;
}

const fv_opdef *fv_definitions_op(const char *name) {
    static const fv_opdef *const all[] = {&fv_define_def, &fv_recurrence_def, &fv_if_def,
                                          &fv_else_def,   &fv_endif_def,      &fv_loop_def,
                                          &fv_endloop_def};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(all[i]->name, name))
            return all[i];
    return NULL;
}

bool fv_reads_memory(const fv_op *op) {
    return op->def->kernel || op->def->recur || op->def->has_effect;
}

bool fv_is_group(const fv_op *op) {
    return op->def == &fv_define_def && op->nout > 1;
}

int fv_group_shared(int n, fv_definition *const *all, fv_var **shared) {
    int count = 0;
    for (int i = 0; i < all[0]->rank; i++) {
        bool everywhere = true;
        for (int m = 1; m < n && everywhere; m++)
            everywhere = fv_definition_axis(all[m], all[0]->index[i]) < all[m]->rank;
        if (everywhere)
            shared[count++] = all[0]->index[i];
    }
    return count;
}

fv_op *fv_branch_next(const fv_op *op) {
    int depth = 0;
    for (op = op->next; op; op = op->next) {
        if (depth == 0 && (op->def == &fv_else_def || op->def == &fv_endif_def))
            return (fv_op *)op;
        depth += (op->def == &fv_if_def) - (op->def == &fv_endif_def);
    }
    return NULL;
}

const char *fv_op_stem(const fv_op *op) {
    return op->def == &fv_define_def || op->def == &fv_recurrence_def
               ? fv_op_string_or(op, "op", op->def->name).s
               : op->def->name;
}
