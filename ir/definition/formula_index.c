/* formula_index.c - evaluates names, index lists with groups of axes, and reductions of formulas;
 * reports errors in formulas. */
#include "ir/definition/formula_parts.h"

#include <stdio.h>
#include <string.h>

#include "ir/dim/text.h"
#include "ir/graph/infer.h"

/* the index expressions of an item of an index list, one for each axis that it indexes */
typedef struct vec {
    int n;
    fv_expr *x[FV_MAX_RANK];
    /* whether it is an index variable of a group without arithmetic, which broadcasts */
    bool raw[FV_MAX_RANK];
} vec;

/* ---- errors ---- */

bool fv_f_error(fv_fenv *e, const fv_ast *at, const char *format, ...) {
    char text[300];
    va_list args;
    if (e->failed)
        return false;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    e->failed = true;
    const char *before = fv_diag_file_get(e->session);
    /* errors in the formula are reported at its source, not at the model's file */
    fv_diag_file(e->session, fv_opdef_source(e->op->def));
    fv_error_at(e->session, at->line, at->column, "formula of %s: %s",
                fv_opdef_qualified(e->arena, e->op->def), text);
    fv_diag_file(e->session, before);
    return false;
}

fv_fvalue fv_f_none(fv_fenv *e) {
    return fv_f_strong(fv_x_const(e->arena, FV_F32, 0));
}

/* ---- names ---- */

int fv_f_operand(const fv_operand_def *defs, int max, const char *name) {
    for (int i = 0; i < max && defs[i].name; i++)
        if (!strcmp(defs[i].name, name))
            return i;
    return -1;
}

const fv_type *fv_f_tensor(fv_fenv *e, const char *name) {
    int in = fv_f_operand(e->op->def->in, FV_MAX_IN, name);
    if (in >= 0)
        return fv_in_type(e->op, in);
    int out = fv_f_operand(e->op->def->out, FV_MAX_OUT, name);
    return out >= 0 && out < e->op->nout && e->op->out[out] ? e->op->out[out]->type : NULL;
}

fv_fgroup *fv_f_find_group(fv_fenv *e, const char *name) {
    for (int i = e->ngroups; i-- > 0;)
        if (!strcmp(e->groups[i].name, name))
            return &e->groups[i];
    return NULL;
}

fv_fgroup *fv_f_add_group(fv_fenv *e, const fv_ast *at, const char *name) {
    if (e->ngroups == FV_F_MAX_NAMES) {
        fv_f_error(e, at, "more than %d index groups", FV_F_MAX_NAMES);
        return &e->groups[0];
    }
    fv_fgroup *g = &e->groups[e->ngroups++];
    *g = (fv_fgroup){.name = name};
    return g;
}

fv_fname *fv_f_find_name(fv_fenv *e, const char *name) {
    for (int i = e->nnames; i-- > 0;)
        if (!strcmp(e->names[i].name, name))
            return &e->names[i];
    return NULL;
}

fv_fname *fv_f_add_name(fv_fenv *e, const fv_ast *at, const char *name) {
    if (e->nnames == FV_F_MAX_NAMES) {
        fv_f_error(e, at, "more than %d names", FV_F_MAX_NAMES);
        return &e->names[0];
    }
    fv_fname *b = &e->names[e->nnames++];
    *b = (fv_fname){.name = name};
    return b;
}

const fv_attr_def *fv_f_attr(fv_fenv *e, const char *name) {
    return fv_opdef_attr(e->op->def, name);
}

/* Sets *out to the values of a list attribute (`pads..`); false: it is not such an attribute. */
static bool attr_list(fv_fenv *e, const char *name, vec *out) {
    const fv_attr *a = fv_op_find_attr(e->op, name);
    if (!a || a->n > FV_MAX_RANK)
        return false;
    out->n = a->n;
    for (int i = 0; i < a->n; i++)
        if (a->kind == FV_ATTR_INTS)
            out->x[i] = fv_x_int(e->arena, a->u.ints[i]);
        else if (a->kind == FV_ATTR_DIMS)
            out->x[i] = fv_x_dim(e->arena, a->u.dims[i]);
        else
            return false;
    return true;
}

