/* unique.c - see unique.h. */
#include "ir/expr/unique.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "ir/base/limits.h"

typedef struct slot {
    uint64_t hash;
    fv_expr *x; /* the expression; NULL: an unused slot */
} slot;

typedef struct seen { /* the buffers that represent one value with different axes */
    fv_buf *buf;
    struct seen *next;
} seen;

typedef struct table { /* the unique expressions of an arena */
    slot *slots;       /* hash table with open addressing */
    size_t n, cap;     /* number of expressions; number of slots, a power of two */
    fv_ptrmap bufs;    /* value -> its `seen` */
} table;

enum { FIRST = 256 };

fv_arena *fv_x_arena_new(fv_session *s) {
    fv_arena *a = fv_arena_new(s);
    table *t = FV_NEW(a, table, 1);
    *t = (table){.slots = FV_NEW(a, slot, FIRST), .cap = FIRST, .bufs = fv_ptrmap_in(a)};
    *fv_arena_slot(a) = t;
    return a;
}

static table *table_of(fv_arena *a) {
    return *fv_arena_slot(a);
}

/* ---- the table ---- */

/* Mixes v into a hash. The low bits of a product depend on low bits only, and the low bits of
 * pointers are 0: the shift brings high bits down. */
static uint64_t mix(uint64_t h, uint64_t v) {
    h = (h ^ v) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ h >> 32;
}

static uint64_t mix_pointer(uint64_t h, const void *p) {
    return mix(h, (uintptr_t)p);
}

