/* dim.c - the table of dims: symbols, hash-consing, sums and products, evaluation. */
#include "ir/base/diag.h"
#include "ir/base/limits.h"
#include "ir/dim/poly.h"

#include <assert.h>
#include <string.h>

struct fv_dims {
    fv_arena *arena;
    /* hash table with open addressing; the number of slots is a power of two */
    const fv_dim **slots;
    size_t n, cap;
    const fv_dim **symbols;
    int nsymbols, cap_symbols;
};

fv_dims *fv_dims_new(fv_arena *a) {
    fv_dims *t = FV_NEW(a, fv_dims, 1);
    t->arena = a;
    return t;
}

fv_arena *fv_dims_arena(const fv_dims *t) {
    return t->arena;
}

/* ---- hash-consing ---- */

static uint64_t mix(uint64_t h, uint64_t v) {
    h = (h ^ v) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ h >> 29;
}

/* The data by which equal nodes are found in the table. */
typedef struct node_key {
    fv_dim_kind kind;
    bool opaque;
    int64_t value; /* the value of a constant; 0 for other kinds */
    const char *name;
    int n;
    const fv_dim *const *args;
} node_key;

static node_key key_of(const fv_dim *d) {
    return (node_key){d->kind, d->opaque, d->kind == FV_DIM_CONST ? d->value : 0,
                      d->name, d->n,      d->arg};
}

static uint64_t hash_of(const node_key *k) {
    uint64_t h = mix((uint64_t)k->kind << 1 | k->opaque, (uint64_t)k->value);
    h = mix(h, (uintptr_t)k->name);
    for (int i = 0; i < k->n; i++)
        h = mix(h, k->args[i]->id);
    return h;
}

static bool is_node(const fv_dim *d, const node_key *k) {
    if (d->kind != k->kind || d->n != k->n || d->name != k->name || d->opaque != k->opaque ||
        (d->kind == FV_DIM_CONST && d->value != k->value))
        return false;
    for (int i = 0; i < d->n; i++)
        if (d->arg[i] != k->args[i])
            return false;
    return true;
}

static const fv_dim **find_slot(const fv_dim **slots, size_t cap, const node_key *k) {
    size_t i = (size_t)hash_of(k) & (cap - 1);
    while (slots[i] && !is_node(slots[i], k))
        i = (i + 1) & (cap - 1);
    return &slots[i];
}

static const fv_dim **slot_of(fv_dims *t, const node_key *k) {
    if (t->n * 4 >= t->cap * 3) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        const fv_dim **wider = FV_NEW(t->arena, const fv_dim *, cap);
        for (size_t i = 0; i < t->cap; i++)
            if (t->slots[i]) {
                const node_key old = key_of(t->slots[i]);
                *find_slot(wider, cap, &old) = t->slots[i];
            }
        t->slots = wider;
        t->cap = cap;
    }
    return find_slot(t->slots, t->cap, k);
}

/* ---- bounds of a node ---- */

static fv_range range_of(const fv_dim *d) {
    return (fv_range){d->lo, d->hi};
}

static fv_range product_range(fv_range a, fv_range b) {
    const int64_t x[2] = {a.lo, a.hi}, y[2] = {b.lo, b.hi};
    fv_range r = {INT64_MAX, INT64_MIN};
    for (int i = 0; i < 4; i++) {
        int64_t p, u = x[i & 1], v = y[i >> 1];
        bool endless = u == INT64_MIN || u == INT64_MAX || v == INT64_MIN || v == INT64_MAX;
        if (u == 0 || v == 0)
            p = 0;
        else if (endless || __builtin_mul_overflow(u, v, &p))
            p = (u < 0) == (v < 0) ? INT64_MAX : INT64_MIN;
        r.lo = p < r.lo ? p : r.lo;
        r.hi = p > r.hi ? p : r.hi;
    }
    return r;
}