/* ---- index lists ---- */

/* The first index group in the tree; NULL: it has none. */
static const fv_ast *first_group(const fv_ast *a) {
    if (!a)
        return NULL;
    if (a->kind == FV_AST_GROUP)
        return a;
    for (int i = 0; i < a->n; i++) {
        const fv_ast *g = first_group(a->arg[i]);
        if (g)
            return g;
    }
    return NULL;
}

static bool group_rank(fv_fenv *e, const fv_ast *g, int *rank) {
    const fv_fgroup *k = fv_f_find_group(e, g->name);
    vec v;
    if (k && k->ranked) {
        *rank = k->rank;
        return true;
    }
    if (!k && attr_list(e, g->name, &v)) {
        *rank = v.n;
        return true;
    }
    return false;
}

/* Evaluates an item with index groups, axis by axis: `o.. * strides.. - pads..`. */
static vec eval_vec(fv_fenv *e, fv_ast *a) {
    vec v = {0};
    if (a->kind == FV_AST_GROUP) {
        fv_fgroup *g = fv_f_find_group(e, a->name);
        if (g) {
            v.n = g->rank;
            for (int i = 0; i < g->rank; i++) {
                v.x[i] = g->index[i];
                v.raw[i] = true;
            }
        } else if (!attr_list(e, a->name, &v))
            fv_f_error(e, a, "unknown index group '%s..'", a->name);
        return v;
    }
    if (!first_group(a)) {
        v.n = -1; /* a scalar fits any number of axes */
        v.x[0] = fv_f_settle(e, fv_f_eval(e, a));
        return v;
    }
    if (a->kind == FV_AST_BINARY) {
        vec x = eval_vec(e, a->arg[0]), y = eval_vec(e, a->arg[1]);
        if (x.n >= 0 && y.n >= 0 && x.n != y.n)
            fv_f_error(e, a, "groups of %d and %d axes meet at '%s'", x.n, y.n, a->name);
        v.n = x.n >= 0 ? x.n : y.n;
        for (int i = 0; i < v.n && !e->failed; i++)
            v.x[i] = fv_f_binary(e, a, fv_f_strong(x.n < 0 ? x.x[0] : x.x[i]),
                                 fv_f_strong(y.n < 0 ? y.x[0] : y.x[i]))
                         .x;
        return v;
    }
    fv_f_error(e, a, "an index group cannot be used here");
    return v;
}

/* Finds how many axes of the tensor the items before `item` take (*axis), and how many `item` takes
 * (*count); false: not known. */
bool fv_f_axes(fv_fenv *e, const fv_ast *index, int item, int rank, int *axis, int *count) {
    int fixed = 0, before = 0, unknown = -1;
    for (int i = 0; i < index->n; i++) {
        const fv_ast *g = first_group(index->arg[i]);
        int r = 1;
        if (g && !group_rank(e, g, &r)) {
            if (unknown >= 0)
                return false;
            unknown = i;
            r = 0;
        }
        if (i < item)
            before += r;
        if (i == item)
            *count = r;
        fixed += r;
    }
    if (unknown >= 0 && unknown < item)
        before += rank - fixed;
    if (unknown == item)
        *count = rank - fixed;
    /* the group has more axes than are left: its leading axes are missing in this operand, which
     * broadcasts */
    else if (fixed > rank && item < index->n) {
        int missing = fixed - rank;
        for (int i = 0; i < index->n; i++)
            if (first_group(index->arg[i])) {
                if (i < item)
                    before -= missing;
                if (i == item)
                    *count -= missing;
                break;
            }
    }
    *axis = before;
    return *count >= 0 && before >= 0;
}

/* The index x of axis `at` of operand `in`, made from `item`. A variable of a group that stands
 * alone becomes 0 where the operand's dim is 1 (broadcasting). The extent of a single variable must
 * be the dim of the axis: the module assumes that they are equal, or an error is reported. */