static uint64_t bits_of(double f) {
    uint64_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static bool has_float(const fv_expr *x) {
    return x->type.elem == FV_F32 || x->type.elem == FV_F64;
}

/* Hash of operation, type and payload of a node, without the variables that a reduction binds. */
static uint64_t hash_head(const fv_expr *x) {
    uint64_t h = mix(mix(x->op, x->type.elem), (uint64_t)x->type.lanes << 16 | x->n);
    switch (x->op) {
    case FV_X_CONST: return mix(h, has_float(x) ? bits_of(x->u.f) : (uint64_t)x->u.i);
    case FV_X_VAR: return mix_pointer(h, x->u.var);
    case FV_X_LOAD:
    case FV_X_GUARD: return mix_pointer(h, x->u.buf);
    case FV_X_EVEN:
    case FV_X_ODD: return mix(h, (uint64_t)x->u.i);
    case FV_X_DIM: return mix_pointer(h, x->u.dim);
    case FV_X_REDUCE:
        h = mix(h, (uint64_t)x->u.red.label << 16 | (uint64_t)x->u.red.along << 8 | x->u.red.order);
        return mix(h, (uint64_t)x->u.red.kind << 8 | x->u.red.nvars);
    default: return h;
    }
}

static bool same_reduction(const fv_expr *a, const fv_expr *b) {
    return a->u.red.kind == b->u.red.kind && a->u.red.order == b->u.red.order &&
           a->u.red.along == b->u.red.along && a->u.red.label == b->u.red.label;
}

bool fv_x_same_payload(const fv_expr *a, const fv_expr *b) {
    switch (a->op) {
    case FV_X_CONST: return has_float(a) ? bits_of(a->u.f) == bits_of(b->u.f) : a->u.i == b->u.i;
    case FV_X_VAR: return a->u.var == b->u.var;
    case FV_X_LOAD:
    case FV_X_GUARD: return a->u.buf == b->u.buf;
    case FV_X_EVEN:
    case FV_X_ODD: return a->u.i == b->u.i;
    case FV_X_DIM: return a->u.dim == b->u.dim;
    case FV_X_REDUCE:
        return same_reduction(a, b) && a->u.red.nvars == b->u.red.nvars &&
               memcmp(a->u.red.vars, b->u.red.vars, a->u.red.nvars * sizeof(fv_var *)) == 0;
    default: return true;
    }
}

static bool same_kind(const fv_expr *a, const fv_expr *b) {
    return a->op == b->op && a->type.elem == b->type.elem && a->type.lanes == b->type.lanes &&
           a->n == b->n;
}

/* Doubles the table if it is half full. Called before anything changes, since the allocation may
 * jump to the door. */
static void reserve(fv_arena *a, table *t) {
    if (t->n * 2 < t->cap)
        return;
    slot *wider = FV_NEW(a, slot, t->cap * 2);
    for (size_t i = 0; i < t->cap; i++) {
        size_t k = (size_t)t->slots[i].hash & (t->cap * 2 - 1);
        while (t->slots[i].x && wider[k].x)
            k = (k + 1) & (t->cap * 2 - 1);
        if (t->slots[i].x)
            wider[k] = t->slots[i];
    }
    t->slots = wider;
    t->cap *= 2;
}

static void put(table *t, uint64_t hash, fv_expr *x) {
    size_t i = (size_t)hash & (t->cap - 1);
    while (t->slots[i].x)
        i = (i + 1) & (t->cap - 1);
    t->slots[i] = (slot){hash, x};
    t->n++;
}

/* ---- nodes ---- */

static int has_itself(const fv_expr *x) {
    bool reads = x->op == FV_X_LOAD || x->op == FV_X_GUARD;
    return (reads ? FV_HAS_LOAD : 0) | (x->op == FV_X_REQUIRE ? FV_HAS_REQUIRE : 0) |
           (x->op == FV_X_REDUCE ? FV_HAS_REDUCE : 0) | (x->type.lanes > 1 ? FV_HAS_LANES : 0) |
           (fv_expr_op_is_math((fv_expr_op)x->op) ? FV_HAS_MATH : 0);
}

void fv_x_hash_vars(fv_expr *x) {
    x->vars = x->op == FV_X_VAR ? fv_var_bit(x->u.var) : 0;
    x->binds = 0;
    for (int i = 0; i < x->n; i++) {
        x->vars |= x->arg[i]->vars;
        x->binds |= x->arg[i]->binds;
    }
    for (int i = 0; x->op == FV_X_REDUCE && i < x->u.red.nvars; i++)
        x->binds |= fv_var_bit(x->u.red.vars[i]);
}

static fv_expr *make(fv_arena *a, const fv_expr *head, fv_expr *const *args) {
    fv_expr *x = fv_alloc(a, 1, sizeof *x + head->n * sizeof *x->arg);
    unsigned size = 1;
    *x = *head;
    x->has = (uint8_t)has_itself(x);
    for (int i = 0; i < x->n; i++) {
        x->arg[i] = args[i];
        x->has |= args[i]->has;
        size += args[i]->size;
        size = size < FV_X_MOST ? size : FV_X_MOST;
    }
    x->size = (uint16_t)size;
    fv_x_hash_vars(x);
    return x;
}

static bool is_node(const fv_expr *x, const fv_expr *head, fv_expr *const *args) {
    return same_kind(x, head) && fv_x_same_payload(x, head) &&
           (x->n == 0 || !memcmp(x->arg, args, x->n * sizeof *args));
}

fv_expr *fv_x_node(fv_arena *a, const fv_expr *head, fv_expr *const *args) {
    table *t = table_of(a);
    if (head->op == FV_X_REDUCE)
        return fv_x_reduce_like(a, head, head->u.red.nvars, head->u.red.vars, args[0]);
    if (!t)
        return make(a, head, args);
    uint64_t hash = hash_head(head);
    for (int i = 0; i < head->n; i++)
        hash = mix_pointer(hash, args[i]);
    reserve(a, t);
    for (size_t i = (size_t)hash & (t->cap - 1); t->slots[i].x; i = (i + 1) & (t->cap - 1))
        if (t->slots[i].hash == hash && is_node(t->slots[i].x, head, args))
            return t->slots[i].x;
    fv_expr *x = make(a, head, args);
    put(t, hash, x);
    return x;
}

/* ---- reductions that are equal but for what they bind ---- */

/* The variables of the reductions around a node, innermost first. */
typedef struct scope {
    const struct scope *outer;
    int level;
    int n;
    fv_var *const *vars;
    uint32_t bits; /* hashes (fv_var_bit) of all variables of this scope and the outer ones */
} scope;

static scope within(const scope *outer, int n, fv_var *const *vars) {
    scope s = {outer, outer ? outer->level + 1 : 1, n, vars, outer ? outer->bits : 0};
    for (int i = 0; i < n; i++)
        s.bits |= fv_var_bit(vars[i]);
    return s;
}

/* Finds the scope that binds v: returns its level and sets *which to the variable's number in it;
 * 0: v is not bound. */
static int find(const scope *s, const fv_var *v, int *which) {
    for (; s; s = s->outer)
        for (*which = 0; *which < s->n; ++*which)
            if (s->vars[*which] == v)
                return s->level;
    return 0;
}

/* A hash of a node that does not depend on the names of variables bound around it. */
typedef struct shape {
    uint64_t hash;
    /* level of the outermost scope of which the node contains a variable; INT_MAX: it contains no
     * bound variable */
    int outermost;
} shape;

static shape shape_of(fv_arena *a, const scope *s, const fv_expr *x, fv_ptrmap *memo) {
    shape r = {mix_pointer(0, x), INT_MAX}, *known;
    int which = 0, level;
    if (!(x->vars & s->bits))
        return r;
    if (x->op == FV_X_VAR) {
        level = find(s, x->u.var, &which);
        return level ? (shape){mix(mix(FV_X_END, (uint64_t)level), (uint64_t)which), level} : r;
    }
    known = fv_ptrmap_get(memo, x);
    if (known)
        return *known;
    scope inner = {0};
    fv_ptrmap own = fv_ptrmap_in(a);
    uint64_t hash = hash_head(x);
    if (x->op == FV_X_REDUCE)
        inner = within(s, x->u.red.nvars, x->u.red.vars);
    for (int i = 0; x->op == FV_X_REDUCE && i < inner.n; i++)
        hash = mix_pointer(hash, inner.vars[i]->dim);
    for (int i = 0; i < x->n; i++) {
        shape part =
            inner.level ? shape_of(a, &inner, x->arg[i], &own) : shape_of(a, s, x->arg[i], memo);
        hash = mix(hash, part.hash);
        r.outermost = part.outermost < r.outermost ? part.outermost : r.outermost;
    }
    if (r.outermost <= s->level)
        r.hash = hash;
    else
        r.outermost = INT_MAX; /* all bound variables of the node are bound within it */
    *fv_ptrmap_at(memo, x) = known = FV_NEW(a, shape, 1);
    *known = r;
    return r;
}

/* Are x and y equal if the variables bound in scope s are identified with those of t? memo: from
 * nodes of x to equal nodes of y. */
static bool are_alike(fv_arena *a, const scope *s, const fv_expr *x, const scope *t,
                      const fv_expr *y, fv_ptrmap *memo) {
    if (!(x->vars & s->bits) && !(y->vars & t->bits))
        return x == y;
    if (!same_kind(x, y))
        return false;
    if (x->op == FV_X_VAR) {
        int i = 0, k = 0, level = find(s, x->u.var, &i);
        return level == find(t, y->u.var, &k) && (level ? i == k : x == y);
    }
    const fv_expr *known = fv_ptrmap_get(memo, x);
    if (known)
        return known == y;
    bool alike = true;
    if (x->op == FV_X_REDUCE) {
        int n = x->u.red.nvars;
        scope in_x = within(s, n, x->u.red.vars), in_y = within(t, n, y->u.red.vars);
        fv_ptrmap own = fv_ptrmap_in(a);
        alike = n == y->u.red.nvars && same_reduction(x, y);
        for (int i = 0; i < n && alike; i++)
            alike = in_x.vars[i]->dim == in_y.vars[i]->dim;
        alike = alike && are_alike(a, &in_x, x->arg[0], &in_y, y->arg[0], &own);
    } else {
        alike = fv_x_same_payload(x, y);
        for (int i = 0; i < x->n && alike; i++)
            alike = are_alike(a, s, x->arg[i], t, y->arg[i], memo);
    }
    if (alike)
        *fv_ptrmap_at(memo, x) = (void *)(uintptr_t)y;
    return alike;
}

static bool is_reduction(fv_arena *a, const fv_expr *x, const fv_expr *head, fv_expr *body) {
    int n = head->u.red.nvars;
    if (!same_kind(x, head) || !same_reduction(x, head) || x->u.red.nvars != n)
        return false;
    for (int i = 0; i < n; i++)
        if (x->u.red.vars[i]->dim != head->u.red.vars[i]->dim)
            return false;
    fv_ptrmap memo = fv_ptrmap_in(a);
    scope s = within(NULL, n, x->u.red.vars), t = within(NULL, n, head->u.red.vars);
    return are_alike(a, &s, x->arg[0], &t, body, &memo);
}

/* x with the free variable v replaced by the new variable y, which no reduction binds. */
static fv_expr *with_new(fv_arena *a, fv_expr *x, const fv_var *v, fv_expr *y, fv_ptrmap *memo) {
    fv_expr *args[FV_MAX_RANK + 2], *known;
    if (!(x->vars & fv_var_bit(v)) || fv_x_binds(x, v))
        return x;
    if (x->op == FV_X_VAR)
        return x->u.var == v ? y : x;
    if ((known = fv_ptrmap_get(memo, x)))
        return known;
    FV_HOLDS(fv_arena_session(a), x->n <= FV_MAX_RANK + 2);
    for (int i = 0; i < x->n; i++)
        args[i] = with_new(a, x->arg[i], v, y, memo);
    known = fv_x_with_args(a, x, args);
    return *fv_ptrmap_at(memo, x) = known;
}

fv_expr *fv_x_rename(fv_arena *a, int n, fv_var **vars, fv_expr *x) {
    for (int i = 0; i < n; i++) {
        fv_ptrmap memo = fv_ptrmap_in(a);
        fv_var *own = FV_NEW(a, fv_var, 1);
        *own = *vars[i];
        x = with_new(a, x, vars[i], fv_x_var(a, own), &memo);
        vars[i] = own;
    }
    return x;
}

static bool is_bound_in(const fv_expr *x, const fv_var *v, fv_ptrmap *visited) {
    if (!(x->binds & fv_var_bit(v)) || fv_ptrmap_get(visited, x))
        return false;
    *fv_ptrmap_at(visited, x) = (void *)(uintptr_t)x;
    for (int i = 0; i < x->n; i++)
        if (is_bound_in(x->arg[i], v, visited))
            return true;
    return fv_x_binds(x, v);
}

/* Does a reduction within body bind one of the n variables again? */
static bool binds_again(fv_arena *a, int n, fv_var *const *vars, const fv_expr *body) {
    fv_arena *scratch = NULL;
    bool again = false;
    for (int i = 0; i < n && !again; i++)
        if (body->binds & fv_var_bit(vars[i])) {
            scratch = scratch ? scratch : fv_arena_new(fv_arena_session(a));
            fv_ptrmap visited = fv_ptrmap_in(scratch);
            again = is_bound_in(body, vars[i], &visited);
        }
    fv_arena_free(scratch);
    return again;
}

static fv_expr *find_reduction(fv_arena *a, table *t, const fv_expr *head, fv_expr *body,
                               uint64_t *hash) {
    fv_arena *scratch = fv_arena_new(fv_arena_session(a));
    fv_ptrmap memo = fv_ptrmap_in(scratch);
    scope s = within(NULL, head->u.red.nvars, head->u.red.vars);
    fv_expr *found = NULL;
    *hash = mix(hash_head(head), shape_of(scratch, &s, body, &memo).hash);
    for (size_t i = (size_t)*hash & (t->cap - 1); t->slots[i].x && !found;
         i = (i + 1) & (t->cap - 1))
        if (t->slots[i].hash == *hash && is_reduction(scratch, t->slots[i].x, head, body))
            found = t->slots[i].x;
    fv_arena_free(scratch);
    return found;
}

static fv_var **copy_vars(fv_arena *a, int n, fv_var *const *vars) {
    fv_var **copy = FV_NEW(a, fv_var *, n);
    for (int i = 0; i < n; i++)
        copy[i] = vars[i];
    return copy;
}

/* A reduction of body with the type, kind and order of `like`, over n other variables. */
static fv_expr *reduce(fv_arena *a, const fv_expr *like, int n, fv_var *const *vars,
                       fv_expr *body) {
    fv_expr head = *like;
    table *t = table_of(a);
    uint64_t hash = 0;
    bool again = t && binds_again(a, n, vars, body);
    head.u.red.vars = again ? copy_vars(a, n, vars) : (fv_var **)(uintptr_t)vars;
    head.u.red.nvars = (uint8_t)n;
    if (again)
        body = fv_x_rename(a, n, head.u.red.vars, body);
    fv_expr *x = t ? find_reduction(a, t, &head, body, &hash) : NULL;
    if (x)
        return x;
    head.u.red.vars = copy_vars(a, n, head.u.red.vars);
    if (t)
        reserve(a, t);
    x = make(a, &head, &body);
    if (t)
        put(t, hash, x);
    return x;
}

fv_expr *fv_x_reduce(fv_arena *a, fv_reduce_kind kind, int n, fv_var *const *vars, fv_expr *body) {
    fv_expr head = {.op = FV_X_REDUCE, .type = body->type, .n = 1};
    head.u.red.kind = (uint8_t)kind;
    return reduce(a, &head, n, vars, body);
}

fv_expr *fv_x_reduce_like(fv_arena *a, const fv_expr *x, int n, fv_var *const *vars,
                          fv_expr *body) {
    fv_expr head = {.op = FV_X_REDUCE, .type = body->type, .n = 1};
    head.u.red = x->u.red;
    return reduce(a, &head, n, vars, body);
}

fv_expr *fv_x_reduce_in(fv_arena *a, const fv_expr *x, fv_order order, int along) {
    fv_expr head = *x;
    head.u.red.order = (uint8_t)order;
    head.u.red.along = (uint8_t)along;
    return reduce(a, &head, x->u.red.nvars, x->u.red.vars, x->arg[0]);
}

fv_expr *fv_x_reduce_labelled(fv_arena *a, const fv_expr *x, int label) {
    fv_expr head = *x;
    head.u.red.label = (uint16_t)label;
    return reduce(a, &head, x->u.red.nvars, x->u.red.vars, x->arg[0]);
}

/* ---- buffers ---- */

static bool has_axes(const fv_buf *b, int rank, fv_expr *const *extent) {
    bool same = b->rank == rank;
    for (int i = 0; i < rank && same; i++)
        same = b->extent[i] == extent[i];
    return same;
}

fv_buf *fv_buf_seen(fv_arena *a, const fv_buf *like, int rank, fv_expr *const *extent) {
    table *t = like->value ? table_of(a) : NULL;
    for (seen *s = t ? fv_ptrmap_get(&t->bufs, like->value) : NULL; s; s = s->next)
        if (s->buf->elem == like->elem && has_axes(s->buf, rank, extent))
            return s->buf;
    fv_buf *b = FV_NEW(a, fv_buf, 1);
    *b = *like;
    b->rank = rank;
    b->extent = FV_NEW(a, fv_expr *, rank + 1);
    for (int i = 0; i < rank; i++)
        b->extent[i] = extent[i];
    if (t) {
        seen *s = FV_NEW(a, seen, 1);
        void **at = fv_ptrmap_at(&t->bufs, like->value);
        *s = (seen){b, *at};
        *at = s;
    }
    return b;
}
