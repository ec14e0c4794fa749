/* check.c - checks an op against its entry in the catalogue. Code that runs afterwards relies on
 * what is checked here. */
#include "ir/graph/check.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/base/text.h"
#include "ir/catalogue/op.h"
#include "ir/graph/infer.h"

/* Checks that no operand is left out which the entry requires, and that there are no more operands,
 * or results, than the entry has. */
static bool check_presence(const fv_op *op, const char *what, const fv_operand_def *defs, int max,
                           int n, fv_value **values) {
    bool inputs = defs == op->def->in;
    for (int i = 0; i < n; i++) {
        const fv_operand_def *d = fv_opdef_operand(defs, max, i);
        if (!d) {
            int declared = 0;
            while (declared < max && defs[declared].name)
                declared++;
            return fv_op_error(op, "has %d %ss, takes at most %d", n, what, declared);
        }
        if (inputs && !values[i] && d->arity == FV_VARIADIC)
            return fv_op_error(op, "%s %d is left out, but none of '%s' may be", what, i, d->name);
        if (inputs && !values[i] && d->arity == FV_REQUIRED)
            return fv_op_error(op, "%s '%s' is left out, but required", what, d->name);
    }
    return true;
}

static bool check_count(const fv_op *op, const char *what, const fv_operand_def *defs, int max,
                        int n) {
    int least = 0;
    for (int i = 0; i < max && defs[i].name; i++)
        if (defs[i].arity == FV_REQUIRED)
            least = i + 1;
        else if (defs[i].arity == FV_VARIADIC && defs[i].min > 0)
            least = i + defs[i].min;
    return n >= least || fv_op_error(op, "has %d %ss, needs at least %d", n, what, least);
}

/* Is it a required attribute? Regions count only if `regions` is true and the op uses the
 * region. */
static bool is_needed(const fv_op *op, const fv_attr_def *d, bool regions) {
    if (!d->required || d->until)
        return false;
    return d->kind != FV_ATTR_REGION ||
           (regions && (!op->def->needs || op->def->needs(op, d->name)));
}

/* An attribute that the operator does not have; in older versions of the standard, some operands
 * were attributes. */
static bool unknown_attr(const fv_op *op, const char *name) {
    for (int i = 0; i < FV_MAX_IN && op->def->in[i].name; i++)
        if (!strcmp(op->def->in[i].name, name))
            return fv_op_error(op, "'%s' is operand %d, not an attribute", name, i);
    return fv_op_error(op, "attribute '%s' is not known", name);
}

static bool check_attrs(const fv_op *op, bool regions) {
    static const char *const kinds[] = {"an int",         "a float",          "a string",
                                        "a list of ints", "a list of floats", "a list of strings",
                                        "a tensor",       "a type",           "dims",
                                        "a graph"};
    for (int i = 0; i < op->nattrs; i++) {
        const fv_attr *a = &op->attrs[i];
        const fv_attr_def *d = fv_opdef_attr(op->def, a->name);
        if (!d || d->until)
            return unknown_attr(op, a->name);
        if (d->kind != a->kind &&
            !(a->n == 0 && d->kind >= FV_ATTR_INTS && d->kind <= FV_ATTR_STRINGS))
            return fv_op_error(op, "attribute '%s' is %s, expected %s", a->name, kinds[a->kind],
                               kinds[d->kind]);
        if (a->kind == FV_ATTR_DIMS && a->n > FV_MAX_ELEMS)
            return fv_op_error(op, "attribute '%s' has %d dims, at most %d can be compiled",
                               a->name, a->n, FV_MAX_ELEMS);
    }
    for (int i = 0; i < FV_MAX_ATTRS && op->def->attrs[i].name; i++)
        if (is_needed(op, &op->def->attrs[i], regions) &&
            !fv_op_find_attr(op, op->def->attrs[i].name))
            return fv_op_error(op, "attribute '%s' is missing", op->def->attrs[i].name);
    return true;
}

static const fv_typevar *find_typevar(const fv_opdef *d, const char *name) {
    for (int i = 0; i < FV_MAX_TYPEVARS && d->types[i].name; i++)
        if (!strcmp(d->types[i].name, name))
            return &d->types[i];
    return NULL;
}

static const char *kinds_str(fv_arena *a, fv_kind_set kinds) {
    static const char *const names[] = {"a tensor", "a sequence", "an optional", "a map"};
    fv_text t = {.arena = a};
    for (int k = FV_TENSOR; k <= FV_MAP; k++)
        if (kinds >> k & 1)
            fv_text_printf(&t, "%s%s", t.n ? " or " : "", names[k]);
    return t.s;
}

static bool check_kind(const fv_op *op, const fv_operand_def *d, const fv_typevar *var,
                       const fv_type *t) {
    fv_arena *a = op->block->func->module->arena;
    fv_kind_set kinds = var->kinds ? var->kinds : FV_KIND(TENSOR), own = FV_KIND(TENSOR) << t->kind;
    if (fv_type_has_maps(t))
        own |= FV_KIND(MAP);
    return (kinds & own) == own || fv_op_error(op, "input '%s' is %s, expected %s", d->name,
                                               fv_type_str(a, t), kinds_str(a, kinds));
}

