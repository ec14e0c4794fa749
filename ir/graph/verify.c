/* verify.c - what graph IR must be, at any time between passes.
 *
 *   blocks     linked both ways, ended by their only `return`; regions know their op and function
 *   operands   defined before their use, in the same block or one around it, or constants
 *   uses       exactly the operands that there are
 *   names      a value is found under its name, so each name is there once
 *   types      as the catalogue's entry says; results contradict nothing that is inferred
 *   constants  their types are those of their tensors */
#include "ir/graph/verify.h"

#include "ir/base/limits.h"
#include "ir/base/ptrmap.h"
#include "ir/catalogue/op.h"
#include "ir/graph/graph.h"
#include "ir/graph/infer.h"
#include "ir/graph/state.h"

#include <stdio.h>
#include <string.h>

enum { ENOUGH = 20 /* number of messages after which the verifier stops */ };

/* The uses of a value, counted over the operands of all ops, to be compared with its list of
 * uses. */
typedef struct references {
    int n;
    uint64_t sum; /* sum of hashes of (op, index), which does not depend on the order of the list */
} references;

typedef struct verifier {
    fv_module *m;
    fv_arena *arena; /* an arena that is freed after the verification */
    fv_ptrmap refs;  /* value -> its counted uses (references) */
    fv_ptrmap done;  /* ops that were visited; only their results may be used by later ops */
    int errors;
    int conflicts; /* number of errors at ops whose types contradict each other */
    int depth;
} verifier;