static fv_expr *plain_index(fv_fenv *e, const fv_ast *item, fv_expr *x, bool raw, int in, int at) {
    const fv_dim *dim = fv_in_type(e->op, in)->dims[at];
    if (x->op != FV_X_VAR || !x->u.var->dim)
        return x;
    if (raw)
        return fv_d_broadcast(e->d, x->u.var, dim);
    if (item->kind == FV_AST_NAME && !e->failed &&
        !fv_module_assume(e->d->module, x->u.var->dim, dim, fv_op_why(e->op, e->op->def->name)))
        e->failed = !fv_op_error(e->op, "input '%s' has %s on axis %d, expected %s",
                                 e->op->def->in[in].name, fv_dim_str(e->arena, dim), at,
                                 fv_dim_str(e->arena, x->u.var->dim));
    return x;
}

/* Reports an operand whose rank does not fit the index list, usually because the model is wrong. */
static fv_fvalue wrong_rank(fv_fenv *e, const fv_ast *a, const fv_type *t, const char *found) {
    e->failed = !fv_op_error(e->op, "input '%s' has rank %d, the formula at %d:%d has %s", a->name,
                             t->rank, a->line, a->column, found);
    return fv_f_none(e);
}

fv_fvalue fv_f_index(fv_fenv *e, fv_ast *a) {
    int in = fv_f_operand(e->op->def->in, FV_MAX_IN, a->name);
    const fv_type *t = in >= 0 ? fv_in_type(e->op, in) : NULL;
    if (!t)
        return FV_F_FAIL(e, a, "'%s' is no operand", a->name);
    fv_expr *index[FV_MAX_RANK];
    bool from_data = false;
    int at = 0;
    for (int i = 0; i < a->n; i++) {
        int axis, count;
        if (!fv_f_axes(e, a, i, t->rank, &axis, &count))
            return FV_F_FAIL(e, a, "cannot determine which axes of '%s' are indexed", a->name);
        vec v = eval_vec(e, a->arg[i]);
        if (e->failed)
            return fv_f_none(e);
        if (v.n < 0)
            v.n = 1;
        for (int k = v.n - count < 0 ? 0 : v.n - count; k < v.n; k++) {
            if (at >= t->rank)
                return wrong_rank(e, a, t, "more indices");
            if (v.x[k]->type.elem != FV_I64)
                return FV_F_FAIL(e, a->arg[i], "index %d of '%s' is %s, expected i64", at, a->name,
                                 fv_elem_name(v.x[k]->type.elem));
            index[at] = plain_index(e, a->arg[i], v.x[k], v.raw[k], in, at);
            from_data |= fv_x_has_load(index[at]);
            at++;
        }
    }
    if (at != t->rank)
        return wrong_rank(e, a, t, fv_printf(e->arena, "%d ind%s", at, at == 1 ? "ex" : "ices"));
    if (a->otherwise && !a->cond) {
        fv_elem elem = fv_elem_arith(t->elem);
        return fv_f_strong(
            fv_d_load_else(e->d, in, index, fv_f_give(e, fv_f_eval(e, a->otherwise), elem)));
    }
    /* formulas of the catalogue are trusted to index within range, since tests run them with all
     * kinds of dims; others are checked */
    bool trusted = !from_data && !e->op->def->source;
    return fv_f_strong(trusted ? fv_d_load(e->d, in, index) : fv_d_load_checked(e->d, in, index));
}

/* ---- reductions ---- */

/* Finds the extents of the variables `name`: the dims of the axes that they index directly, in the
 * first operand that is indexed in this way. */
static bool find_extents(fv_fenv *e, const fv_ast *a, const char *name, bool is_group,
                         fv_fgroup *out) {
    if (!a)
        return false;
    if (a->kind == FV_AST_INDEX) {
        int in = fv_f_operand(e->op->def->in, FV_MAX_IN, a->name);
        const fv_type *t = in >= 0 ? fv_in_type(e->op, in) : NULL;
        for (int i = 0; t && i < a->n; i++) {
            const fv_ast *item = a->arg[i];
            int axis, count;
            if (item->kind != (is_group ? FV_AST_GROUP : FV_AST_NAME) || strcmp(item->name, name) ||
                !fv_f_axes(e, a, i, t->rank, &axis, &count) || axis + count > t->rank)
                continue;
            out->rank = count;
            for (int k = 0; k < count; k++)
                out->var[k] = fv_d_var(e->d, name, t->dims[axis + k]);
            return true;
        }
    }
    for (int i = 0; i < a->n; i++)
        if (find_extents(e, a->arg[i], name, is_group, out))
            return true;
    return find_extents(e, a->otherwise, name, is_group, out);
}

