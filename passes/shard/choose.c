/* choose.c - how a plan cuts each contraction of a graph, and whether that was asked for. */
#include <stdlib.h>
#include <string.h>

#include "ir/base/text.h"
#include "passes/shard/labels.h"

const char *const fv_shard_side_names[] = {[FV_SHARD_WHOLE] = "whole",
                                           [FV_SHARD_COLUMNS] = "columns",
                                           [FV_SHARD_ROWS] = "rows",
                                           [FV_SHARD_LEFT] = "left rows",
                                           [FV_SHARD_BATCH] = "batch",
                                           [FV_SHARD_EXPERTS] = "experts",
                                           [FV_SHARD_TABLE_WHOLE] = "whole table",
                                           [FV_SHARD_TABLE_ROWS] = "table rows",
                                           [FV_SHARD_TABLE_COLUMNS] = "table columns",
                                           NULL};
const char *const fv_shard_collective_names[] = {[FV_SHARD_NONE] = "none",
                                                 [FV_SHARD_ALL_REDUCE] = "all-reduce",
                                                 [FV_SHARD_ALL_GATHER] = "all-gather",
                                                 [FV_SHARD_REDUCE_SCATTER] = "reduce-scatter",
                                                 NULL};

const char *fv_shard_node(fv_arena *a, const fv_op *op) {
    return op->origin->n ? fv_origin_str(a, op->origin) : op->out[0]->name;
}

/* ---- what was found ---- */

static bool is_in(int n, fv_value *const *list, const fv_value *v) {
    for (int i = 0; i < n; i++)
        if (list[i] == v)
            return true;
    return false;
}

bool fv_shard_is_contraction(const fv_op *op) {
    fv_shard_labels l;
    return !fv_op_is(op, FV_OP_fv_Gather) && fv_shard_labels_of(op, &l);
}

/* Has the op a choice in plans? */
static bool has_choice(const fv_op *op) {
    return fv_shard_is_contraction(op) || fv_shard_is_look_up(op);
}

const fv_dim *fv_shard_multiplies(const fv_op *op) {
    fv_dims *t = op->block->func->module->dims;
    const fv_dim *n = fv_dim_const(t, 1);
    bool seen[256] = {false};
    fv_shard_labels l;
    if (!fv_shard_is_contraction(op) || !fv_shard_labels_of(op, &l))
        return NULL;
    for (int d = 0; d < op->out[0]->type->rank; d++)
        seen[(unsigned char)l.out[d]] = true;
    n = fv_dim_product(t, op->out[0]->type->rank, op->out[0]->type->dims);
    for (int i = 0; i < op->nin; i++)
        for (int d = 0; op->in[i] && d < op->in[i]->type->rank; d++) {
            unsigned char label = (unsigned char)l.in[i][d];
            n = label && !seen[label] ? fv_dim_mul(t, n, op->in[i]->type->dims[d]) : n;
            seen[label] = true;
        }
    return n;
}

fv_shard_side fv_shard_side_of(const fv_op *op, int axis) {
    fv_shard_labels l;
    int at = axis - op->out[0]->type->rank;
    bool left, right = false;
    if (fv_op_is(op, FV_OP_fv_MatMul) || !fv_shard_labels_of(op, &l))
        return at == -1 ? FV_SHARD_COLUMNS : at == -2 ? FV_SHARD_LEFT : FV_SHARD_BATCH;
    left = fv_shard_label_axis(op, &l, 0, l.out[axis]) >= 0;
    for (int i = 1; i < op->nin; i++)
        right |= fv_shard_label_axis(op, &l, i, l.out[axis]) >= 0;
    return left && right ? FV_SHARD_BATCH : left ? FV_SHARD_LEFT : FV_SHARD_COLUMNS;
}

