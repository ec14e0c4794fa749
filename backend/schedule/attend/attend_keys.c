/* attend_keys.c - see attend_keys.h.
 *
 * For a mask that compares positions, `key > query + past`, parts of the keys can be decided
 * without evaluating elements: both sides of the comparison are monotonic in the query and in the
 * key, so the first and the last query and key decide for all. Other parts of a mask are evaluated
 * element by element. */
#include "backend/schedule/attend/attend_keys.h"

#include "backend/schedule/common/blocks.h"
#include "backend/schedule/common/reduce.h"
#include "ir/expr/fold.h"
#include "ir/expr/rewrite.h"

/* ---- conditions that hold for all queries and keys of a part ---- */

typedef enum {
    /* how a value may change if a variable increases, as bits */
    CONSTANT = 0,
    RISING = 1,
    FALLING = 2,
    ANY = 3
} direction;

static direction turned(direction d) {
    return (direction)((d & RISING) << 1 | (d & FALLING) >> 1);
}

/* May x overflow, so that it is not monotonic? The bounds of positions and dims exclude that;
 * values of data have no bounds. */
static bool may_wrap(const fv_expr *x) {
    int64_t lo, hi;
    fv_x_range(x, &lo, &hi);
    return lo == INT64_MIN || hi == INT64_MAX;
}

static direction direction_of(const fv_expr *x, const fv_var *v) {
    int64_t by;
    if (!fv_x_uses(x, v))
        return CONSTANT;
    if (x->op == FV_X_VAR)
        return RISING;
    if (x->type.elem != FV_I64)
        return ANY;
    if ((x->op == FV_X_ADD || x->op == FV_X_SUB || x->op == FV_X_NEG || x->op == FV_X_MUL) &&
        may_wrap(x))
        return ANY;
    switch (x->op) {
    case FV_X_ADD:
    case FV_X_MIN:
    case FV_X_MAX: return direction_of(x->arg[0], v) | direction_of(x->arg[1], v);
    case FV_X_SUB: return direction_of(x->arg[0], v) | turned(direction_of(x->arg[1], v));
    case FV_X_NEG: return turned(direction_of(x->arg[0], v));
    case FV_X_FLOORDIV:
        return fv_x_is_int(x->arg[1], &by) && by > 0 ? direction_of(x->arg[0], v) : ANY;
    case FV_X_MUL:
        for (int i = 0; i < 2; i++)
            if (fv_x_is_int(x->arg[i], &by))
                return by < 0 ? turned(direction_of(x->arg[1 - i], v))
                              : direction_of(x->arg[1 - i], v);
        return ANY;
    default: return ANY;
    }
}

typedef struct corner {
    const fv_key_search *s;
    /* variables of the first and last query (index 0) and of the first and last key (index 1) of a
     * part */
    fv_var *first[2], *last[2];
} corner;

/* Sets out[0] and out[1] to the sides of a comparison at the query and the key of the part where
 * side[0] - side[1] is greatest (or least); false: these are not known. */
static bool at_corner(const corner *c, fv_expr *const *side, bool greatest, fv_expr **out) {
    fv_arena *x = c->s->e->l->exprs;
    const fv_var *v[2] = {c->s->query, c->s->key};
    fv_expr *to[2];
    for (int i = 0; i < 2; i++) {
        direction d = direction_of(side[0], v[i]) | turned(direction_of(side[1], v[i]));
        if (d == ANY)
            return false;
        to[i] = fv_x_var(x, (d == RISING) == greatest ? c->last[i] : c->first[i]);
    }
    for (int i = 0; i < 2; i++)
        out[i] = fv_x_replace_vars(
            x, side[i], 2, (fv_var *[]){(fv_var *)(uintptr_t)v[0], (fv_var *)(uintptr_t)v[1]}, to);
    return true;
}

static fv_expr *either(fv_arena *x, fv_expr *a, fv_expr *b) {
    return !a || !b ? a ? a : b : fv_x_bin(x, FV_X_OR, a, b);
}
static fv_expr *both(fv_arena *x, fv_expr *a, fv_expr *b) {
    return a && b ? fv_x_bin(x, FV_X_AND, a, b) : NULL;
}

