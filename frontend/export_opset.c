/* export_opset.c - finds the lowest version of a domain's operators that has what a graph uses:
 * graph IR uses the newest, which most runtimes do not support. */
#include <string.h>

#include "frontend/export.h"

enum {
    /* the lowest opset that is written: it has LayerNormalization, Shape with start and end, and
     * axes as operands */
    FV_EXPORT_OPSET = 17
};

typedef struct need {
    enum { ALWAYS_, OPERAND, MOVED_, ATTRIBUTE, WORD, TYPE } kind;
    const char *op; /* NULL: any operator */
    const char *name, *word;
    int operand;
    fv_elem elem;
    int opset;
} need;

static const need needs[] = {
#define ALWAYS(op, opset)                {ALWAYS_, op, NULL, NULL, 0, FV_NO_ELEM, opset},
#define WITH_OPERAND(op, number, opset)  {OPERAND, op, NULL, NULL, number, FV_NO_ELEM, opset},
#define MOVED(op, number, name, opset)   {MOVED_, op, name, NULL, number, FV_NO_ELEM, opset},
#define WITH_ATTRIBUTE(op, name, opset)  {ATTRIBUTE, op, name, NULL, 0, FV_NO_ELEM, opset},
#define WITH_WORD(op, name, word, opset) {WORD, op, name, word, 0, FV_NO_ELEM, opset},
#define WITH_TYPE(op, e, opset)          {TYPE, op, NULL, NULL, 0, FV_##e, opset},
#define OF(e, opset)                     {TYPE, NULL, NULL, NULL, 0, FV_##e, opset},
#include "frontend/opsets.def"
#undef ALWAYS
#undef WITH_OPERAND
#undef MOVED
#undef WITH_ATTRIBUTE
#undef WITH_WORD
#undef WITH_TYPE
#undef OF
};

static bool is_of(const fv_type *t, fv_elem e) {
    while (t && t->kind != FV_TENSOR) {
        if (t->kind == FV_MAP && t->elem == e)
            return true;
        t = t->of;
    }
    return t && t->elem == e;
}

static bool has_type(const fv_op *op, fv_elem e) {
    for (int i = 0; i < op->nin; i++)
        if (op->in[i] && is_of(op->in[i]->type, e))
            return true;
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && is_of(op->out[i]->type, e))
            return true;
    return false;
}

static bool has_word(const fv_op *op, const char *name, const char *word) {
    const fv_attr *a = fv_op_find_attr(op, name);
    return a && a->kind == FV_ATTR_STRING && a->u.s.n == strlen(word) &&
           !memcmp(a->u.s.s, word, a->u.s.n);
}

static bool is_about(const need *n, const fv_op *op) {
    return !n->op || fv_opdef_is_called(op->def, n->op);
}

static bool holds(const need *n, const fv_op *op) {
    if (!is_about(n, op))
        return false;
    switch (n->kind) {
    case ALWAYS_: return true;
    case OPERAND: return fv_op_in(op, n->operand) != NULL;
    case MOVED_: return fv_op_in(op, n->operand) && op->in[n->operand]->kind != FV_VALUE_CONST;
    case ATTRIBUTE: return fv_op_find_attr(op, n->name) != NULL;
    case WORD: return has_word(op, n->name, n->word);
    case TYPE: return has_type(op, n->elem);
    }
    return false;
}

/* A row for types (OF) concerns the standard, whichever operator uses the type. */
static bool is_of_domain(const need *n, const fv_op *op, const char *domain) {
    return n->op ? !strcmp(op->def->domain, domain) : !*domain;
}

static int of_region(const fv_region *r, const char *domain, int version) {
    for (const fv_op *op = r->first; op; op = op->next) {
        if (!strcmp(op->def->domain, domain) && op->def->since[0] > version)
            version = op->def->since[0];
        for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
            if (needs[i].opset > version && is_of_domain(&needs[i], op, domain) &&
                holds(&needs[i], op))
                version = needs[i].opset;
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                version = of_region(op->attrs[i].u.region, domain, version);
    }
    return version;
}

int fv_export_opset(const fv_module *m, const char *domain) {
    return of_region(m->funcs->body, domain, *domain ? 1 : FV_EXPORT_OPSET);
}

int fv_export_moved(const fv_op *op, int opset, const char **attribute) {
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        if (needs[i].kind == MOVED_ && needs[i].opset > opset && is_about(&needs[i], op) &&
            fv_op_in(op, needs[i].operand)) {
            *attribute = needs[i].name;
            return needs[i].operand;
        }
    return -1;
}

int fv_export_ir_version(int opset) {
    return opset >= 25   ? 13
           : opset == 24 ? 12
           : opset == 23 ? 11
           : opset >= 21 ? 10
           : opset >= 19 ? 9
                         : 8;
}