static bool illegal(verifier *v, const fv_op *op, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool illegal(verifier *v, const fv_op *op, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    v->errors++;
    return op ? fv_op_error(op, "%s", text) : fv_error(v->m->session, "%s", text);
}

/* ---- values ---- */

static references *refs_of(verifier *v, const fv_value *value) {
    void **at = fv_ptrmap_at(&v->refs, value);
    if (!*at)
        *at = FV_NEW(v->arena, references, 1);
    return *at;
}

static uint64_t hash_use(const fv_op *op, int index) {
    uint64_t h = ((uintptr_t)op ^ (uint64_t)index << 48) * UINT64_C(0x9E3779B97F4A7C15);
    return (h ^ h >> 31) * UINT64_C(0xBF58476D1CE4E5B9);
}

/* Is `inner` equal to `outer` or within it? */
static bool is_within(const fv_region *inner, const fv_region *outer) {
    while (inner && inner != outer)
        inner = inner->parent ? inner->parent->block : NULL;
    return inner != NULL;
}

static bool is_const_of(const fv_module *m, const fv_value *value) {
    return value->kind == FV_VALUE_CONST && value->tensor &&
           fv_value_find((fv_module *)(uintptr_t)m, value->name) == value;
}

static bool in_scope(verifier *v, const fv_op *op, const fv_value *value) {
    switch (value->kind) {
    case FV_VALUE_CONST: return is_const_of(v->m, value);
    case FV_VALUE_PARAM: return value->block && is_within(op->block, value->block);
    case FV_VALUE_RESULT:
        return fv_ptrmap_get(&v->done, value->def) && value->index < value->def->nout &&
               value->def->out[value->index] == value && is_within(op->block, value->def->block);
    }
    return false;
}

static void check_name(verifier *v, const fv_op *op, const fv_value *value) {
    if (fv_value_find(v->m, value->name) != value)
        illegal(v, op, "the name %%%s belongs to another value", value->name);
}

static void check_elems(verifier *v, const fv_op *op, const fv_value *value) {
    const fv_type *t = value->type;
    if (!value->elems || value->kind == FV_VALUE_CONST)
        return;
    bool small = t->kind == FV_TENSOR && t->rank <= 1 && value->nelems <= FV_MAX_ELEMS &&
                 (fv_elem_is_int(t->elem) || t->elem == FV_BOOL);
    if (!small || (t->rank == 0 && value->nelems != 1) ||
        (t->rank == 1 && fv_dim_is_const(t->dims[0]) && t->dims[0]->value != value->nelems))
        illegal(v, op, "%d elements are known of %%%s, which is %s", value->nelems, value->name,
                fv_type_str(v->arena, t));
}

static void check_value(verifier *v, const fv_op *op, const fv_value *value) {
    check_name(v, op, value);
    if (!value->type)
        illegal(v, op, "%%%s has no type", value->name);
    else
        check_elems(v, op, value);
}

static void check_operands(verifier *v, const fv_op *op) {
    for (int i = 0; i < op->nin; i++) {
        const fv_value *value = op->in[i];
        if (!value) {
            if (op->def == &fv_return_def)
                illegal(v, op, "result %d of the block is left out", i);
            continue;
        }
        references *r = refs_of(v, value);
        r->n++;
        r->sum += hash_use(op, i);
        if (!in_scope(v, op, value))
            illegal(v, op, "operand %d, %c%s, is not defined where it is used", i,
                    value->kind == FV_VALUE_CONST ? '@' : '%', value->name);
    }
}

static void check_uses(verifier *v, const fv_value *value) {
    const references *r = refs_of(v, value);
    uint64_t sum = 0;
    for (int i = 0; i < value->nuses; i++)
        sum += hash_use(value->uses[i].op, value->uses[i].index);
    if (value->nuses != r->n)
        illegal(v, NULL, "%%%s has %d uses on its list, %d operands use it", value->name,
                value->nuses, r->n);
    else if (sum != r->sum)
        illegal(v, NULL, "the uses on the list of %%%s are not the operands that use it",
                value->name);
}

/* ---- ops ---- */

/* Removes the fv.Bind that inference added for the elements of v. */
static void unbind(fv_value *v) {
    fv_op *bind = v && v->nuses ? v->uses[v->nuses - 1].op : NULL;
    if (bind && fv_op_is(bind, FV_OP_fv_Bind)) {
        fv_op_erase(bind);
        v->elems = NULL;
        v->nelems = 0;
    }
}

/* Runs inference on the op, to compare its results, and then undoes its changes. */
static bool infers(verifier *v, fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type **types = FV_NEW(v->arena, const fv_type *, op->nout + 1);
    const fv_dim *const **elems = FV_NEW(v->arena, const fv_dim *const *, op->nout + 1);
    int *nelems = FV_NEW(v->arena, int, op->nout + 1), nrelations = m->nrelations;
    for (int i = 0; i < op->nout; i++) {
        types[i] = op->out[i] ? op->out[i]->type : NULL;
        elems[i] = op->out[i] ? op->out[i]->elems : NULL;
        nelems[i] = op->out[i] ? op->out[i]->nelems : 0;
    }
    bool *unknown = FV_NEW(v->arena, bool, op->nin);
    for (int i = 0; i < op->nin; i++)
        unknown[i] = op->in[i] && !op->in[i]->elems && op->in[i]->kind != FV_VALUE_CONST;
    bool ok = fv_op_infer(op);
    for (int i = 0; i < op->nin; i++)
        if (unknown[i] && op->in[i]->elems)
            unbind(op->in[i]);
    for (int i = 0; i < op->nout; i++) {
        if (!op->out[i])
            continue;
        op->out[i]->type = types[i];
        op->out[i]->elems = elems[i];
        op->out[i]->nelems = nelems[i];
    }
    m->nrelations = nrelations;
    return ok;
}

static bool all_typed(const fv_op *op) {
    for (int i = 0; i < op->nin; i++)
        if (op->in[i] && !op->in[i]->type)
            return false;
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && !op->out[i]->type)
            return false;
    return true;
}

static void check_results(verifier *v, const fv_op *op) {
    for (int i = 0; i < op->nout; i++) {
        const fv_value *value = op->out[i];
        if (!value)
            continue;
        if (value->kind != FV_VALUE_RESULT || value->def != op || value->index != i)
            illegal(v, op, "result %d, %%%s, does not point back", i, value->name);
        else
            check_value(v, op, value);
    }
}

static void check_block(verifier *v, const fv_region *r, const fv_func *f, const fv_op *parent);

static void check_regions(verifier *v, const fv_op *op) {
    for (int i = 0; i < op->nattrs; i++)
        if (op->attrs[i].kind == FV_ATTR_REGION)
            check_block(v, op->attrs[i].u.region, op->block->func, op);
}

static void check_op(verifier *v, fv_op *op) {
    int errors = v->errors;
    check_operands(v, op);
    check_regions(v, op);
    *fv_ptrmap_at(&v->done, op) = op;
    if (op->def == &fv_return_def) {
        if (op->next)
            illegal(v, op, "does not end its block");
        return;
    }
    check_results(v, op);
    if (errors == v->errors && all_typed(op) && !infers(v, op)) {
        v->errors++;
        v->conflicts++;
    }
}

/* ---- blocks ---- */

