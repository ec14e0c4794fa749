/* unpack.c - see unpack.h. */
#include "passes/unpack.h"

#include <assert.h>

#include "ir/base/limits.h"
#include "ir/catalogue/op.h"
#include "ir/graph/branch.h"
#include "ir/graph/infer.h"
#include "ir/ops/sequence.h"

static bool is_packed(const fv_value *v) { return v && (v->type->kind == FV_SEQUENCE || v->type->kind == FV_OPTIONAL); }

static int parts_of(const fv_value *v) { return is_packed(v) ? fv_ragged_parts(v->type) : 1; }

static int parts_of_all(int n, fv_value *const *values) {
    int parts = 0;
    for (int i = 0; i < n; i++)
        parts += parts_of(values[i]);
    return parts;
}

static fv_value *pack(fv_op *before, const fv_type *t, fv_value *const *parts, const char *name, const fv_origin *origin) {
    fv_op *op = fv_op_new(before->block, before, fv_op_def(FV_OP_fv_Ragged), fv_ragged_parts(t), parts, 1, &name, origin);
    fv_op_attr(op, &(fv_attr){.name = fv_intern(fv_op_module(op)->session, "type"), .kind = FV_ATTR_TYPE, .u.type = t});
    op->out[0]->type = t;
    return op->out[0];
}

/* ---- what blocks take ---- */

/* The caller of a model says how many elements there are, as a dim; in a loop each turn has others. */
static const fv_dim *count_of(const fv_region *block, const char *name, const char *what) {
    fv_module *m = fv_region_module(block);
    return fv_dim_fresh(m->dims, fv_printf(m->arena, "%s.%s", name, what), 0, FV_DIM_MAX, block->parent != NULL);
}

static void add_parts(fv_region *block, const fv_value *v, fv_value **parts) {
    fv_module *m = fv_region_module(block);
    const fv_dim *elements = count_of(block, v->name, "elements");
    const fv_dim *table[] = {count_of(block, v->name, "length"), fv_dim_const(m->dims, FV_SHAPE_COLUMNS)};
    const fv_type *types[FV_MAX_PARTS] = {fv_tensor_type(m->arena, fv_type_tensor(v->type)->elem, 1, &elements),
                                          fv_tensor_type(m->arena, FV_I64, 2, table), fv_tensor_type(m->arena, FV_BOOL, 0, NULL)};
    for (int i = 0; i < fv_ragged_parts(v->type); i++)
        parts[i] = fv_param_new(block, fv_part_name(m->arena, v->name, i), types[i]);
}

/* What a caller gives. */
static void check(fv_op *before, const fv_value *v, fv_value *const *parts) {
    fv_rewriter w = fv_rewriter_at(before);
    fv_w_check_parts(&w, v->name, parts);
    assert(!w.failed && "of symbols all of it may be true");
}

void fv_unpack_params(fv_region *block) {
    fv_module *m = fv_region_module(block);
    int before = block->nparams, n = 0;
    fv_value **params = FV_NEW(m->arena, fv_value *, parts_of_all(before, block->params) + 1);
    fv_op *first = block->first;
    for (int i = 0; i < before; i++) {
        fv_value *v = block->params[i];
        if (is_packed(v)) {
            add_parts(block, v, params + n);
            if (!block->parent)
                check(first, v, params + n);
            fv_value *whole = pack(first, v->type, params + n, v->name, first->origin);
            fv_replace_uses(v, whole);
            fv_value_take_name(m, whole, v);
        } else {
            params[n] = v;
        }
        n += parts_of(v);
    }
    if (n > before)
        fv_region_set_params(block, n, params);
}

/* ---- what they give ---- */

/* These values in parts; false after a diagnostic about op, which reads them. */
static bool take_apart(const fv_op *op, int n, fv_value *const *values, fv_value **parts) {
    for (int i = 0; i < n; parts += parts_of(values[i]), i++) {
        if (!is_packed(values[i]))
            *parts = values[i];
        else if (!fv_ragged_of(op, values[i], parts))
            return false;
    }
    return true;
}