/* How the cut cuts a look-up, in *out; false: not its table. */
static bool is_table_cut(const fv_shard_axes *cut, const fv_op *op, fv_shard_choice *out) {
    fv_shard_labels l;
    int axis = fv_shard_axis_of(cut, op->out[0]);
    bool rows = fv_shard_has_op(&cut->partial, op);
    if (!rows && (axis < 0 || !fv_shard_labels_of(op, &l) ||
                  fv_shard_label_axis(op, &l, 0, l.out[axis]) < 0))
        return false;
    out->side = rows ? FV_SHARD_TABLE_ROWS : FV_SHARD_TABLE_COLUMNS;
    out->collective = rows                                             ? FV_SHARD_ALL_REDUCE
                      : is_in(cut->noutputs, cut->outputs, op->out[0]) ? FV_SHARD_ALL_GATHER
                                                                       : FV_SHARD_NONE;
    return true;
}

/* Has each rank the weights of some experts? */
static bool is_by_experts(const fv_shard_axes *cut, const fv_op *op) {
    if (!fv_op_is(op, FV_OP_fv_ExpertProduct) || !fv_shard_has_op(&cut->partial, op))
        return false;
    for (int i = 0; i < cut->noperands; i++)
        if (cut->operands[i].op == op && cut->operands[i].index == FV_EXPERT_WEIGHTS)
            return cut->operands[i].at.axis == 0;
    return fv_shard_axis_of(cut, op->in[FV_EXPERT_WEIGHTS]) == 0;
}

/* How the cut cuts the contraction, in *out; false: not at all. */
static bool is_cut(const fv_shard_axes *cut, const fv_op *op, fv_shard_choice *out) {
    int axis = fv_shard_axis_of(cut, op->out[0]);
    if (is_by_experts(cut, op)) {
        out->side = FV_SHARD_EXPERTS;
        out->collective =
            fv_shard_has_op(&cut->how.inner, op) ? FV_SHARD_NONE : FV_SHARD_ALL_REDUCE;
        return true;
    }
    if (axis >= 0) {
        out->side = fv_shard_side_of(op, axis);
        out->collective =
            is_in(cut->noutputs, cut->outputs, op->out[0]) ? FV_SHARD_ALL_GATHER : FV_SHARD_NONE;
    } else if (fv_shard_is_cut(cut, op)) {
        out->side = FV_SHARD_ROWS;
        out->collective = fv_shard_has_op(&cut->how.scattered, op) ? FV_SHARD_REDUCE_SCATTER
                                                                   : FV_SHARD_ALL_REDUCE;
    } else {
        return false;
    }
    return true;
}

static fv_shard_choice choice_of(const fv_module *m, const fv_shard_plan *plan, const fv_op *op) {
    bool table = fv_shard_is_look_up(op);
    fv_shard_choice c = {fv_shard_node(m->arena, op), table ? FV_SHARD_TABLE_WHOLE : FV_SHARD_WHOLE,
                         FV_SHARD_NONE, -1};
    for (int i = 0; i < plan->found->n && c.cut < 0; i++)
        c.cut = (table ? is_table_cut : is_cut)(&plan->found->cuts[i], op, &c) ? i : -1;
    return c;
}

/* Is a look-up of the node cut? If none is, plans do not list them. */
static bool cuts_table(const fv_module *m, const fv_shard_plan *plan, const char *node) {
    for (const fv_op *op = m->funcs->body->first; op; op = op->next)
        if (fv_shard_is_look_up(op) && !strcmp(fv_shard_node(m->arena, op), node) &&
            choice_of(m, plan, op).cut >= 0)
            return true;
    return false;
}

void fv_shard_describe(const fv_module *m, fv_shard_plan *out) {
    int n = 0;
    for (const fv_op *op = m->funcs->body->first; op; op = op->next)
        n += has_choice(op);
    fv_shard_choice *list = FV_NEW(m->arena, fv_shard_choice, n + 1);
    out->nchoices = 0;
    for (const fv_op *op = m->funcs->body->first; op; op = op->next)
        if (fv_shard_is_contraction(op) ||
            (fv_shard_is_look_up(op) && cuts_table(m, out, fv_shard_node(m->arena, op))))
            list[out->nchoices++] = choice_of(m, out, op);
    out->choices = list;
}

/* ---- what was asked for ---- */