static void check_params(verifier *v, const fv_region *r) {
    for (int i = 0; i < r->nparams; i++) {
        const fv_value *p = r->params[i];
        if (p->kind != FV_VALUE_PARAM || p->block != r || p->index != i)
            illegal(v, r->parent, "parameter %d, %%%s, does not point back", i, p->name);
        else
            check_value(v, r->parent, p);
    }
}

static bool check_links(verifier *v, const fv_region *r) {
    const fv_op *before = NULL;
    for (const fv_op *op = r->first; op; before = op, op = op->next)
        if (op->prev != before || op->block != r || !op->def || !op->origin)
            return illegal(v, NULL, "@%s: an op is not linked into its block", r->func->name);
    return r->last == before ||
           illegal(v, NULL, "@%s: a block's last op is not its last", r->func->name);
}

/* Compares the lists of uses with the counted uses; called after all operands of the function were
 * counted. */
static void check_all_uses(verifier *v, const fv_region *r) {
    for (int i = 0; i < r->nparams; i++)
        check_uses(v, r->params[i]);
    for (const fv_op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nout; i++)
            if (op->out[i])
                check_uses(v, op->out[i]);
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                check_all_uses(v, op->attrs[i].u.region);
    }
}

static void check_block(verifier *v, const fv_region *r, const fv_func *f, const fv_op *parent) {
    if (!r || r->func != f || r->parent != parent) {
        illegal(v, parent, "a block of @%s does not know where it belongs", f->name);
        return;
    }
    if (++v->depth > FV_MAX_DEPTH) {
        illegal(v, parent, "blocks nest more than %d deep", FV_MAX_DEPTH);
    } else if (check_links(v, r)) {
        check_params(v, r);
        for (fv_op *op = r->first; op && v->errors < ENOUGH; op = op->next)
            check_op(v, op);
        if (!r->last || r->last->def != &fv_return_def)
            illegal(v, parent, "a block of @%s does not end with return", f->name);
    }
    v->depth--;
}

/* ---- the module ---- */

static void check_const(verifier *v, const fv_value *c) {
    const fv_tensor *t = c->tensor;
    size_t count, bytes;
    if (!is_const_of(v->m, c)) {
        illegal(v, NULL, "the name @%s belongs to another value", c->name);
        return;
    }
    const fv_type *type = c->type;
    bool same = type && type->kind == FV_TENSOR && type->elem == t->elem && type->rank == t->rank;
    for (int i = 0; same && i < t->rank; i++)
        same = fv_dim_is_const(type->dims[i]) && type->dims[i]->value == t->dims[i];
    if (!same)
        illegal(v, NULL, "@%s is declared %s, its tensor is not", c->name,
                fv_type_str(v->arena, type));
    else if (!fv_tensor_size(t->elem, t->rank, t->dims, &count, &bytes) || count != t->count ||
             bytes != t->bytes)
        illegal(v, NULL, "@%s has %zu elements in %zu bytes, its shape says otherwise", c->name,
                t->count, t->bytes);
}

static void check_states(verifier *v, const fv_func *f) {
    for (int i = 0; f->states && i < f->body->last->nin; i++) {
        const char *problem = f->states[i] ? fv_state_problem(v->arena, f, i, f->states[i]) : NULL;
        if (problem)
            illegal(v, NULL, "@%s: %s", f->name, problem);
    }
}

static void check_func(verifier *v, const fv_func *f) {
    for (const fv_func *g = v->m->funcs; g != f; g = g->next)
        if (strcmp(f->name, g->name) == 0)
            illegal(v, NULL, "function @%s is there twice", f->name);
    check_block(v, f->body, f, NULL);
    if (!v->errors)
        check_states(v, f);
}

bool fv_module_verify(fv_module *m, const char *after) {
    fv_arena *arena = fv_arena_new(m->session);
    verifier v = {.m = m, .arena = arena};
    v.refs = fv_ptrmap_in(arena);
    v.done = fv_ptrmap_in(arena);
    if (!m->funcs)
        illegal(&v, NULL, "the module has no function");
    for (int i = 0; i < m->nconsts; i++)
        check_const(&v, m->consts[i]);
    for (const fv_func *f = m->funcs; f && v.errors < ENOUGH; f = f->next)
        check_func(&v, f);
    for (const fv_func *f = m->funcs; f && !v.errors; f = f->next)
        check_all_uses(&v, f->body);
    for (int i = 0; i < m->nconsts && !v.errors; i++)
        check_uses(&v, m->consts[i]);
    if (v.errors > v.conflicts && after)
        fv_error(m->session, "internal error: pass '%s' broke the module, see above", after);
    fv_arena_free(arena);
    return v.errors == 0;
}
