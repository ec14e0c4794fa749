/* share.c - the pass `share`: equal ops with equal operands become one (common subexpressions), and
 * so do equal small constants. Never shared are ops with effects, ops that draw random numbers, and
 * exchanges: operands may be equal on one rank and differ on another, and then the ranks would make
 * different exchanges. Ops in nested blocks are compared with ops of their own block only. */
#include <string.h>

#include "ir/base/limits.h"
#include "ir/base/ptrmap.h"
#include "ir/catalogue/op.h"
#include "passes/internal.h"

/* HASHED: number of bytes of a constant that enter its hash; all bytes are compared */
enum { TABLE = 4096, HASHED = 256 };

typedef struct entry {
    fv_op *op;
    struct entry *next;
} entry;

static bool same_op(const fv_op *a, const fv_op *b) {
    if (a->def != b->def || a->nin != b->nin || a->nout != b->nout || a->nattrs != b->nattrs)
        return false;
    for (int i = 0; i < a->nin; i++)
        if (a->in[i] != b->in[i])
            return false;
    for (int i = 0; i < a->nout; i++)
        if (!a->out[i] != !b->out[i] ||
            (a->out[i] && !fv_type_equal(a->out[i]->type, b->out[i]->type)))
            return false;
    for (int i = 0; i < a->nattrs; i++) {
        const fv_attr *other = fv_op_find_attr(b, a->attrs[i].name);
        if (!other || !fv_attr_equal(&a->attrs[i], other))
            return false;
    }
    return true;
}

static size_t hash_op(const fv_op *op) {
    size_t h = (size_t)(uintptr_t)op->def;
    for (int i = 0; i < op->nin; i++)
        h = h * 31 + (size_t)(uintptr_t)op->in[i];
    return (h ^ (h >> 17) ^ (h >> 7)) % TABLE;
}

static void share_block(fv_pass_run *r, fv_region *block) {
    entry **table = FV_NEW(r->arena, entry *, TABLE);
    for (fv_op *op = block->first, *next; op; op = next) {
        next = op->next;
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                share_block(r, op->attrs[i].u.region);
        if (op->def->has_effect || op->def->distinct || op->def == &fv_return_def)
            continue;
        entry **slot = &table[hash_op(op)], *e = *slot;
        while (e && !same_op(e->op, op))
            e = e->next;
        if (!e) {
            e = FV_NEW(r->arena, entry, 1);
            *e = (entry){op, *slot};
            *slot = e;
            continue;
        }
        if (!fv_pass_may(r, op->def->name, op))
            continue;
        for (int i = 0; i < op->nout; i++)
            if (op->out[i])
                fv_replace_uses(op->out[i], e->op->out[i]);
        fv_pass_count_one(r, op->def->name);
        fv_op_erase(op);
    }
}

/* Makes equal small constants one. Exports repeat a small constant for each use, and constant
 * folding repeats a result for each use of a weight. */
static void share_constants(fv_pass_run *r) {
    fv_module *m = r->module;
    fv_value **table = FV_NEW(r->arena, fv_value *, TABLE);
    for (int i = 0; i < m->nconsts; i++) {
        fv_value *v = m->consts[i];
        const fv_tensor *t = v->tensor;
        if (t->elem == FV_STRING || t->bytes > FV_FOLD_BYTES)
            continue;
        size_t h = ((size_t)t->elem * 131 + (size_t)t->rank) * 131 + t->bytes;
        for (size_t k = 0; k < t->bytes && k < HASHED; k++)
            h = h * 31 + ((const uint8_t *)t->data)[k];
        size_t at = (h ^ (h >> 13)) % TABLE;
        for (int tries = 0; tries < 8; tries++, at = (at + 1) % TABLE) {
            if (!table[at]) {
                table[at] = v;
                break;
            }
            if (fv_type_equal(table[at]->type, v->type) && fv_tensor_equal(table[at]->tensor, t)) {
                if (v->nuses && fv_pass_may(r, "constant", v->uses[0].op)) {
                    fv_pass_count_one(r, "constant");
                    fv_replace_uses(v, table[at]);
                }
                break;
            }
        }
    }
}

bool fv_pass_share(fv_pass_run *r) {
    share_constants(r);
    for (fv_func *f = r->module->funcs; f; f = f->next)
        share_block(r, f->body);
    return true;
}