/* A condition under which the comparison x holds (if `holds` is false: does not hold) for all
 * queries and keys of the part; NULL: not known. */
static fv_expr *compared_by_all(const corner *c, const fv_expr *x, bool holds) {
    fv_arena *a = c->s->e->l->exprs;
    fv_expr *most[2], *least[2];
    if (!fv_elem_is_int((fv_elem)x->arg[0]->type.elem) || !at_corner(c, x->arg, true, most) ||
        !at_corner(c, x->arg, false, least))
        return NULL;
    fv_expr *below = fv_x_bin(a, FV_X_LT, most[0], most[1]),
            *above = fv_x_bin(a, FV_X_LT, least[1], least[0]);
    fv_expr *not_above = fv_x_bin(a, FV_X_LE, most[0], most[1]),
            *not_below = fv_x_bin(a, FV_X_LE, least[1], least[0]);
    switch (x->op) {
    case FV_X_LT: return holds ? below : not_below;
    case FV_X_LE: return holds ? not_above : above;
    default:
        return (x->op == FV_X_EQ) == holds ? both(a, not_above, not_below)
                                           : either(a, below, above);
    }
}

/* A condition under which x holds (if `holds` is false: does not hold) for all queries and keys of
 * the part; NULL: not known. *exact stays true if the condition is also necessary, provided that x
 * compares positions once. */
static fv_expr *of_all(const corner *c, const fv_expr *x, bool holds, bool *exact) {
    fv_arena *a = c->s->e->l->exprs;
    switch (x->op) {
    case FV_X_NOT: return of_all(c, x->arg[0], !holds, exact);
    case FV_X_AND:
    case FV_X_OR: {
        fv_expr *p = of_all(c, x->arg[0], holds, exact), *q = of_all(c, x->arg[1], holds, exact);
        return (x->op == FV_X_AND) == holds ? both(a, p, q) : either(a, p, q);
    }
    case FV_X_LT:
    case FV_X_LE:
    case FV_X_EQ:
    case FV_X_NE: {
        fv_expr *known = compared_by_all(c, x, holds);
        *exact &= known != NULL;
        return known;
    }
    default: *exact = false; return NULL;
    }
}

/* Variables for the first and the last query and key of a part. */
static corner corners_of(const fv_key_search *s) {
    corner c = {.s = s};
    const fv_var *v[2] = {s->query, s->key};
    for (int i = 0; i < 2; i++) {
        c.first[i] = fv_index_var(s->e->l->exprs, "first", v[i]->dim);
        c.last[i] = fv_index_var(s->e->l->exprs, "last", v[i]->dim);
    }
    return c;
}

static void bind_corners(const corner *c, fv_expr *part, fv_expr *end, fv_expr *first,
                         fv_expr *queries) {
    fv_kemit *e = c->s->e;
    fv_expr *one = integer(e, 1),
            *ends[2][2] = {{first, binary(e, FV_X_SUB, binary(e, FV_X_ADD, first, queries), one)},
                           {part, binary(e, FV_X_SUB, end, one)}};
    for (int i = 0; i < 2; i++) {
        fv_kemit_bind(e, c->first[i], ends[i][0]);
        fv_kemit_bind(e, c->last[i], ends[i][1]);
    }
}

bool fv_knows_free_keys(const fv_key_search *s) {
    corner c = corners_of(s);
    bool exact = true;
    return of_all(&c, s->where, false, &exact) != NULL;
}

/* ---- element by element ---- */

/* Emits the test whether some query sees a key of the part (if `hidden`: does not see a key). The
 * keys of the part from `limit` on do not exist; NULL: all exist. */
