/* exchanges.c - finds the collective operators of a graph. */
#include "tools/model/exchanges.h"

#include <string.h>

#include "ir/graph/graph.h"

typedef struct finder {
    fv_arena *a;
    const fv_module *m;
    fv_exchange *list;
    int n, cap;
} finder;

/* Is the op a collective that sends parts of its operand, each to one rank? */
static bool divides(const fv_op *op) {
    return fv_op_is(op, FV_OP_fv_AllToAll) || fv_op_is(op, FV_OP_com_microsoft_AllToAll);
}

/* The number of ranks to which the op sends, by what it states; the own AllToAll has one for each
 * element of axis 0. */
static int64_t ranks_of(const fv_op *op) {
    if (fv_op_is(op, FV_OP_fv_Send) || fv_op_is(op, FV_OP_fv_Receive))
        return fv_op_is(op, FV_OP_fv_Send);
    const fv_attr *a = fv_op_find_attr(op, "ranks");
    a = a ? a : fv_op_find_attr(op, "group_size");
    return a ? a->u.i : op->in[0]->type->rank ? op->in[0]->type->dims[0]->value : 1;
}

/* The first rank to which the op sends. */
static int64_t first_of(const fv_op *op) {
    const fv_attr *a = fv_op_find_attr(op, "to");
    a = a ? a : fv_op_find_attr(op, "first");
    return a ? a->u.i : 0;
}

static void add(finder *f, const fv_op *op, bool once) {
    const fv_type *t = op->nin ? op->in[0]->type : op->out[0]->type;
    bool named = op->origin->n || !op->nout;
    fv_exchange x = {.node = named ? fv_origin_str(f->a, op->origin) : op->out[0]->name,
                     .kind = op->def->name,
                     .ranks = ranks_of(op),
                     .first = first_of(op),
                     .once = once};
    x.bytes = fv_dim_mul(f->m->dims, fv_dim_product(f->m->dims, t->rank, t->dims),
                         fv_dim_const(f->m->dims, fv_elem_bits(t->elem) / 8));
    if (divides(op) && x.ranks > 0)
        x.bytes = fv_dim_floordiv(f->m->dims, x.bytes, fv_dim_const(f->m->dims, x.ranks));
    FV_PUSH(f->a, f->list, f->n, f->cap, x);
}

static void find(finder *f, const fv_region *block, bool once) {
    for (const fv_op *op = block->first; op; op = op->next) {
        if (op->def->distinct == FV_COMMUNICATES)
            add(f, op, once);
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                find(f, op->attrs[i].u.region, false);
    }
}

int fv_exchanges_find(fv_arena *a, const fv_module *m, fv_exchange **out) {
    finder f = {.a = a, .m = m};
    find(&f, m->funcs->body, true);
    *out = f.list;
    return f.n;
}

/* The values of a run's symbols. */
typedef struct symbols {
    const fv_model *table;
    const int64_t *dims;
} symbols;

static bool value_of(void *ctx, const fv_dim *symbol, int64_t *out) {
    const symbols *s = ctx;
    for (int i = 0; i < s->table->nsymbols; i++)
        if (!strcmp(s->table->symbols[i].name, symbol->name)) {
            *out = s->dims[i];
            return true;
        }
    return false;
}

/* The bytes of an exchange; -1: unknown. */
static int64_t bytes_of(const fv_model *table, const int64_t *dims, const fv_exchange *x) {
    symbols s = {table, dims};
    int64_t bytes;
    return x->once && fv_dim_eval(x->bytes, value_of, &s, &bytes) ? bytes : -1;
}

int64_t fv_exchanges_bytes_to(const fv_model *table, const int64_t *dims, int n,
                              const fv_exchange *list, int rank) {
    int64_t sum = 0;
    for (int i = 0; i < n; i++) {
        int64_t bytes = bytes_of(table, dims, &list[i]);
        if (rank < list[i].first || rank >= list[i].first + list[i].ranks)
            continue;
        if (bytes < 0)
            return -1;
        sum += bytes;
    }
    return sum;
}

int64_t fv_exchanges_bytes(const fv_model *table, const int64_t *dims, int n,
                           const fv_exchange *list) {
    int64_t sum = 0;
    for (int i = 0; i < n; i++) {
        int64_t bytes = bytes_of(table, dims, &list[i]);
        if (bytes < 0)
            return -1;
        sum += bytes;
    }
    return sum;
}
