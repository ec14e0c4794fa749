/* op.c - the catalogue as a table: finding entries, versions, checking an op against its entry. */
#include "ir/op.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ops/ops.h"

/* The families, one file each in ir/ops/. */
static const fv_opdef *const families[] = {
#define FAMILY(name) fv_ops_##name,
#include "ir/ops/families.def"
#undef FAMILY
};

static int compare(const char *d1, const char *n1, const char *d2, const char *n2) {
    int c = strcmp(d1, d2);
    return c ? c : strcmp(n1, n2);
}

/* Walks all entries; a family ends with an entry without name. */
static const fv_opdef *lookup(const char *domain, const char *name) {
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const fv_opdef *d = families[f]; d->name; d++)
            if (!strcmp(d->name, name) && !strcmp(d->domain, domain))
                return d;
    return NULL;
}

const fv_opdef *fv_op_find(const char *domain, const char *name) {
    if (!strcmp(domain, "ai.onnx"))
        domain = "";
    return lookup(domain, name);
}

const fv_opdef *fv_op_get(const char *qualified) {
    const char *dot = strrchr(qualified, '.');
    char domain[64] = "";
    if (dot) {
        assert((size_t)(dot - qualified) < sizeof domain);
        memcpy(domain, qualified, (size_t)(dot - qualified));
    }
    const fv_opdef *d = lookup(domain, dot ? dot + 1 : qualified);
    assert(d && "op in the catalogue");
    return d;
}

bool fv_op_has_domain(const char *domain) {
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const fv_opdef *d = families[f]; d->name; d++)
            if (!strcmp(d->domain, domain))
                return true;
    return false;
}

int fv_op_count(void) {
    int n = 0;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const fv_opdef *d = families[f]; d->name; d++)
            n++;
    return n;
}

/* Selection by rank: the catalogue is small and this is only asked by listings. */
const fv_opdef *fv_op_at(int i) {
    const fv_opdef *last = NULL;
    for (int k = 0; k <= i; k++) {
        const fv_opdef *best = NULL;
        for (size_t f = 0; f < sizeof families / sizeof *families; f++)
            for (const fv_opdef *d = families[f]; d->name; d++)
                if ((!last || compare(d->domain, d->name, last->domain, last->name) > 0) &&
                    (!best || compare(d->domain, d->name, best->domain, best->name) < 0))
                    best = d;
        if (!best)
            return NULL;
        last = best;
    }
    return last;
}

int fv_op_version(const fv_opdef *d, int opset) {
    int version = 0;
    for (int i = 0; i < FV_MAX_VERSIONS && d->since[i]; i++)
        if (d->since[i] <= opset)
            version = d->since[i];
    return version;
}

const char *fv_opdef_qualified(fv_arena *a, const fv_opdef *d) {
    return *d->domain ? fv_printf(a, "%s.%s", d->domain, d->name) : d->name;
}

const fv_attr_def *fv_opdef_attr(const fv_opdef *d, const char *name) {
    for (int i = 0; i < FV_MAX_ATTRS && d->attrs[i].name; i++)
        if (!strcmp(d->attrs[i].name, name))
            return &d->attrs[i];
    return NULL;
}

const fv_attr_def *fv_opdef_attr_of(const fv_opdef *d, const char *name, int version) {
    for (int i = 0; i < FV_MAX_ATTRS && d->attrs[i].name; i++)
        if (!strcmp(d->attrs[i].name, name) && d->attrs[i].until >= version)
            return &d->attrs[i];
    return fv_opdef_attr(d, name);
}

/* ---- checking ---- */

/* The declaration of operand i, seeing through a variadic last one; NULL: there are not so many. */
static const fv_operand_def *operand_def(const fv_operand_def *defs, int max, int i) {
    int n = 0;
    while (n < max && defs[n].name)
        n++;
    if (i < n)
        return &defs[i];
    return n && defs[n - 1].arity == FV_VARIADIC ? &defs[n - 1] : NULL;
}

static bool check_arity(const fv_op *op, const char *what, const fv_operand_def *defs, int max,
                        int n, fv_value **values) {
    int declared = 0, least = 0;
    for (; declared < max && defs[declared].name; declared++)
        if (defs[declared].arity == FV_REQUIRED)
            least = declared + 1;
        else if (defs[declared].arity == FV_VARIADIC && defs[declared].min)
            least = declared + defs[declared].min;
    for (int i = 0; i < n; i++) {
        const fv_operand_def *d = operand_def(defs, max, i);
        if (!d)
            return fv_op_error(op, "has %d %ss, takes at most %d", n, what, declared);
        if (!values[i] && d->arity == FV_REQUIRED && !strcmp(what, "input"))
            return fv_op_error(op, "%s '%s' is left out, but required", what, d->name);
    }
    if (n < least)
        return fv_op_error(op, "has %d %ss, needs at least %d", n, what, least);
    return true;
}

static bool check_attrs(const fv_op *op) {
    static const char *const kinds[] = {"an int",        "a float", "a string", "a list of ints",
                                        "a list of floats", "a list of strings", "a tensor", "a type",
                                        "dims",          "a graph"};
    for (int i = 0; i < op->nattrs; i++) {
        const fv_attr *a = &op->attrs[i];
        const fv_attr_def *d = fv_opdef_attr(op->def, a->name);
        if (!d || d->until)
            return fv_op_error(op, "attribute '%s' is not known", a->name);
        if (d->kind != a->kind && !(a->n == 0 && d->kind >= FV_ATTR_INTS && d->kind <= FV_ATTR_STRINGS))
            return fv_op_error(op, "attribute '%s' is %s, expected %s", a->name, kinds[a->kind],
                               kinds[d->kind]);
    }
    for (int i = 0; i < FV_MAX_ATTRS && op->def->attrs[i].name; i++)
        if (op->def->attrs[i].required && !op->def->attrs[i].until &&
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

/* Operands that share a type variable have one element type, which is in its set. */
static bool check_types(const fv_op *op) {
    const char *bound_name[FV_MAX_TYPEVARS] = {0};
    fv_elem bound[FV_MAX_TYPEVARS];
    int nbound = 0;
    for (int i = 0; i < op->nin; i++) {
        if (!op->in[i])
            continue;
        const fv_operand_def *d = operand_def(op->def->in, FV_MAX_IN, i);
        const fv_type *t = op->in[i]->type;
        const fv_typevar *var = find_typevar(op->def, d->type);
        if (!var || !t)
            continue;
        if (t->kind != FV_TENSOR)
            return fv_op_error(op, "operator not in the catalogue for input '%s' of type %s", d->name,
                               fv_type_str(op->block->func->module->arena, t));
        if (!(var->set >> t->elem & 1) &&
            (t->elem == FV_STRING || t->elem == FV_C64 || t->elem == FV_C128))
            return fv_op_error(op, "operator not in the catalogue for input '%s' of type %s", d->name,
                               fv_elem_name(t->elem));
        if (!(var->set >> t->elem & 1))
            return fv_op_error(op, "input '%s' has type %s, expected %s", d->name, fv_elem_name(t->elem),
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

bool fv_op_check(fv_op *op) {
    return check_arity(op, "input", op->def->in, FV_MAX_IN, op->nin, op->in) &&
           check_arity(op, "output", op->def->out, FV_MAX_OUT, op->nout, op->out) &&
           check_attrs(op) && check_types(op);
}