/* Reads the extents that a reduction states: `k < n: `, or for each axis of a group `k.. <
 * kernel..: `. */
static bool stated_extents(fv_fenv *e, const fv_ast_var *v, fv_fgroup *out) {
    const fv_dim *d;
    if (!v->group) {
        out->rank = 1;
        if (!fv_f_dim(e, v->extent, &d))
            return false;
        out->var[0] = fv_d_var(e->d, v->name, d);
        return true;
    }
    vec list = eval_vec(e, v->extent);
    if (e->failed || list.n < 0)
        return fv_f_error(e, v->extent, "expected an extent for each axis");
    out->rank = list.n;
    for (int i = 0; i < list.n; i++) {
        int64_t c;
        bool constant = fv_x_is_int(list.x[i], &c);
        if (!constant && list.x[i]->op != FV_X_DIM)
            return fv_f_error(e, v->extent, "expected extents that are known as dims");
        d = constant ? fv_dim_const(e->d->module->dims, c) : list.x[i]->u.dim;
        out->var[i] = fv_d_var(e->d, v->name, d);
    }
    return true;
}

/* Makes the variables of a reduction and binds their names in e; returns their number, or -1 after
 * a diagnostic. */
static int reduce_vars(fv_fenv *e, fv_ast *a, fv_var **vars) {
    int n = 0;
    for (int i = 0; i < a->reduce.nvars; i++) {
        const fv_ast_var *v = &a->reduce.vars[i];
        fv_fgroup g = {.name = v->name, .ranked = true};
        if (v->extent ? !stated_extents(e, v, &g)
                      : !find_extents(e, a->arg[0], g.name, v->group, &g)) {
            fv_f_error(e, a, "cannot determine the extent of '%s'", g.name);
            return -1;
        }
        for (int k = 0; k < g.rank; k++) {
            if (n == FV_MAX_RANK) {
                fv_f_error(e, a, "more than %d indices", FV_MAX_RANK);
                return -1;
            }
            vars[n++] = g.var[k];
            g.index[k] = fv_x_var(e->arena, g.var[k]);
        }
        if (v->group)
            *fv_f_add_group(e, a, g.name) = g;
        else
            fv_f_add_name(e, a, g.name)->var = g.var[0];
    }
    return n;
}

fv_fvalue fv_f_reduce(fv_fenv *e, fv_ast *a) {
    static const char *const kinds[] = {"sum", "prod", "min", "max", "any", "all"};
    int kind = 0, ngroups = e->ngroups, nnames = e->nnames;
    while (kind < 5 && strcmp(kinds[kind], a->name))
        kind++;
    if (a->reduce.chains || a->reduce.parts)
        return FV_F_FAIL(e, a, "a formula says what is summed, not in how many %s",
                         a->reduce.parts ? "parts" : "chains");
    fv_var *vars[FV_MAX_RANK];
    int nvars = reduce_vars(e, a, vars);
    if (nvars < 0)
        return fv_f_none(e);
    fv_expr *body = fv_f_settle(e, fv_f_eval(e, a->arg[0]));
    e->ngroups = ngroups;
    e->nnames = nnames;
    if (e->failed)
        return fv_f_none(e);
    if ((kind >= FV_ANY) != (body->type.elem == FV_BOOL))
        return FV_F_FAIL(e, a, "'%s' of %s", a->name, fv_elem_name(body->type.elem));
    return fv_f_strong(nvars ? fv_x_reduce(e->arena, (fv_reduce_kind)kind, nvars, vars, body)
                             : body);
}