/* The contractions of a graph by their nodes, those of one node in the order of the graph. */
typedef struct contraction {
    const char *node;
    fv_op *op;
    int number; /* in the order of the graph */
    int taken;  /* of the first one of a node: how many of them have a choice */
} contraction;

typedef struct contractions { /* or look-ups */
    int n;
    contraction *list;
} contractions;

static int compare(const void *a, const void *b) {
    const contraction *x = a, *y = b;
    int order = strcmp(x->node, y->node);
    return order ? order : x->number - y->number;
}

static contractions by_node(fv_module *m, bool (*is_one)(const fv_op *op)) {
    contractions all = {0};
    for (fv_op *op = m->funcs->body->first; op; op = op->next)
        all.n += is_one(op);
    all.list = FV_NEW(m->arena, contraction, all.n + 1);
    int n = 0;
    for (fv_op *op = m->funcs->body->first; op; op = op->next)
        if (is_one(op)) {
            all.list[n] = (contraction){fv_shard_node(m->arena, op), op, n, 0};
            n++;
        }
    qsort(all.list, (size_t)all.n, sizeof *all.list, compare);
    return all;
}

/* The index of the first contraction of the node; the number of contractions if it has none. */
static int first_of_node(const contractions *all, const char *node) {
    int low = 0, high = all->n;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (strcmp(all->list[middle].node, node) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < all->n && !strcmp(all->list[low].node, node) ? low : all->n;
}

/* How messages begin that state what was asked for. */
static const char *has(const fv_shard_request *r) {
    return r->annotated ? "the annotations have" : "the plan has";
}

bool fv_shard_find_choices(fv_module *m, const fv_shard_request *r, fv_ptrmap *out) {
    const contractions products = by_node(m, fv_shard_is_contraction),
                       tables = by_node(m, fv_shard_is_look_up);
    for (int i = 0; i < r->n; i++) {
        const char *node = r->choices[i].node;
        fv_shard_side side = r->choices[i].side;
        bool stated = side != FV_SHARD_UNSTATED;
        bool table = stated && side >= FV_SHARD_TABLE_WHOLE;
        const contractions all = table ? tables : products;
        const char *kind = table ? "look-up in a table of constants" : "contraction";
        int first = first_of_node(&all, node), before = first < all.n ? all.list[first].taken : 0;
        int at = first + before;
        bool found = at < all.n && !strcmp(all.list[at].node, node);
        if (stated && first == all.n)
            return fv_error(m->session, "%s node '%s', which is no %s", has(r), node, kind);
        if (stated && !found)
            return fv_error(m->session, "%s node '%s' %d times, which has %d %s%s", has(r), node,
                            before + 1, before, table ? "look-up" : kind, before == 1 ? "" : "s");
        if (found)
            all.list[first].taken++;
        if (stated)
            *fv_ptrmap_at(out, all.list[at].op) = (void *)(uintptr_t)&r->choices[i];
    }
    return true;
}

static bool meets(const fv_op *op, const fv_shard_request *r, const fv_shard_choice *want,
                  const fv_shard_choice *is) {
    if (want->side != is->side)
        return fv_op_error(op, "%s axis '%s', and the cuts of the other nodes make it '%s'", has(r),
                           fv_shard_side_names[want->side], fv_shard_side_names[is->side]);
    return want->collective == FV_SHARD_ANY || want->collective == is->collective ||
           fv_op_error(op, "%s axis '%s' with collective '%s', which needs '%s'", has(r),
                       fv_shard_side_names[want->side], fv_shard_collective_names[want->collective],
                       fv_shard_collective_names[is->collective]);
}

bool fv_shard_meets(const fv_module *m, const fv_shard_plan *plan, const fv_shard_request *r,
                    const fv_ptrmap *choices) {
    for (const fv_op *op = m->funcs->body->first; op; op = op->next) {
        const fv_shard_choice *want = fv_ptrmap_get(choices, op);
        const fv_shard_choice is = want ? choice_of(m, plan, op) : (fv_shard_choice){0};
        if (want && plan->ranks > 1 && !meets(op, r, want, &is))
            return false;
    }
    return true;
}