static fv_range mod_range(fv_range x, fv_range y) {
    fv_range r = {0, 0};
    if (y.lo == y.hi && y.lo > 0 && x.lo != INT64_MIN && x.hi != INT64_MAX &&
        /* true if both ends of the range of x have the same quotient by y, so that x mod y does not
         * wrap around */
        fv_int_floordiv(x.lo, y.lo) == fv_int_floordiv(x.hi, y.lo)) {
        int64_t begin = fv_int_floordiv(x.lo, y.lo) * y.lo;
        return (fv_range){x.lo - begin, x.hi - begin};
    }
    if (y.hi > 0)
        r.hi = y.hi == INT64_MAX ? INT64_MAX : y.hi - 1;
    if (y.lo < 0)
        r.lo = y.lo == INT64_MIN ? INT64_MIN : y.lo + 1;
    if (x.lo >= 0 && y.lo >= 0 && x.hi < r.hi)
        r.hi = x.hi;
    return r;
}

static fv_range negative(fv_range r) {
    return (fv_range){r.hi == INT64_MAX ? INT64_MIN : -r.hi, r.lo == INT64_MIN ? INT64_MAX : -r.lo};
}

fv_range fv_range_of(fv_dim_kind kind, fv_range a, fv_range b) {
    switch (kind) {
    case FV_DIM_CONST:
    case FV_DIM_SYMBOL: return a; /* not reached: constants and symbols have no arguments */
    case FV_DIM_ADD: return fv_range_add(a, b);
    case FV_DIM_MUL: return product_range(a, b);
    case FV_DIM_FLOORDIV: return fv_range_floordiv(a, b);
    case FV_DIM_CEILDIV: return negative(fv_range_floordiv(negative(a), b));
    case FV_DIM_MOD: return mod_range(a, b);
    case FV_DIM_MIN: return (fv_range){a.lo < b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi};
    case FV_DIM_MAX_: return (fv_range){a.lo > b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
    case FV_DIM_BROADCAST: return (fv_range){a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
    }
    return (fv_range){INT64_MIN, INT64_MAX};
}

static fv_range node_range(const fv_dim *d) {
    fv_poly p = {0};
    bool ok = d->kind == FV_DIM_ADD && !d->opaque;
    for (int i = 0; i < d->n && ok; i++)
        ok = fv_poly_add(&p, d->arg[i], 1);
    if (ok)
        return fv_poly_range(&p);
    fv_range r = range_of(d->arg[0]);
    for (int i = 1; i < d->n; i++)
        r = fv_range_of(d->kind, r, range_of(d->arg[i]));
    return r;
}

/* ---- nodes ---- */

_Noreturn static void too_large(fv_dims *t) {
    fv_session *s = fv_arena_session(t->arena);
    fv_error(s, "the expression of a dim has more than %d parts", FV_MAX_DIM_SIZE);
    fv_out_of_memory(s);
}

/* Sets the number and size of a new node and whether it depends on data, and adds it to the table;
 * a node that is too large leaves by the door. */
static const fv_dim *keep(fv_dims *t, fv_dim *d) {
    d->id = (uint32_t)t->n;
    d->size = 1;
    for (int i = 0; i < d->n; i++) {
        d->size += d->arg[i]->size;
        d->from_data |= d->arg[i]->from_data;
        if (d->size > FV_MAX_DIM_SIZE)
            too_large(t);
    }
    const node_key key = key_of(d);
    *slot_of(t, &key) = d;
    t->n++;
    return d;
}

static fv_dim *new_node(fv_dims *t, fv_dim_kind kind, int n) {
    fv_dim *d = fv_alloc(t->arena, 1, sizeof *d + (size_t)n * sizeof d->arg[0]);
    d->kind = kind;
    d->n = n;
    return d;
}

const fv_dim *fv_dim_node(fv_dims *t, fv_dim_kind kind, int n, const fv_dim *const *args,
                          bool opaque) {
    const node_key key = {.kind = kind, .opaque = opaque, .n = n, .args = args};
    const fv_dim *there = *slot_of(t, &key);
    if (there)
        return there;
    fv_dim *d = new_node(t, kind, n);
    d->opaque = opaque;
    memcpy(d->arg, args, (size_t)n * sizeof args[0]);
    fv_range r = node_range(d);
    if (r.lo == r.hi && r.lo != INT64_MIN && r.lo != INT64_MAX)
        return fv_dim_const(t, r.lo);
    /* a lower bound of INT64_MAX or an upper one of INT64_MIN would stand for "no bound", so it
     * becomes the next value, which is still a bound */
    d->lo = r.lo == INT64_MAX ? INT64_MAX - 1 : r.lo;
    d->hi = r.hi == INT64_MIN ? INT64_MIN + 1 : r.hi;
    return keep(t, d);
}

const fv_dim *fv_dim_const(fv_dims *t, int64_t value) {
    const node_key key = {.kind = FV_DIM_CONST, .value = value};
    const fv_dim *there = *slot_of(t, &key);
    if (there)
        return there;
    fv_dim *d = new_node(t, FV_DIM_CONST, 0);
    d->value = value;
    d->lo = value == INT64_MAX ? INT64_MAX - 1 : value;
    d->hi = value == INT64_MIN ? INT64_MIN + 1 : value;
    return keep(t, d);
}

/* ---- symbols ---- */

static const fv_dim *find_symbol(fv_dims *t, const char *name) {
    const node_key key = {.kind = FV_DIM_SYMBOL, .name = name};
    return *slot_of(t, &key);
}

static const fv_dim *new_symbol(fv_dims *t, const char *name, int64_t lo, int64_t hi,
                                bool from_data) {
    fv_dim *d = new_node(t, FV_DIM_SYMBOL, 0);
    d->name = name;
    d->lo = d->least = lo;
    d->hi = d->most = hi;
    d->from_data = from_data;
    FV_PUSH(t->arena, t->symbols, t->nsymbols, t->cap_symbols, d);
    return keep(t, d);
}

const fv_dim *fv_dim_find(fv_dims *t, const char *name) {
    return find_symbol(t, fv_intern(fv_arena_session(t->arena), name));
}

const fv_dim *fv_dim_symbol(fv_dims *t, const char *name) {
    name = fv_intern(fv_arena_session(t->arena), name);
    const fv_dim *there = find_symbol(t, name);
    return there ? there : new_symbol(t, name, 0, FV_DIM_MAX, false);
}

const fv_dim *fv_dim_fresh(fv_dims *t, const char *stem, int64_t lo, int64_t hi, bool from_data) {
    fv_session *s = fv_arena_session(t->arena);
    const char *name = fv_intern(s, stem);
    /* the table owns its nodes, so it may change them */
    fv_dim *first = (fv_dim *)(uintptr_t)find_symbol(t, name);
    while (first && find_symbol(t, name)) {
        /* the value of a symbol is the last suffix that was tried for its name */
        name = fv_intern(s, fv_printf(t->arena, "%s_%lld", stem, (long long)++first->value));
    }
    return new_symbol(t, name, lo, hi, from_data);
}

bool fv_any_from_data(int n, const fv_dim *const *dims) {
    for (int i = 0; i < n; i++)
        if (dims[i]->from_data)
            return true;
    return false;
}

bool fv_dim_bound(fv_dims *t, const fv_dim *symbol, int64_t lo, int64_t hi) {
    fv_dim *d = (fv_dim *)(uintptr_t)symbol; /* the table owns its nodes, so it may change them */
    (void)t;
    assert(d->kind == FV_DIM_SYMBOL);
    lo = lo > d->lo ? lo : d->lo;
    hi = hi < d->hi ? hi : d->hi;
    if (lo > hi)
        return false;
    d->lo = d->least = lo;
    d->hi = d->most = hi;
    return true;
}

void fv_dim_set_range(const fv_dim *symbol, int64_t least, int64_t most) {
    fv_dim *d = (fv_dim *)(uintptr_t)symbol; /* the table owns its nodes, so it may change them */
    assert(d->kind == FV_DIM_SYMBOL && d->lo <= least && least <= most && most <= d->hi);
    d->least = least;
    d->most = most;
}

int fv_dim_symbols(const fv_dims *t, const fv_dim *const **out) {
    *out = t->symbols;
    return t->nsymbols;
}

bool fv_dim_mentions(const fv_dim *d, const fv_dim *symbol) {
    bool found = d == symbol;
    for (int i = 0; i < d->n && !found; i++)
        found = fv_dim_mentions(d->arg[i], symbol);
    return found;
}

/* ---- sums and products ---- */

/* The node of a sum or product whose normal form would overflow or get too long: it keeps its two
 * arguments, sorted. */
static const fv_dim *kept(fv_dims *t, fv_dim_kind kind, const fv_dim *a, const fv_dim *b) {
    bool swap = fv_dim_sorts(a, b) > 0;
    return fv_dim_node(t, kind, 2, (const fv_dim *[]){swap ? b : a, swap ? a : b}, true);
}

static bool same_args(const fv_dim *a, const fv_dim *b) {
    return a->arg[0] == b->arg[0] && a->arg[1] == b->arg[1];
}

/* Do terms i and k combine to a simpler one, by x mod k + k * (x floordiv k) = x or min(x, y) +
 * max(x, y) = x + y? */
static bool joins(const fv_poly *p, int i, int k) {
    const fv_dim *a = p->term[i].m, *b = p->term[k].m;
    int64_t c;
    if (a->kind == FV_DIM_MIN && b->kind == FV_DIM_MAX_)
        return same_args(a, b) && p->term[i].c == p->term[k].c;
    return a->kind == FV_DIM_MOD && b->kind == FV_DIM_FLOORDIV && same_args(a, b) &&
           a->arg[1]->kind == FV_DIM_CONST &&
           !__builtin_mul_overflow(p->term[i].c, a->arg[1]->value, &c) && c == p->term[k].c;
}

/* Combines the first pair of terms that has a simpler sum. False, with *p unchanged: there is no
 * such pair, or the sum overflows or has too many terms. */
static bool join_terms(fv_poly *p) {
    for (int i = 0; i < p->n; i++)
        for (int k = 0; k < p->n; k++) {
            if (!joins(p, i, k))
                continue;
            fv_poly q = *p;
            const fv_dim *a = p->term[i].m, *b = p->term[k].m;
            int64_t c = p->term[i].c;
            if (c == INT64_MIN || p->term[k].c == INT64_MIN || !fv_poly_add_term(&q, a, -c) ||
                !fv_poly_add_term(&q, b, -p->term[k].c) || !fv_poly_add(&q, a->arg[0], c) ||
                (a->kind == FV_DIM_MIN && !fv_poly_add(&q, a->arg[1], c)))
                return false;
            *p = q;
            return true;
        }
    return false;
}

static const fv_dim *add_scaled(fv_dims *t, const fv_dim *a, const fv_dim *b, int64_t scale) {
    fv_poly p = {0};
    if (!fv_poly_add(&p, a, 1) || !fv_poly_add(&p, b, scale))
        return kept(t, FV_DIM_ADD, a, scale == 1 ? b : fv_dim_mul(t, b, fv_dim_const(t, scale)));
    while (join_terms(&p))
        continue;
    return fv_dim_settle(t, fv_poly_dim(t, &p));
}

const fv_dim *fv_dim_add(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    return add_scaled(t, a, b, 1);
}

const fv_dim *fv_dim_sub(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    return add_scaled(t, a, b, -1);
}

/* Is the polynomial longer than a dim may be? A product of sums may become long when it is
 * multiplied out. */
static bool is_too_long(const fv_poly *p) {
    uint64_t n = 1;
    for (int i = 0; i < p->n; i++)
        n += p->term[i].m->size + 2u;
    return n > FV_MAX_DIM_SIZE;
}

const fv_dim *fv_dim_mul(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    fv_poly p = {0}, q = {0}, product;
    if (!fv_poly_add(&p, a, 1) || !fv_poly_add(&q, b, 1) || !fv_poly_mul(t, &product, &p, &q))
        return kept(t, FV_DIM_MUL, a, b);
    while (join_terms(&product))
        continue;
    if (is_too_long(&product))
        return kept(t, FV_DIM_MUL, a, b);
    return fv_dim_settle(t, fv_poly_dim(t, &product));
}

const fv_dim *fv_dim_product(fv_dims *t, int n, const fv_dim *const *dims) {
    const fv_dim *p = fv_dim_const(t, 1);
    for (int i = 0; i < n; i++)
        p = fv_dim_mul(t, p, dims[i]);
    return p;
}

const fv_dim *fv_dim_quotient(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    fv_poly p = {0}, q = {0}, out;
    if (!fv_poly_add(&p, a, 1) || !fv_poly_add(&q, b, 1) || !fv_poly_divide(t, &out, &p, &q))
        return NULL;
    return fv_dim_settle(t, fv_poly_dim(t, &out));
}

/* ---- proofs ---- */

static bool difference(const fv_dim *a, const fv_dim *b, fv_poly *out) {
    *out = (fv_poly){0};
    return fv_poly_add(out, a, 1) && fv_poly_add(out, b, -1);
}

fv_dim_order fv_dim_compare(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    fv_poly d;
    (void)t;
    if (a == b)
        return FV_DIM_EQUAL;
    /* the constant difference may not fit 64 bits, so compare bounds first */
    if (a->hi < b->lo || b->hi < a->lo)
        return FV_DIM_DIFFERENT;
    if (!difference(a, b, &d))
        return FV_DIM_UNKNOWN;
    if (d.n == 0)
        return d.constant ? FV_DIM_DIFFERENT : FV_DIM_EQUAL;
    fv_range r = fv_poly_range(&d);
    int64_t g = fv_poly_content(&d);
    if (r.lo > 0 || r.hi < 0 || (g > 1 && d.constant % g != 0))
        return FV_DIM_DIFFERENT;
    return r.lo == 0 && r.hi == 0 ? FV_DIM_EQUAL : FV_DIM_UNKNOWN;
}

bool fv_dim_at_most(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    fv_poly d;
    (void)t;
    return a == b || a->hi <= b->lo || (difference(b, a, &d) && fv_poly_range(&d).lo >= 0);
}

/* ---- settling ---- */

static const fv_dim *combine(fv_dims *t, fv_dim_kind kind, const fv_dim *a, const fv_dim *b) {
    switch (kind) {
    case FV_DIM_ADD: return fv_dim_add(t, a, b);
    case FV_DIM_MUL: return fv_dim_mul(t, a, b);
    case FV_DIM_FLOORDIV: return fv_dim_floordiv(t, a, b);
    case FV_DIM_CEILDIV: return fv_dim_ceildiv(t, a, b);
    case FV_DIM_MOD: return fv_dim_mod(t, a, b);
    case FV_DIM_MIN: return fv_dim_min(t, a, b);
    case FV_DIM_MAX_: return fv_dim_max(t, a, b);
    case FV_DIM_BROADCAST: return fv_dim_broadcast(t, a, b);
    case FV_DIM_CONST:
    case FV_DIM_SYMBOL: break;
    }
    return a;
}

static const fv_dim *argument(fv_dims *t, const fv_dim *d, fv_ptrmap *memo) {
    return memo ? fv_dim_rebuild(t, d, memo) : fv_dim_settle(t, d);
}

/* Builds a dim of the kind of d, combining its arguments in the order in which its text has them.
 * They are simplified first: by fv_dim_rebuild with the memo, or by fv_dim_settle if memo is
 * NULL. */
static const fv_dim *rebuild(fv_dims *t, const fv_dim *d, fv_ptrmap *memo) {
    int lead = d->kind == FV_DIM_ADD ? fv_dim_lead(d) : 0;
    const fv_dim *out = argument(t, d->arg[lead], memo);
    if (d->kind == FV_DIM_MIN || d->kind == FV_DIM_MAX_ || d->kind == FV_DIM_BROADCAST) {
        fv_dim_kind kind = d->kind;
        for (; d->arg[1]->kind == kind; d = d->arg[1])
            out = combine(t, kind, out, argument(t, d->arg[1]->arg[0], memo));
        return combine(t, kind, out, argument(t, d->arg[1], memo));
    }
    for (int i = 0; i < d->n; i++)
        if (i != lead)
            out = combine(t, d->kind, out, argument(t, d->arg[i], memo));
    return out;
}

const fv_dim *fv_dim_settle(fv_dims *t, const fv_dim *d) {
    fv_dim *own = (fv_dim *)(uintptr_t)d; /* the table owns its nodes, so it may change them */
    if (d->settled)
        return d->settled == d ? d : fv_dim_settle(t, d->settled);
    own->settled = d; /* ends the recursion if rebuilding comes back to d */
    if (d->n && !d->opaque)
        own->settled = rebuild(t, d, NULL);
    return d->settled;
}

/* ---- equalities that hold ---- */

bool fv_dim_equate(const fv_dim *a, const fv_dim *b) {
    fv_dim *own = (fv_dim *)(uintptr_t)a; /* the table owns its nodes, so it may change them */
    switch (a->kind) {
    case FV_DIM_FLOORDIV:
    case FV_DIM_CEILDIV:
    case FV_DIM_MOD:
    case FV_DIM_MIN:
    case FV_DIM_MAX_:
    case FV_DIM_BROADCAST:
        if (a->settled != a || b->size >= a->size || a->from_data || b->from_data)
            return false;
        own->settled = b;
        return true;
    case FV_DIM_CONST:
    case FV_DIM_SYMBOL:
    case FV_DIM_ADD:
    case FV_DIM_MUL: return false;
    }
    return false;
}

/* d, a sum or product of two dims without a normal form, which stays the same if they do. */
static const fv_dim *opaque_again(fv_dims *t, const fv_dim *d, fv_ptrmap *memo) {
    const fv_dim *a = fv_dim_rebuild(t, d->arg[0], memo), *b = fv_dim_rebuild(t, d->arg[1], memo);
    return a == d->arg[0] && b == d->arg[1] ? d : combine(t, d->kind, a, b);
}

const fv_dim *fv_dim_rebuild(fv_dims *t, const fv_dim *d, fv_ptrmap *memo) {
    const fv_dim *there = fv_ptrmap_get(memo, d);
    if (there || !d->n)
        return there ? there : d;
    /* looks up the address in the memo only now, since rebuilding adds entries to the memo */
    there = d->opaque ? opaque_again(t, d, memo) : rebuild(t, d, memo);
    *fv_ptrmap_at(memo, d) = (void *)(uintptr_t)there;
    return there;
}

/* ---- evaluating ---- */

static bool apply(fv_dim_kind kind, int64_t a, int64_t b, int64_t *out) {
    switch (kind) {
    case FV_DIM_ADD: return !__builtin_add_overflow(a, b, out);
    case FV_DIM_MUL: return !__builtin_mul_overflow(a, b, out);
    case FV_DIM_FLOORDIV:
        if (b == -1)
            return !__builtin_sub_overflow(0, a, out);
        *out = b ? fv_int_floordiv(a, b) : 0;
        return true;
    case FV_DIM_CEILDIV:
        if (b == -1)
            return !__builtin_sub_overflow(0, a, out);
        *out = b ? fv_int_floordiv(a, b) + (a % b != 0) : 0;
        return true;
    case FV_DIM_MOD: *out = b == 0 || b == -1 ? 0 : a - b * fv_int_floordiv(a, b); return true;
    case FV_DIM_MIN: *out = a < b ? a : b; return true;
    case FV_DIM_MAX_: *out = a > b ? a : b; return true;
    case FV_DIM_BROADCAST: *out = a == 1 ? b : a; return true;
    case FV_DIM_CONST:
    case FV_DIM_SYMBOL: break;
    }
    return false;
}

bool fv_dim_eval(const fv_dim *d, bool (*get)(void *ctx, const fv_dim *symbol, int64_t *out),
                 void *ctx, int64_t *out) {
    int64_t v;
    if (d->kind == FV_DIM_CONST) {
        *out = d->value;
        return true;
    }
    if (d->kind == FV_DIM_SYMBOL)
        return get(ctx, d, out);
    if (!fv_dim_eval(d->arg[0], get, ctx, out))
        return false;
    for (int i = 1; i < d->n; i++)
        if (!fv_dim_eval(d->arg[i], get, ctx, &v) || !apply(d->kind, *out, v, out))
            return false;
    return true;
}
