/* formula.c - formulas to definitions: the expression tree of ir/ast.h, typed in the context of one
 * op whose ranks, dims and attributes are known. */
#include "ir/formula.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "ir/limits.h"
#include "ir/op.h"

/* A scalar while it is typed. A weak one (literals, attributes) takes the type of what it meets. */
typedef struct value {
    fv_expr *x;
    bool weak, weak_int;
    double f; /* of a weak one */
    int64_t i; /* of a weak int */
} value;

/* An index group: several axes under one name. */
typedef struct group {
    const char *name;
    int rank;
    fv_expr *index[FV_MAX_RANK];
    fv_var *var[FV_MAX_RANK];
    bool ranked;
} group;

typedef struct binding { /* an index, or a scalar named by a statement */
    const char *name;
    fv_var *var;
    fv_ast *ast;
    value memo;
    bool known, busy;
} binding;

enum { MAX_NAMES = 64 };

typedef struct env {
    fv_definer *d;
    fv_op *op;
    fv_arena *arena;
    fv_session *session;
    const fv_definition *result; /* the one that is being defined */
    group groups[MAX_NAMES];
    binding names[MAX_NAMES];
    int ngroups, nnames;
    bool failed;
} env;

typedef struct vec { /* what an item of an index list stands for */
    int n;
    fv_expr *x[FV_MAX_RANK];
    bool raw[FV_MAX_RANK]; /* an index of a group as it is: broadcasts */
} vec;

static value eval(env *e, fv_ast *a);
static bool eval_dim(env *e, fv_ast *a, const fv_dim **out);

static value fail(env *e, const fv_ast *a, const char *what, const char *name) {
    if (!e->failed)
        fv_error_at(e->session, a->line, a->column, "formula of %s: %s '%s'",
                    fv_opdef_qualified(e->arena, e->op->def), what, name);
    e->failed = true;
    return (value){.x = fv_x_const(e->arena, FV_F32, 0)};
}

static value strong(fv_expr *x) {
    return (value){.x = x};
}
static value weak_int(int64_t i) {
    return (value){.weak = true, .weak_int = true, .i = i, .f = (double)i};
}
static value weak_float(double f) {
    return (value){.weak = true, .f = f};
}

/* A weak value as a constant of type t. */
static fv_expr *give(env *e, value v, fv_elem t) {
    if (!v.weak)
        return v.x;
    if (t == FV_BOOL || (fv_elem_is_int(t) && v.weak_int))
        return fv_x_const_int(e->arena, t, v.i);
    return fv_x_const(e->arena, t, v.f);
}

/* Stand-alone: what a weak value is where nothing tells (the type of the first operand's arithmetic). */
static fv_expr *settle(env *e, value v) {
    if (!v.weak)
        return v.x;
    if (v.weak_int)
        return fv_x_int(e->arena, v.i);
    const fv_type *t = fv_in_type(e->op, 0);
    fv_elem elem = t ? fv_elem_arith(t->elem) : FV_F32;
    return give(e, v, fv_elem_is_float(elem) ? elem : FV_F32);
}

/* ---- names ---- */

static int operand_named(const fv_operand_def *defs, int max, const char *name) {
    for (int i = 0; i < max && defs[i].name; i++)
        if (!strcmp(defs[i].name, name))
            return i;
    return -1;
}

static const fv_type *tensor_named(env *e, const char *name) {
    int in = operand_named(e->op->def->in, FV_MAX_IN, name);
    if (in >= 0)
        return fv_in_type(e->op, in);
    int out = operand_named(e->op->def->out, FV_MAX_OUT, name);
    return out >= 0 && out < e->op->nout && e->op->out[out] ? e->op->out[out]->type : NULL;
}

static group *find_group(env *e, const char *name) {
    for (int i = e->ngroups; i-- > 0;)
        if (!strcmp(e->groups[i].name, name))
            return &e->groups[i];
    return NULL;
}

static group *add_group(env *e, const fv_ast *at, const char *name) {
    if (e->ngroups == MAX_NAMES) {
        fail(e, at, "too many groups at", name);
        return &e->groups[0];
    }
    group *g = &e->groups[e->ngroups++];
    *g = (group){.name = name};
    return g;
}

