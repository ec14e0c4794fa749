/* op.c - finds entries of the catalogue, and the versions of operators. */
#include "ir/catalogue/op.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int compare(const char *d1, const char *n1, const char *d2, const char *n2) {
    int c = strcmp(d1, d2);
    return c ? c : strcmp(n1, n2);
}

/* Walks all entries; a family ends with an entry without name. */
static const fv_opdef *lookup(const char *domain, const char *name) {
    for (int f = 0; fv_op_families[f]; f++)
        for (const fv_opdef *d = fv_op_families[f]; d->name; d++)
            if (!strcmp(d->name, name) && !strcmp(d->domain, domain))
                return d;
    return NULL;
}

const fv_opdef *fv_op_find(const char *domain, const char *name) {
    if (!strcmp(domain, "ai.onnx"))
        domain = "";
    return lookup(domain, name);
}

#define FOREIGN "what it computes is in the format of another compiler"
#define ORDERED                                                                                    \
    "its tensors are stored in an order that a library for one family of processors defines"
const fv_refusal fv_refusals[] = {
#define REFUSED(domain, name, reason) {domain, name, reason},
#include "ir/catalogue/refused.def"
#undef REFUSED
    {0}};

const char *fv_op_refusal(const char *domain, const char *name) {
    for (const fv_refusal *r = fv_refusals; r->name; r++)
        if (!strcmp(r->domain, domain) && !strcmp(r->name, name))
            return r->reason;
    return NULL;
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

const fv_opdef *fv_op_def(fv_op_id id) {
    for (int f = 0; fv_op_families[f]; f++)
        for (const fv_opdef *d = fv_op_families[f]; d->name; d++)
            if (d->id == id && id != FV_OP_NONE)
                return d;
    assert(id == FV_OP_NONE && "every named op has an entry");
    return NULL;
}

bool fv_op_has_domain(const char *domain) {
    for (int f = 0; fv_op_families[f]; f++)
        for (const fv_opdef *d = fv_op_families[f]; d->name; d++)
            if (!strcmp(d->domain, domain))
                return true;
    return false;
}

int fv_op_count(void) {
    int n = 0;
    for (int f = 0; fv_op_families[f]; f++)
        for (const fv_opdef *d = fv_op_families[f]; d->name; d++)
            n++;
    return n;
}

/* Finds the i-th entry by repeated search for the next larger name: only listings call this, and
 * the catalogue is small. */
const fv_opdef *fv_op_at(int i) {
    const fv_opdef *last = NULL;
    for (int k = 0; k <= i; k++) {
        const fv_opdef *best = NULL;
        for (int f = 0; fv_op_families[f]; f++)
            for (const fv_opdef *d = fv_op_families[f]; d->name; d++)
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

const char *fv_opdef_source(const fv_opdef *d) {
    return d->source ? d->source : "the catalogue";
}

const char *fv_opdef_qualified(fv_arena *a, const fv_opdef *d) {
    return *d->domain ? fv_printf(a, "%s.%s", d->domain, d->name) : d->name;
}

bool fv_opdef_is_called(const fv_opdef *d, const char *qualified) {
    size_t n = strlen(d->domain);
    if (!n)
        return !strcmp(d->name, qualified);
    return !strncmp(d->domain, qualified, n) && qualified[n] == '.' &&
           !strcmp(d->name, qualified + n + 1);
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

const fv_operand_def *fv_opdef_operand(const fv_operand_def *defs, int max, int i) {
    int n = 0;
    while (n < max && defs[n].name)
        n++;
    if (i < n)
        return &defs[i];
    return n && defs[n - 1].arity == FV_VARIADIC ? &defs[n - 1] : NULL;
}
