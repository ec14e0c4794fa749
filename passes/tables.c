/* tables.c - see tables.h. */
#include "passes/tables.h"

#include "ir/base/ptrmap.h"
#include "ir/base/text.h"
#include "ir/catalogue/op.h"
#include "ir/graph/rewriter.h"

enum { DATA, INDICES }; /* the operands of a Gather */

static bool saves_memory(const fv_pass_run *r) {
    return r->options && r->options->saves_memory;
}

/* The number of elements of a tensor whose dims are constants; 0: a dim is not constant. */
static size_t count_of(const fv_type *t) {
    size_t n = 1;
    for (int i = 0; i < t->rank; i++)
        if (!fv_dim_is_const(t->dims[i]) || !fv_mul_size(n, (size_t)t->dims[i]->value, &n))
            return 0;
    return n;
}

/* The narrowest type for indices of that axis. */
static fv_elem index_type(const fv_op *gather) {
    const fv_dim *size = gather->in[DATA]->type->dims[fv_op_int(gather, "axis")];
    if (!fv_dim_is_const(size) || size->value > 1 << 16)
        return gather->in[INDICES]->type->elem;
    return size->value > 1 << 8 ? FV_U16 : FV_U8;
}

/* The bytes of the table and its indices are those of `parts`: does the result take more? */
static bool is_larger(const fv_op *gather) {
    const fv_type *table = gather->in[DATA]->type, *indices = gather->in[INDICES]->type;
    size_t n = count_of(gather->out[0]->type), nt = count_of(table), ni = count_of(indices);
    size_t whole, parts, more;
    return n && nt && ni && fv_elem_bytes(table->elem, n, &whole) &&
           fv_elem_bytes(table->elem, nt, &parts) && fv_elem_bytes(index_type(gather), ni, &more) &&
           parts < whole && more < whole - parts;
}

/* Is index k, which may count from the end, within an axis of n elements? */
static bool is_within(int64_t k, int64_t n) {
    return -n <= k && k < n;
}

/* Are the indices of the Gather within its axis, as far as they are known? */
static bool are_within(const fv_op *gather) {
    const fv_dim *size = gather->in[DATA]->type->dims[fv_op_int(gather, "axis")];
    const fv_tensor *t =
        gather->in[INDICES]->kind == FV_VALUE_CONST ? gather->in[INDICES]->tensor : NULL;
    bool within = true;
    for (size_t i = 0; t && i < t->count && within; i++)
        within = is_within(fv_tensor_int(t, i), size->value);
    return within;
}

/* Is the op a Gather whose table is a constant, and whose result takes more bytes? One that stops
 * every run is none: folding reports it. */
static bool is_table(const fv_op *op) {
    return fv_op_is(op, FV_OP_fv_Gather) && op->in[DATA]->kind == FV_VALUE_CONST && is_larger(op) &&
           are_within(op);
}

/* Is v nothing but indices of such Gathers? */
static bool is_of_tables(const fv_value *v) {
    for (int i = 0; i < v->nuses; i++)
        if (v->uses[i].index != INDICES || !is_table(v->uses[i].op))
            return false;
    return v->nuses > 0;
}

bool fv_is_left_to_run(const fv_pass_run *r, const fv_op *op) {
    if (!saves_memory(r))
        return false;
    if (!fv_op_is(op, FV_OP_Cast))
        return is_table(op);
    fv_elem from = op->in[0]->type->elem;
    return op->in[0]->kind == FV_VALUE_CONST && (from == FV_U8 || from == FV_U16) &&
           is_of_tables(op->out[0]);
}

/* ---- indices ---- */

/* The indices, which are within an axis of n elements, as a constant of that type. */
static fv_value *narrow(fv_module *m, const fv_value *indices, int64_t n, fv_elem to) {
    const fv_tensor *from = indices->tensor;
    fv_tensor *t = fv_tensor_new(m->arena, to, from->rank, from->dims);
    for (size_t i = 0; i < from->count; i++) {
        int64_t k = fv_tensor_int(from, i);
        fv_tensor_set_int(t, i, k < 0 ? k + n : k);
    }
    return fv_const_new(m, indices->name, t);
}

typedef struct narrower {
    fv_pass_run *r;
    fv_ptrmap made; /* key of a constant and a size of the axis -> the narrow constant */
} narrower;

static fv_value *narrow_once(narrower *s, const fv_value *indices, int64_t n, fv_elem to) {
    fv_module *m = s->r->module;
    const char *key = fv_printf(s->r->arena, "%p %lld", (const void *)indices, (long long)n);
    void **at = fv_ptrmap_at(&s->made, fv_intern(m->session, key));
    if (!*at)
        *at = narrow(m, indices, n, to);
    return *at;
}

static void narrow_indices(narrower *s, fv_op *op) {
    if (!fv_is_left_to_run(s->r, op) || !fv_op_is(op, FV_OP_fv_Gather) ||
        op->in[INDICES]->kind != FV_VALUE_CONST)
        return;
    fv_value *indices = op->in[INDICES];
    fv_elem to = index_type(op);
    if (to == indices->type->elem || !fv_pass_may(s->r, op->def->name, op))
        return;
    int64_t n = op->in[DATA]->type->dims[fv_op_int(op, "axis")]->value;
    fv_value *c = narrow_once(s, indices, n, to);
    fv_rewriter w = fv_rewriter_at(op);
    fv_op_set_in(op, INDICES, fv_w_cast(&w, c, indices->type->elem));
    fv_pass_count_one(s->r, op->def->name);
}

static void narrow_in(narrower *s, fv_region *block) {
    for (fv_op *op = block->first; op; op = op->next) {
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                narrow_in(s, op->attrs[i].u.region);
        narrow_indices(s, op);
    }
}

void fv_narrow_indices(fv_pass_run *r) {
    narrower s = {r, fv_ptrmap_in(r->arena)};
    if (saves_memory(r))
        narrow_in(&s, r->module->funcs->body);
}