static fv_expr *is_any(const fv_key_search *s, bool hidden, fv_expr *part, fv_expr *first,
                       fv_expr *queries, fv_expr *limit) {
    fv_kemit *e = s->e;
    fv_arena *x = e->arena;
    int depth = e->b.depth;
    fv_kmark m = fv_kemit_mark(e);
    int64_t width = s->width;
    fv_buf *found = fv_kb_tile(&e->b, hidden ? "hidden" : "seen", s->elem, 1, &width,
                               fv_x_const(x, s->elem, 0));
    if (!fv_x_uses(s->where, s->query))
        queries = integer(e, 1);
    fv_expr *r = open_loop(e, FV_SERIAL, "r", queries);
    fv_kemit_bind(e, s->query, binary(e, FV_X_ADD, first, r));
    fv_kemit_hoist(e, s->where);
    fv_expr *c = open_loop(e, FV_VECTOR, "c", integer(e, width)),
            *key = binary(e, FV_X_ADD, part, c);
    fv_kemit_bind(e, s->key, key);
    e->guard = limit ? binary(e, FV_X_LT, key, limit) : NULL;
    fv_expr *is = fv_kemit_expr(e, s->where);
    is = hidden ? is : fv_x_un(x, FV_X_NOT, is);
    is = e->guard ? binary(e, FV_X_AND, e->guard, is) : is;
    e->guard = NULL;
    fv_kb_store(&e->b, found, &c,
                fv_x_select(x, is, fv_x_const(x, s->elem, 1), fv_x_load(x, found, &c)), NULL);
    fv_kb_end_to(&e->b, depth);
    fv_kemit_release(e, m);
    return fv_kb_let(
        &e->b, "any",
        binary(e, FV_X_LT, fv_x_const(x, s->elem, 0), fv_kemit_fold(e, found, FV_REDUCE_MAX)));
}

static void set(fv_kemit *e, fv_buf *b, fv_expr *x) {
    fv_kb_store(&e->b, b, NULL, x, NULL);
}
static fv_expr *get(fv_kemit *e, fv_buf *b) {
    return fv_x_load(e->arena, b, NULL);
}

/* Records a part in which nothing is hidden, in the first of possibly several runs of such
 * parts. */
static void note_free(const corner *c, fv_buf *const *range, fv_expr *part, fv_expr *end) {
    fv_kemit *e = c->s->e;
    bool exact = true;
    fv_expr *free = of_all(c, c->s->where, false, &exact);
    if (!free)
        return;
    fv_expr *to = get(e, range[1]), *none = binary(e, FV_X_EQ, to, integer(e, 0));
    fv_expr *next = binary(e, FV_X_OR, none, binary(e, FV_X_EQ, to, part));
    fv_kb_if(&e->b, binary(e, FV_X_AND, next, fv_kemit_expr(e, free)));
    set(e, range[0], fv_x_select(e->arena, none, part, get(e, range[0])));
    set(e, range[1], end);
    fv_kb_end(&e->b);
}

typedef struct sought {
    const fv_keys_found *found;
    fv_expr *first, *queries;
    fv_buf *hides;
} sought;

static void look_for_seen(const fv_key_search *s, void *user, fv_expr *part, fv_expr *end,
                          fv_expr *limit) {
    const sought *u = user;
    const fv_keys_found *found = u->found;
    fv_kemit *e = s->e;
    int depth = e->b.depth;
    bool exact = true;
    fv_kmark m = fv_kemit_mark(e);
    corner c = corners_of(s);
    bind_corners(&c, part, end, u->first, u->queries);
    /* if `exact` is false, `hidden` may be false although no query sees a key of the part; then the
     * part is computed without need */
    fv_expr *hidden = of_all(&c, s->where, true, &exact);
    if (hidden)
        fv_kb_if(&e->b, fv_x_un(e->arena, FV_X_NOT, fv_kemit_expr(e, hidden)));
    if (!hidden || !exact)
        fv_kb_if(&e->b, is_any(s, false, part, u->first, u->queries, limit));
    set(e, found->seen[0], binary(e, FV_X_MIN, get(e, found->seen[0]), part));
    set(e, found->seen[1], end);
    if (!limit)
        note_free(&c, found->free, part, end);
    fv_kb_end_to(&e->b, depth);
    fv_kemit_release(e, m);
}

typedef void looks(const fv_key_search *s, void *user, fv_expr *part, fv_expr *end, fv_expr *limit);