static binding *find_name(env *e, const char *name) {
    for (int i = e->nnames; i-- > 0;)
        if (!strcmp(e->names[i].name, name))
            return &e->names[i];
    return NULL;
}

static binding *add_name(env *e, const fv_ast *at, const char *name) {
    if (e->nnames == MAX_NAMES) {
        fail(e, at, "too many names at", name);
        return &e->names[0];
    }
    binding *b = &e->names[e->nnames++];
    *b = (binding){.name = name};
    return b;
}

static const fv_attr_def *attr_named(env *e, const char *name) {
    return fv_opdef_attr(e->op->def, name);
}

/* The values of a list attribute (`pads..`), or NULL. */
static bool attr_list(env *e, const char *name, vec *out) {
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

static value eval_name(env *e, fv_ast *a) {
    binding *b = find_name(e, a->name);
    if (b && b->var)
        return strong(fv_x_var(e->arena, b->var));
    if (b) {
        if (b->busy)
            return fail(e, a, "definition in terms of itself:", a->name);
        if (!b->known) {
            b->busy = true;
            value v = eval(e, b->ast);
            b = find_name(e, a->name);
            b->memo = v;
            b->known = true;
            b->busy = false;
        }
        return b->memo;
    }
    int in = operand_named(e->op->def->in, FV_MAX_IN, a->name);
    if (in >= 0) {
        if (!fv_op_in(e->op, in))
            return fail(e, a, "operand that is left out is used:", a->name);
        return strong(fv_d_elementwise(e->d, in, e->result));
    }
    const fv_attr_def *d = attr_named(e, a->name);
    if (d && d->kind == FV_ATTR_INT)
        return weak_int(fv_op_int(e->op, a->name, d->i));
    if (d && d->kind == FV_ATTR_FLOAT)
        return weak_float(fv_op_float(e->op, a->name, d->f));
    if (!strcmp(a->name, "inf"))
        return weak_float(INFINITY);
    if (!strcmp(a->name, "nan"))
        return weak_float(NAN);
    if (!strcmp(a->name, "pi"))
        return weak_float(3.14159265358979323846);
    return fail(e, a, "unknown name", a->name);
}

/* ---- index lists ---- */

/* Does the tree mention an index group? */
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

static bool group_rank(env *e, const fv_ast *g, int *rank) {
    const group *k = find_group(e, g->name);
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

static value binary(env *e, fv_ast *a, value x, value y);

/* An item with groups, axis by axis: `o.. * strides.. - pads..`. */
static vec eval_vec(env *e, fv_ast *a) {
    vec v = {0};
    if (a->kind == FV_AST_GROUP) {
        group *g = find_group(e, a->name);
        if (g) {
            v.n = g->rank;
            for (int i = 0; i < g->rank; i++) {
                v.x[i] = g->index[i];
                v.raw[i] = true;
            }
        } else if (!attr_list(e, a->name, &v))
            fail(e, a, "unknown index group", a->name);
        return v;
    }
    if (!first_group(a)) {
        v.n = -1; /* a scalar: goes with any number of axes */
        v.x[0] = settle(e, eval(e, a));
        return v;
    }
    if (a->kind == FV_AST_BINARY) {
        vec x = eval_vec(e, a->arg[0]), y = eval_vec(e, a->arg[1]);
        if (x.n >= 0 && y.n >= 0 && x.n != y.n)
            fail(e, a, "groups of different rank meet at", a->name);
        v.n = x.n >= 0 ? x.n : y.n;
        for (int i = 0; i < v.n && !e->failed; i++)
            v.x[i] = binary(e, a, strong(x.n < 0 ? x.x[0] : x.x[i]),
                            strong(y.n < 0 ? y.x[0] : y.x[i]))
                         .x;
        return v;
    }
    fail(e, a, "an index group cannot be used in", a->name ? a->name : "this");
    return v;
}

static bool has_load(const fv_expr *x) {
    if (x->op == FV_X_LOAD || x->op == FV_X_GUARD)
        return true;
    for (int i = 0; i < x->n; i++)
        if (has_load(x->arg[i]))
            return true;
    return false;
}

/* Axes of the tensor that the items before `item` take up, and those of all; false: not known. */
static bool axis_of_item(env *e, const fv_ast *index, int item, int rank, int *axis, int *count) {
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
    else if (fixed > rank && item < index->n) { /* a group broadcasts: leading axes are missing */
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

/* `item` is the index of axis `at` of operand `in`. One of a group, as it is, broadcasts where the
 * dim is 1; an index by its name runs over the whole axis. */
static fv_expr *plain_index(env *e, const fv_ast *item, fv_expr *x, bool raw, int in, int at) {
    const fv_dim *dim = fv_in_type(e->op, in)->dims[at];
    if (x->op != FV_X_VAR || !x->u.var->dim)
        return x;
    if (raw)
        return fv_d_broadcast(e->d, x->u.var, dim);
    if (item->kind == FV_AST_NAME && !e->failed &&
        !fv_module_assume(e->d->module, x->u.var->dim, dim, e->op->def->name))
        e->failed = !fv_op_error(e->op, "input '%s' has %s on axis %d, expected %s",
                                 e->op->def->in[in].name, fv_dim_str(e->arena, dim), at,
                                 fv_dim_str(e->arena, x->u.var->dim));
    return x;
}

static value eval_index(env *e, fv_ast *a) {
    int in = operand_named(e->op->def->in, FV_MAX_IN, a->name);
    const fv_type *t = in >= 0 ? fv_in_type(e->op, in) : NULL;
    if (!t)
        return fail(e, a, "no such operand:", a->name);
    fv_expr *index[FV_MAX_RANK];
    bool from_data = false;
    int at = 0;
    for (int i = 0; i < a->n; i++) {
        int axis, count;
        if (!axis_of_item(e, a, i, t->rank, &axis, &count))
            return fail(e, a, "cannot tell which axes are indexed in", a->name);
        vec v = eval_vec(e, a->arg[i]);
        if (e->failed)
            return strong(fv_x_const(e->arena, FV_F32, 0));
        if (v.n < 0)
            v.n = 1;
        for (int k = v.n - count < 0 ? 0 : v.n - count; k < v.n; k++) {
            if (at >= t->rank)
                return fail(e, a, "too many indices for", a->name);
            index[at] = plain_index(e, a->arg[i], v.x[k], v.raw[k], in, at);
            from_data |= has_load(index[at]);
            at++;
        }
    }
    if (at != t->rank)
        return fail(e, a, "too few indices for", a->name);
    if (a->otherwise && !a->cond) {
        fv_elem elem = fv_elem_arith(t->elem);
        return strong(fv_d_load_else(e->d, in, index, give(e, eval(e, a->otherwise), elem)));
    }
    return strong(from_data ? fv_d_load_checked(e->d, in, index) : fv_d_load(e->d, in, index));
}

/* ---- reductions ---- */

/* The axis that `name` indexes directly in the first operand where it does. */
static bool find_extents(env *e, const fv_ast *a, const char *name, bool is_group, group *out) {
    if (!a)
        return false;
    if (a->kind == FV_AST_INDEX) {
        int in = operand_named(e->op->def->in, FV_MAX_IN, a->name);
        const fv_type *t = in >= 0 ? fv_in_type(e->op, in) : NULL;
        for (int i = 0; t && i < a->n; i++) {
            const fv_ast *item = a->arg[i];
            int axis, count;
            if (item->kind != (is_group ? FV_AST_GROUP : FV_AST_NAME) || strcmp(item->name, name) ||
                !axis_of_item(e, a, i, t->rank, &axis, &count))
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

static bool stated_extents(env *e, const fv_ast_var *v, group *out) {
    if (!v->group) {
        const fv_dim *d;
        out->rank = 1;
        if (!eval_dim(e, v->extent, &d))
            return false;
        out->var[0] = fv_d_var(e->d, v->name, d);
        return true;
    }
    vec list = eval_vec(e, v->extent);
    out->rank = list.n;
    for (int i = 0; i < list.n; i++) {
        const fv_dim *d = list.x[i]->op == FV_X_DIM ? list.x[i]->u.dim : NULL;
        int64_t c;
        if (!d && fv_x_is_int(list.x[i], &c))
            d = fv_dim_const(e->d->module->dims, c);
        if (!d)
            return false;
        out->var[i] = fv_d_var(e->d, v->name, d);
    }
    return true;
}

static value eval_reduce(env *e, fv_ast *a) {
    static const char *const kinds[] = {"sum", "prod", "min", "max", "any", "all"};
    int kind = 0, nvars = 0, ngroups = e->ngroups, nnames = e->nnames;
    while (kind < 5 && strcmp(kinds[kind], a->name))
        kind++;
    fv_var *vars[FV_MAX_RANK];
    for (int i = 0; i < a->nvars; i++) {
        group g = {.name = a->vars[i].name, .ranked = true};
        if (a->vars[i].extent ? !stated_extents(e, &a->vars[i], &g)
                              : !find_extents(e, a->arg[0], g.name, a->vars[i].group, &g))
            return fail(e, a, "cannot tell the extent of", g.name);
        for (int k = 0; k < g.rank; k++) {
            if (nvars == FV_MAX_RANK)
                return fail(e, a, "too many indices at", g.name);
            vars[nvars++] = g.var[k];
            g.index[k] = fv_x_var(e->arena, g.var[k]);
        }
        if (a->vars[i].group)
            *add_group(e, a, g.name) = g;
        else
            add_name(e, a, g.name)->var = g.var[0];
    }
    fv_expr *body = settle(e, eval(e, a->arg[0]));
    e->ngroups = ngroups;
    e->nnames = nnames;
    if (e->failed || !nvars)
        return strong(body);
    return strong(fv_x_reduce(e->arena, (fv_reduce_kind)kind, nvars, vars, body));
}

/* ---- operators and functions ---- */

static value weak_binary(env *e, fv_ast *a, value x, value y) {
    double f;
    if (!strcmp(a->name, "+"))
        f = x.f + y.f;
    else if (!strcmp(a->name, "-"))
        f = x.f - y.f;
    else if (!strcmp(a->name, "*"))
        f = x.f * y.f;
    else if (!strcmp(a->name, "/"))
        f = x.f / y.f;
    else if (!strcmp(a->name, "=="))
        return strong(fv_x_const_int(e->arena, FV_BOOL, x.f == y.f));
    else if (!strcmp(a->name, "!="))
        return strong(fv_x_const_int(e->arena, FV_BOOL, x.f != y.f));
    else if (!strcmp(a->name, "<"))
        return strong(fv_x_const_int(e->arena, FV_BOOL, x.f < y.f));
    else if (!strcmp(a->name, ">"))
        return strong(fv_x_const_int(e->arena, FV_BOOL, x.f > y.f));
    else
        return fail(e, a, "operator on two constants:", a->name);
    if (x.weak_int && y.weak_int && strcmp(a->name, "/"))
        return weak_int((int64_t)f);
    return weak_float(f);
}

static const struct {
    const char *text;
    fv_expr_op op;
    bool swap;
} operators[] = {{"+", FV_X_ADD, 0},  {"-", FV_X_SUB, 0},   {"*", FV_X_MUL, 0},
                 {"/", FV_X_DIV, 0},  {"%", FV_X_REM, 0},   {"floordiv", FV_X_FLOORDIV, 0},
                 {"mod", FV_X_FLOORMOD, 0}, {"&", FV_X_AND, 0}, {"|", FV_X_OR, 0},
                 {"&&", FV_X_AND, 0}, {"||", FV_X_OR, 0},   {"^", FV_X_XOR, 0},
                 {"<<", FV_X_SHL, 0}, {">>", FV_X_SHR, 0},  {"<", FV_X_LT, 0},
                 {"<=", FV_X_LE, 0},  {">", FV_X_LT, 1},    {">=", FV_X_LE, 1},
                 {"==", FV_X_EQ, 0},  {"!=", FV_X_NE, 0},   {NULL, FV_X_END, 0}};

static value apply2(env *e, fv_ast *a, fv_expr_op op, value x, value y) {
    fv_elem t = x.weak ? (fv_elem)y.x->type.elem : (fv_elem)x.x->type.elem;
    if (fv_elem_is_int(t) && ((x.weak && !x.weak_int) || (y.weak && !y.weak_int)))
        return fail(e, a, "a fraction meets an integer at", a->name);
    fv_expr *p = give(e, x, t), *q = give(e, y, t);
    if (p->type.elem != q->type.elem)
        return fail(e, a,
                    fv_printf(e->arena, "%s meets %s at", fv_elem_name(p->type.elem),
                              fv_elem_name(q->type.elem)),
                    a->name);
    return strong(fv_x_bin(e->arena, op, p, q));
}

static value binary(env *e, fv_ast *a, value x, value y) {
    if (x.weak && y.weak)
        return weak_binary(e, a, x, y);
    for (int i = 0; operators[i].text; i++)
        if (!strcmp(operators[i].text, a->name))
            return operators[i].swap ? apply2(e, a, operators[i].op, y, x)
                                     : apply2(e, a, operators[i].op, x, y);
    return fail(e, a, "unknown operator", a->name);
}

static value eval_unary(env *e, fv_ast *a) {
    value x = eval(e, a->arg[0]);
    if (!strcmp(a->name, "-") && x.weak)
        return x.weak_int ? weak_int(-x.i) : weak_float(-x.f);
    if (x.weak)
        x = strong(settle(e, x));
    return strong(fv_x_un(e->arena, !strcmp(a->name, "-") ? FV_X_NEG : FV_X_NOT, x.x));
}

static value eval_select(env *e, fv_ast *a) {
    fv_expr *c = settle(e, eval(e, a->arg[0]));
    if (e->failed)
        return strong(c);
    if (c->op == FV_X_CONST)
        return eval(e, a->arg[c->u.i ? 1 : 2]);
    value x = eval(e, a->arg[1]), y = eval(e, a->arg[2]);
    if (x.weak && y.weak)
        x = strong(settle(e, x));
    fv_elem t = x.weak ? (fv_elem)y.x->type.elem : (fv_elem)x.x->type.elem;
    fv_expr *p = give(e, x, t), *q = give(e, y, t);
    if (c->type.elem != FV_BOOL || p->type.elem != q->type.elem)
        return fail(e, a, "types do not fit in", a->name);
    return strong(fv_x_select(e->arena, c, p, q));
}

/* The type that a cast names: an element type or a type variable, as bound by an operand. */
static bool cast_type(env *e, const char *name, fv_elem *out) {
    if (fv_elem_parse(name, strlen(name), out))
        return true;
    const fv_opdef *d = e->op->def;
    for (int i = 0; i < e->op->nin && i < FV_MAX_IN && d->in[i].name; i++)
        if (e->op->in[i] && !strcmp(d->in[i].type, name)) {
            *out = e->op->in[i]->type->elem;
            return true;
        }
    for (int i = 0; i < e->op->nout && i < FV_MAX_OUT && d->out[i].name; i++)
        if (e->op->out[i] && !strcmp(d->out[i].type, name)) {
            *out = e->op->out[i]->type->elem;
            return true;
        }
    return false;
}

/* dim, rank, count, has, wrap: what only formulas have. */
static bool eval_special(env *e, fv_ast *a, value *out) {
    const fv_dim *d;
    if ((!strcmp(a->name, "dim") || !strcmp(a->name, "size") || !strcmp(a->name, "count")) && eval_dim(e, a, &d)) {
        *out = strong(fv_x_dim(e->arena, d));
        return true;
    }
    if (!strcmp(a->name, "has") && a->n == 1) {
        int in = operand_named(e->op->def->in, FV_MAX_IN, a->arg[0]->name);
        *out = strong(fv_x_const_int(e->arena, FV_BOOL, in >= 0 && fv_op_in(e->op, in)));
        return true;
    }
    if (!strcmp(a->name, "rank") && a->n == 1 && tensor_named(e, a->arg[0]->name)) {
        *out = weak_int(tensor_named(e, a->arg[0]->name)->rank);
        return true;
    }
    if (!strcmp(a->name, "wrap") && a->n == 2) {
        fv_expr *i = fv_x_convert(e->arena, FV_I64, settle(e, eval(e, a->arg[0])));
        fv_expr *n = settle(e, eval(e, a->arg[1]));
        if (!e->failed)
            *out = strong(fv_x_select(e->arena,
                                      fv_x_bin(e->arena, FV_X_LT, i, fv_x_int(e->arena, 0)),
                                      fv_x_bin(e->arena, FV_X_ADD, i, n), i));
        return true;
    }
    return false;
}

static value eval_call(env *e, fv_ast *a) {
    value v = strong(NULL);
    fv_elem t;
    if (!strcmp(a->name, "select") && a->n == 3)
        return eval_select(e, a);
    if (eval_special(e, a, &v))
        return v;
    if (a->n == 1 && cast_type(e, a->name, &t)) {
        value x = eval(e, a->arg[0]);
        t = fv_elem_arith(t);
        return e->failed ? x : strong(fv_x_convert(e->arena, t, x.weak ? give(e, x, t) : x.x));
    }
    for (int op = 0; op < FV_X_END; op++) {
        if (strcmp(fv_expr_op_text((fv_expr_op)op), a->name))
            continue;
        value x[3];
        int typed = -1;
        for (int i = 0; i < a->n && i < 3; i++) {
            x[i] = eval(e, a->arg[i]);
            if (!x[i].weak && typed < 0)
                typed = i;
        }
        if (e->failed || a->n < 1 || a->n > 3)
            return fail(e, a, "wrong arguments of", a->name);
        if (typed < 0)
            x[typed = 0] = strong(settle(e, x[0]));
        fv_elem elem = (fv_elem)x[typed].x->type.elem;
        for (int i = 0; i < a->n; i++)
            x[i].x = give(e, x[i], elem);
        if (a->n == 1)
            return strong(fv_x_un(e->arena, (fv_expr_op)op, x[0].x));
        if (a->n == 2)
            return apply2(e, a, (fv_expr_op)op, strong(x[0].x), strong(x[1].x));
        if (op == FV_X_FMA)
            return strong(fv_x_fma(e->arena, x[0].x, x[1].x, x[2].x));
    }
    return fail(e, a, "unknown function", a->name);
}

/* `approximate == "tanh"`: a constant. */
static bool string_compare(env *e, fv_ast *a, value *out) {
    if (strcmp(a->name, "==") || a->arg[0]->kind != FV_AST_NAME || a->arg[1]->kind != FV_AST_STRING)
        return false;
    const fv_attr_def *d = attr_named(e, a->arg[0]->name);
    if (!d || d->kind != FV_ATTR_STRING)
        return false;
    fv_string s = fv_op_string(e->op, d->name, d->s ? d->s : "");
    bool equal = s.n == a->arg[1]->len && !memcmp(s.s, a->arg[1]->name, s.n);
    *out = strong(fv_x_const_int(e->arena, FV_BOOL, equal));
    return true;
}

static value eval(env *e, fv_ast *a) {
    if (e->failed)
        return strong(fv_x_const(e->arena, FV_F32, 0));
    switch (a->kind) {
    case FV_AST_INT: return weak_int(a->i);
    case FV_AST_FLOAT: return weak_float(a->f);
    case FV_AST_NAME: return eval_name(e, a);
    case FV_AST_INDEX: return eval_index(e, a);
    case FV_AST_REDUCE: return eval_reduce(e, a);
    case FV_AST_UNARY: return eval_unary(e, a);
    case FV_AST_CALL: return eval_call(e, a);
    case FV_AST_BINARY: {
        value same;
        if (string_compare(e, a, &same))
            return same;
        value x = eval(e, a->arg[0]), y = eval(e, a->arg[1]);
        return e->failed ? x : binary(e, a, x, y);
    }
    case FV_AST_STRING:
    case FV_AST_GROUP:
    case FV_AST_NAMED:
    case FV_AST_LANES:
    case FV_AST_LIST: break;
    }
    return fail(e, a, "not a scalar:", a->name ? a->name : "");
}

/* Integers that are known symbolically: extents and ranks. */
static bool eval_dim(env *e, fv_ast *a, const fv_dim **out) {
    fv_dims *t = e->d->module->dims;
    const fv_dim *x, *y;
    if (a->kind == FV_AST_INT) {
        *out = fv_dim_const(t, a->i);
        return true;
    }
    if (a->kind == FV_AST_NAME) {
        const fv_attr_def *d = attr_named(e, a->name);
        if (!d || d->kind != FV_ATTR_INT)
            return false;
        *out = fv_dim_const(t, fv_op_int(e->op, a->name, d->i));
        return true;
    }
    if (a->kind == FV_AST_CALL && !strcmp(a->name, "rank") && a->n == 1) {
        const fv_type *type = tensor_named(e, a->arg[0]->name);
        *out = type ? fv_dim_const(t, type->rank) : NULL;
        return type != NULL;
    }
    if (a->kind == FV_AST_CALL && (!strcmp(a->name, "dim") || !strcmp(a->name, "size")) &&
        a->n == 2) {
        const fv_type *type = a->arg[0]->name ? tensor_named(e, a->arg[0]->name) : NULL;
        if (!type || !eval_dim(e, a->arg[1], &x) || !fv_dim_is_const(x))
            return false;
        int64_t axis = x->value < 0 ? x->value + type->rank : x->value;
        if (axis < 0 || axis > type->rank || (axis == type->rank && !strcmp(a->name, "dim")))
            return false;
        *out = !strcmp(a->name, "dim")
                   ? type->dims[axis]
                   : fv_dim_product(t, type->rank - (int)axis, type->dims + axis);
        return true;
    }
    if (a->kind == FV_AST_CALL && !strcmp(a->name, "count") && a->n == 1) {
        const fv_ast *g = a->arg[0];
        const fv_dim *n = fv_dim_const(t, 1);
        group *k = g->kind == FV_AST_GROUP ? find_group(e, g->name) : NULL;
        binding *b = g->kind == FV_AST_NAME ? find_name(e, g->name) : NULL;
        if (b && b->var)
            n = b->var->dim;
        else if (!k)
            return false;
        for (int i = 0; k && i < k->rank; i++)
            n = fv_dim_mul(t, n, k->var[i]->dim);
        *out = n;
        return true;
    }
    if (a->kind != FV_AST_BINARY || !eval_dim(e, a->arg[0], &x) || !eval_dim(e, a->arg[1], &y))
        return false;
    static const struct {
        const char *op;
        const fv_dim *(*fn)(fv_dims *, const fv_dim *, const fv_dim *);
    } fns[] = {{"+", fv_dim_add},           {"-", fv_dim_sub},         {"*", fv_dim_mul},
               {"floordiv", fv_dim_floordiv}, {"ceildiv", fv_dim_ceildiv}, {"mod", fv_dim_mod}};
    for (size_t i = 0; i < sizeof fns / sizeof *fns; i++)
        if (!strcmp(fns[i].op, a->name)) {
            *out = fns[i].fn(t, x, y);
            return true;
        }
    return false;
}

/* ---- statements ---- */

typedef struct statement {
    fv_ast *left, *right;
} statement;

static bool parse(fv_session *s, fv_arena *a, const char *text, statement *out, int *n) {
    fv_lexer l;
    fv_lex_init(&l, s, a, text);
    *n = 0;
    while (l.tok.kind != FV_TOK_END) {
        if (*n == MAX_NAMES)
            return fv_lex_error(&l, "more than %d statements", MAX_NAMES);
        statement st;
        if (!(st.left = fv_ast_parse(&l)) || !fv_lex_expect(&l, "=") ||
            !(st.right = fv_ast_parse(&l)))
            return false;
        if (st.left->kind != FV_AST_NAME && st.left->kind != FV_AST_GROUP &&
            st.left->kind != FV_AST_INDEX)
            return fv_error_at(s, st.left->line, st.left->column, "cannot be defined");
        out[(*n)++] = st;
        if (!fv_lex_accept(&l, ";") && l.tok.kind != FV_TOK_END)
            return fv_lex_expect(&l, ";");
    }
    return true;
}

/* Binds the names on the left of `Y[a.., j] = ...` to the index variables of the result. */
static bool bind_left(env *e, fv_ast *left, fv_definition *def) {
    int at = 0;
    for (int i = 0; i < left->n; i++) {
        fv_ast *item = left->arg[i];
        int axis, count;
        if (item->kind == FV_AST_NAME) {
            if (at >= def->rank)
                break;
            def->index[at]->name = item->name;
            add_name(e, item, item->name)->var = def->index[at++];
            continue;
        }
        if (item->kind != FV_AST_GROUP || !axis_of_item(e, left, i, def->rank, &axis, &count))
            return fail(e, item, "not an index:", item->name ? item->name : "").x == NULL;
        group *g = find_group(e, item->name);
        if (!g)
            g = add_group(e, item, item->name);
        g->rank = count;
        g->ranked = true;
        for (int k = 0; k < count && at < def->rank; k++, at++) {
            def->index[at]->name =
                count > 1 ? fv_printf(e->arena, "%s%d", item->name, k) : item->name;
            g->var[k] = def->index[at];
            g->index[k] = fv_x_var(e->arena, def->index[at]);
        }
    }
    if (at != def->rank)
        fail(e, left, "indices do not fit the rank of", left->name);
    return !e->failed;
}

static bool define(fv_definer *d, const statement *st, int n, int which, int out,
                   const char *text) {
    env *e = FV_NEW(d->arena, env, 1);
    *e = (env){.d = d, .op = d->op, .arena = d->arena, .session = d->module->session};
    fv_definition *def = fv_definition_new(d, out);
    def->text = text;
    e->result = def;
    for (int i = 0; i < n; i++) {
        const fv_ast *l = st[i].left;
        if (l->kind == FV_AST_GROUP) {
            const fv_dim *rank;
            if (!eval_dim(e, st[i].right, &rank) || !fv_dim_is_const(rank))
                return fail(e, l, "cannot tell the rank of", l->name).x == NULL;
            int64_t r = rank->value;
            if (r < 0)
                r += def->rank; /* an axis counted from the end */
            if (r < 0 || r > FV_MAX_RANK)
                return fail(e, l, "out of range is the rank of", l->name).x == NULL;
            group *g = add_group(e, l, l->name);
            g->rank = (int)r;
            g->ranked = true;
        }
    }
    if (st[which].left->kind == FV_AST_INDEX && !bind_left(e, st[which].left, def))
        return false;
    for (int i = 0; i < n; i++)
        if (st[i].left->kind == FV_AST_NAME &&
            operand_named(d->op->def->out, FV_MAX_OUT, st[i].left->name) < 0)
            add_name(e, st[i].left, st[i].left->name)->ast = st[i].right;
    value v = eval(e, st[which].right);
    if (e->failed)
        return false;
    fv_elem want = d->op->out[out]->type->elem, arith = fv_elem_arith(want);
    def->body = v.weak ? give(e, v, arith) : v.x;
    if (def->body->type.elem != want && def->body->type.elem != arith) {
        fail(e, st[which].right,
             fv_printf(e->arena, "is %s, expected %s:", fv_elem_name(def->body->type.elem),
                       fv_elem_name(want)),
             st[which].left->name);
        return false;
    }
    return true;
}

bool fv_formula_define(fv_definer *d, const char *formula) {
    statement st[MAX_NAMES];
    int n;
    if (!parse(d->module->session, d->arena, formula, st, &n))
        return false;
    for (int out = 0; out < d->op->nout; out++) {
        if (!d->op->out[out])
            continue;
        int which = -1;
        const fv_operand_def *outs = d->op->def->out;
        for (int i = 0; i < n && which < 0; i++)
            if (st[i].left->kind != FV_AST_GROUP &&
                operand_named(outs, FV_MAX_OUT, st[i].left->name) == out)
                which = i;
        if (which < 0)
            return fv_op_error(d->op, "its formula does not define result '%s'", outs[out].name);
        if (!define(d, st, n, which, out, formula))
            return false;
    }
    return true;
}

bool fv_formula_check(fv_session *s, const char *formula) {
    fv_arena *a = fv_arena_new(s);
    statement st[MAX_NAMES];
    int n;
    bool ok = parse(s, a, formula, st, &n);
    fv_arena_free(a);
    return ok;
}