static bool unpack_returned(fv_region *block) {
    const fv_op *end = block->last;
    int n = parts_of_all(end->nin, end->in);
    fv_value **parts = FV_NEW(fv_region_module(block)->arena, fv_value *, n + 1);
    if (n == end->nin)
        return true;
    if (!take_apart(end, end->nin, end->in, parts))
        return false;
    fv_region_return(block, n, parts);
    return true;
}

bool fv_unpack_results(fv_func *f) {
    fv_arena *a = f->module->arena;
    const fv_op *end = f->body->last;
    int before = end->nin, all = parts_of_all(before, end->in), n = 0;
    const char **names = FV_NEW(a, const char *, all + 1);
    const fv_value **states = f->states ? FV_NEW(a, const fv_value *, all + 1) : NULL;
    const fv_dim **capacity = f->capacity ? FV_NEW(a, const fv_dim *, all + 1) : NULL;
    if (all == before)
        return true;
    for (int i = 0; i < before; i++)
        for (int k = 0; k < parts_of(end->in[i]); k++, n++) {
            const char *name = f->result_names ? f->result_names[i] : end->in[i]->name;
            names[n] = is_packed(end->in[i]) ? fv_part_name(a, name, k) : name;
            if (states)
                states[n] = is_packed(end->in[i]) ? NULL : f->states[i];
            if (capacity)
                capacity[n] = is_packed(end->in[i]) ? NULL : f->capacity[i];
        }
    if (!unpack_returned(f->body))
        return false;
    f->result_names = names;
    f->states = states;
    f->capacity = capacity;
    return true;
}

/* ---- Loop and If ---- */

bool fv_unpack_must(const fv_op *op) {
    bool found = false;
    if (!fv_op_is(op, FV_OP_Loop) && !(fv_op_is(op, FV_OP_If) && fv_branch_taken(op) == FV_BRANCH_EITHER))
        return false;
    for (int i = 0; i < op->nin; i++)
        found |= is_packed(op->in[i]);
    for (int i = 0; i < op->nout; i++)
        found |= is_packed(op->out[i]);
    return found;
}

static bool unpack_bodies(const fv_op *op) {
    for (int i = 0; i < op->nattrs; i++)
        if (op->attrs[i].kind == FV_ATTR_REGION && !unpack_returned(op->attrs[i].u.region))
            return false;
    return true;
}

/* Results of `op` keep their names, and tensors what is known of them. */
static void name_results(fv_arena *a, const fv_op *op, const char **names) {
    for (int i = 0; i < op->nout; i++)
        for (int k = 0; k < parts_of(op->out[i]); k++)
            *names++ = !op->out[i] ? NULL : is_packed(op->out[i]) ? fv_part_name(a, op->out[i]->name, k) : op->out[i]->name;
}

static void hand_over(fv_module *m, fv_op *op, fv_op *made) {
    fv_value **part = made->out;
    for (int i = 0; i < op->nout; part += parts_of(op->out[i]), i++) {
        fv_value *v = op->out[i];
        if (!v)
            continue;
        fv_value *now = is_packed(v) ? pack(op, v->type, part, v->name, op->origin) : *part;
        fv_replace_uses(v, now);
        fv_value_take_name(m, now, v);
    }
}

fv_op *fv_unpack_op(fv_op *op) {
    fv_module *m = fv_op_module(op);
    int nin = parts_of_all(op->nin, op->in), nout = parts_of_all(op->nout, op->out);
    fv_value **in = FV_NEW(m->arena, fv_value *, nin + 1);
    const char **names = FV_NEW(m->arena, const char *, nout + 1);
    if (!unpack_bodies(op) || !take_apart(op, op->nin, op->in, in))
        return NULL;
    name_results(m->arena, op, names);
    fv_op *made = fv_op_new(op->block, op, op->def, nin, in, nout, names, op->origin);
    fv_op_move_attrs(op, made);
    for (int i = 0, k = 0; i < op->nout; k += parts_of(op->out[i]), i++)
        if (op->out[i] && !is_packed(op->out[i])) {
            made->out[k]->type = op->out[i]->type;
            made->out[k]->elems = op->out[i]->elems;
            made->out[k]->nelems = op->out[i]->nelems;
        }
    if (!fv_op_infer(made))
        return NULL;
    hand_over(m, op, made);
    fv_op_erase(op);
    return made;
}