/* Calls `look` for each part of the keys. limit: the number of keys, for a last part that is not
 * complete; otherwise NULL. */
static void look_at_all(const fv_key_search *s, looks *look, void *user) {
    fv_kemit *e = s->e;
    int64_t known;
    fv_expr *n = fv_kemit_dim(e, s->key->dim), *w = integer(e, s->width);
    fv_expr *whole =
        fv_kb_let(&e->b, "whole", binary(e, FV_X_MUL, binary(e, FV_X_FLOORDIV, n, w), w));
    fv_expr *part = fv_kb_for(&e->b, FV_SERIAL, "part", integer(e, 0), whole, s->width);
    look(s, user, part, binary(e, FV_X_ADD, part, w), NULL);
    fv_kb_end(&e->b);
    if (fv_x_is_int(n, &known) && known % s->width == 0)
        return;
    fv_kb_if(&e->b, binary(e, FV_X_LT, whole, n));
    look(s, user, whole, n, n);
    fv_kb_end(&e->b);
}

void fv_find_keys(const fv_key_search *s, const fv_keys_found *found, fv_expr *first,
                  fv_expr *queries) {
    look_at_all(s, look_for_seen, &(sought){found, first, queries});
}

/* Emits the test whether the queries see none of the keys from `part` to before `end`. */
static fv_expr *is_hidden(const fv_key_search *s, fv_expr *part, fv_expr *end, fv_expr *first,
                          fv_expr *queries) {
    corner c = corners_of(s);
    bool exact = true;
    bind_corners(&c, part, end, first, queries);
    fv_expr *hidden = of_all(&c, s->where, true, &exact);
    return hidden && exact
               ? fv_kemit_expr(s->e, hidden)
               : fv_x_un(s->e->arena, FV_X_NOT, is_any(s, false, part, first, queries, NULL));
}

/* If the seen keys begin half a part later, so do the free parts: their ends are moved inwards by
 * half a part, so that their distance from the first seen key remains a multiple of the width. */
void fv_trim_keys(const fv_key_search *s, const fv_keys_found *found, fv_expr *first,
                  fv_expr *queries) {
    fv_kemit *e = s->e;
    fv_key_search half = *s;
    half.width = s->width / 2;
    for (int i = 0; i < 2; i++) {
        fv_kmark m = fv_kemit_mark(e);
        fv_expr *h = integer(e, half.width), *from = get(e, found->seen[0]),
                *to = get(e, found->seen[1]);
        fv_kb_if(&e->b, binary(e, FV_X_LE, binary(e, FV_X_ADD, from, integer(e, s->width)), to));
        fv_expr *part = fv_kb_let(&e->b, "half", i ? binary(e, FV_X_SUB, to, h) : from);
        fv_kb_if(&e->b, is_hidden(&half, part, binary(e, FV_X_ADD, part, h), first, queries));
        if (i) {
            set(e, found->seen[1], part);
        } else {
            set(e, found->seen[0], binary(e, FV_X_ADD, part, h));
            if (found->free[0]) {
                fv_kb_if(&e->b, binary(e, FV_X_LT, get(e, found->free[0]), get(e, found->free[1])));
                set(e, found->free[0], binary(e, FV_X_ADD, get(e, found->free[0]), h));
                set(e, found->free[1], binary(e, FV_X_SUB, get(e, found->free[1]), h));
                fv_kb_end(&e->b);
            }
        }
        fv_kb_end(&e->b);
        fv_kb_end(&e->b);
        fv_kemit_release(e, m);
    }
}

static void look_for_hidden(const fv_key_search *s, void *user, fv_expr *part, fv_expr *end,
                            fv_expr *limit) {
    const sought *u = user;
    (void)end;
    fv_kb_if(&s->e->b, is_any(s, true, part, u->first, u->queries, limit));
    set(s->e, u->hides, integer(s->e, 1));
    fv_kb_end(&s->e->b);
}

void fv_find_hidden_key(const fv_key_search *s, fv_buf *hides, fv_expr *first, fv_expr *queries) {
    look_at_all(s, look_for_hidden, &(sought){.first = first, .queries = queries, .hides = hides});
}