/* Checks that operands that share a type variable have the same element type, which is in its set;
 * a variadic operand with min -1 may have others of the set. */
static bool check_types(const fv_op *op) {
    const char *bound_name[FV_MAX_TYPEVARS] = {0};
    fv_elem bound[FV_MAX_TYPEVARS];
    int nbound = 0;
    for (int i = 0; i < op->nin; i++) {
        if (!op->in[i])
            continue;
        const fv_operand_def *d = fv_opdef_operand(op->def->in, FV_MAX_IN, i);
        const fv_type *t = op->in[i]->type;
        const fv_typevar *var = find_typevar(op->def, d->type);
        if (!var || !t)
            continue;
        if (!check_kind(op, d, var, t))
            return false;
        t = fv_type_tensor(t);
        if (!(var->set >> t->elem & 1) &&
            (t->elem == FV_STRING || t->elem == FV_C64 || t->elem == FV_C128))
            return fv_op_error(op, "operator not in the catalogue for input '%s' of type %s",
                               d->name, fv_elem_name(t->elem));
        if (!(var->set >> t->elem & 1))
            return fv_op_error(op, "input '%s' has type %s, expected %s", d->name,
                               fv_elem_name(t->elem),
                               fv_elem_set_str(op->block->func->module->arena, var->set));
        int k = 0;
        while (k < nbound && strcmp(bound_name[k], d->type))
            k++;
        if (k == nbound) {
            bound_name[nbound] = d->type;
            bound[nbound++] = t->elem;
        } else if (bound[k] != t->elem && !(d->arity == FV_VARIADIC && d->min < 0))
            return fv_op_error(op, "input '%s' has type %s, other inputs have %s", d->name,
                               fv_elem_name(t->elem), fv_elem_name(bound[k]));
    }
    return true;
}

/* ---- ranks ---- */

static int find_operand(const fv_opdef *d, const char *name) {
    int i = 0;
    while (strcmp(d->in[i].name, name))
        i++;
    return i;
}

static bool is_one_element(const fv_type *t) {
    return t->rank == 0 || (t->rank == 1 && fv_dim_is_const(t->dims[0]) && t->dims[0]->value == 1);
}

const char *fv_rank_str(fv_arena *a, const fv_rank_def *r) {
    if (!r->most)
        return r->least ? fv_printf(a, "at least %d", r->least) : NULL;
    if (r->least == r->most)
        return fv_printf(a, "%d", r->least);
    return r->least ? fv_printf(a, "%d to %d", r->least, r->most)
                    : fv_printf(a, "at most %d", r->most);
}

static bool check_rank(const fv_op *op, const fv_operand_def *d, const fv_type *t) {
    const fv_rank_def *r = &d->rank;
    fv_arena *a = fv_op_module(op)->arena;
    if (r->scalar)
        return is_one_element(t) ||
               fv_op_error(op, "input '%s' is %s, expected a scalar", d->name, fv_type_str(a, t));
    const fv_type *like = r->as ? fv_in_type(op, find_operand(op->def, r->as)) : NULL;
    if (like && t->rank != like->rank)
        return fv_op_error(op, "input '%s' has rank %d, expected %d as '%s' has", d->name, t->rank,
                           like->rank, r->as);
    if (t->rank >= r->least && (!r->most || t->rank <= r->most))
        return true;
    return fv_op_error(op, "input '%s' has rank %d, expected %s", d->name, t->rank,
                       fv_rank_str(a, r));
}

static bool check_ranks(const fv_op *op) {
    for (int i = 0; i < op->nin; i++) {
        const fv_type *t = fv_in_type(op, i);
        if (t && t->kind == FV_TENSOR &&
            !check_rank(op, fv_opdef_operand(op->def->in, FV_MAX_IN, i), t))
            return false;
    }
    return true;
}

/* ---- all checks of an op ---- */

bool fv_op_check_operands(fv_op *op) {
    return check_presence(op, "input", op->def->in, FV_MAX_IN, op->nin, op->in) &&
           check_types(op) && check_ranks(op);
}

static bool check(fv_op *op, bool regions) {
    const fv_opdef *d = op->def;
    return check_presence(op, "input", d->in, FV_MAX_IN, op->nin, op->in) &&
           check_count(op, "input", d->in, FV_MAX_IN, op->nin) &&
           check_presence(op, "output", d->out, FV_MAX_OUT, op->nout, op->out) &&
           check_count(op, "output", d->out, FV_MAX_OUT, op->nout) && check_attrs(op, regions) &&
           check_types(op) && check_ranks(op);
}

bool fv_op_check(fv_op *op) {
    return check(op, true);
}

bool fv_op_check_around(fv_op *op) {
    return check(op, false);
}
