/* lanes.c - the body of a vector loop for several iterations at once.
 *
 * A value is uniform (the same in all lanes: a scalar), affine (an i64 that grows by a constant
 * from lane to lane: the scalar of lane 0 and the stride), or a vector. Scalars stay scalars as
 * long as they can; so indices of consecutive elements need no vector at all.
 *
 * At the end of a loop there may be fewer iterations than lanes. The others access no memory: the
 * lanes that exist are a mask, like those of a branch, but there is always one of them, so what is
 * uniform stays a scalar.
 *
 * An iteration may compute with several elements together, such as the bytes of a word,
 * `bits_i32(x[4 * c:4])`: they are loaded, converted, and become one element. If they are those of
 * the next word in the next lane, all lanes load them together. */
#include "backend/expand/lanes.h"

typedef enum { UNIFORM, AFFINE, VECTOR } value_kind;

typedef struct value {
    value_kind kind;
    fv_expr *x;     /* the value; for AFFINE that of lane 0 */
    int64_t stride; /* AFFINE: the difference between neighbouring lanes */
} value;

typedef struct laner {
    fv_expand_vec *z;
    fv_arena *a;
    int lanes;
    fv_kbuilder b;
    fv_ptrmap vars;  /* fv_var -> value */
    fv_ptrmap tiles; /* tile declared in the body -> tile of vectors that replaces it */
    fv_expr *mask;   /* the lanes for which the current branch is executed; NULL: all */
    fv_expr *inside; /* the lanes whose iterations exist, of which there is one; NULL: all do */
    /* the variable of the loop, if lane 0 always has a multiple of `lanes`; otherwise NULL */
    const fv_var *whole;
    bool failed, uses_tiles;
} laner;

static value lanes_of(laner *l, const fv_expr *x);

static value fail(laner *l, const fv_expr *x) {
    l->failed = true;
    return (value){UNIFORM, (fv_expr *)x, 0};
}

static fv_expr *as_vector(laner *l, value v) {
    /* v has several elements for each lane, as after a load of consecutive elements */
    if (v.x->type.lanes != (v.kind == VECTOR ? l->lanes : 1)) {
        l->failed = true;
        return fv_x_splat(l->a, l->lanes, fv_x_zero(l->a, (fv_elem)v.x->type.elem));
    }
    if (v.kind == VECTOR)
        return v.x;
    if (v.kind == UNIFORM)
        return fv_x_splat(l->a, l->lanes, v.x);
    if (v.stride == 1)
        return fv_x_ramp(l->a, l->lanes, v.x);
    fv_expr *steps = fv_x_ramp(l->a, l->lanes, fv_x_int(l->a, 0));
    steps = fv_x_bin(l->a, FV_X_MUL, steps, fv_x_int(l->a, v.stride));
    return fv_x_bin(l->a, FV_X_ADD, steps, v.x);
}

static value affine(fv_expr *x, int64_t stride) {
    return (value){stride ? AFFINE : UNIFORM, x, stride};
}

static value vector(fv_expr *x) {
    return (value){VECTOR, x, 0};
}

/* ---- elements ---- */

/* The index into a tile of vectors: unchanged for a tile declared in the body; for a tile declared
 * outside the last index must run over the lanes, and is divided by their number. */
static bool tile_index(laner *l, const fv_buf *b, const value *index, bool outside, fv_expr **out) {
    for (int i = 0; i < b->rank; i++) {
        bool last = outside && i == b->rank - 1;
        if (index[i].kind != (last ? AFFINE : UNIFORM) || (last && index[i].stride != 1))
            return false;
        out[i] = index[i].x;
        if (last)
            out[i] = fv_x_bin(l->a, FV_X_FLOORDIV, out[i], fv_x_int(l->a, l->lanes));
    }
    return true;
}

/* The tile of vectors that replaces b, or NULL. *outside: it is declared outside of the loop. */
static fv_buf *vector_tile(laner *l, const fv_buf *b, bool *outside) {
    fv_buf *own = fv_ptrmap_get(&l->tiles, b);
    *outside = own == NULL;
    if (own)
        return own;
    fv_buf *shared = fv_ptrmap_get(&l->z->vectors, b);
    if (shared && shared->lanes != l->lanes)
        l->failed = true;
    l->uses_tiles |= shared != NULL;
    return shared;
}

typedef enum { SAME, CONSECUTIVE, SCATTERED } pattern;

/* How the elements of the lanes are arranged in memory. `out` gets the indices: scalars, but if the
 * elements are scattered, vectors for the indices that differ between lanes. */
static pattern access_pattern(laner *l, const fv_buf *b, const value *index, fv_expr **out) {
    pattern p = SAME;
    for (int i = 0; i < b->rank; i++) {
        bool next = index[i].kind == AFFINE && index[i].stride == 1 && i == b->rank - 1;
        out[i] = index[i].x;
        if (index[i].kind != UNIFORM)
            p = next && p == SAME ? CONSECUTIVE : SCATTERED;
    }
    for (int i = 0; p == SCATTERED && i < b->rank; i++)
        if (index[i].kind != UNIFORM)
            out[i] = as_vector(l, index[i]);
    return p;
}

static fv_expr *zero_of(laner *l, fv_elem e) {
    if (!fv_elem_is_storage(e))
        return fv_x_const(l->a, e, 0);
    return fv_x_cast(l->a, FV_X_BITCAST, e, fv_x_const_int(l->a, fv_elem_bits_elem(e), 0));
}

/* Does the mask consist of all lanes that exist? Then some lane executes the statement. */
static bool masks_end_only(const laner *l) {
    return l->mask && l->mask == l->inside;
}

/* Must an access to b leave out the lanes that are not executed? same: all lanes access the same
 * element. Elements of tiles exist in all lanes whose iterations do. */
static bool needs_mask(const laner *l, const fv_buf *b, bool same) {
    if (!l->mask || (same && masks_end_only(l)))
        return false;
    return b->role != FV_BUF_TILE || (l->inside && !same);
}

static fv_expr *and_mask(laner *l, fv_expr *c) {
    if (!l->mask)
        return c;
    return c ? fv_x_bin(l->a, FV_X_AND, l->mask, c) : l->mask;
}

/* A load of the same element in all lanes, performed only in the lanes in which c holds; the other
 * lanes get `otherwise`. */
static value guarded_same(laner *l, fv_buf *b, fv_expr **index, fv_expr *c, fv_expr *otherwise) {
    if (b->rank == 0) { /* a tile of rank 0 always has its element */
        fv_expr *x = fv_x_splat(l->a, l->lanes, fv_x_load(l->a, b, index));
        return vector(fv_x_select(l->a, c, x, otherwise));
    }
    index[b->rank - 1] = fv_x_splat(l->a, l->lanes, index[b->rank - 1]);
    return vector(fv_x_guard(l->a, b, index, c, otherwise));
}

static bool is_uniform(int n, const value *index) {
    for (int i = 0; i < n; i++)
        if (index[i].kind != UNIFORM)
            return false;
    return true;
}

static value guard(laner *l, fv_buf *b, const value *index, value c, value otherwise) {
    fv_expr *at[FV_STMT_EXPRS];
    pattern p = access_pattern(l, b, index, at);
    if (p == SAME && c.kind == UNIFORM && otherwise.kind == UNIFORM)
        return (value){UNIFORM, fv_x_guard(l->a, b, at, c.x, otherwise.x), 0};
    fv_expr *cond = as_vector(l, c), *rest = as_vector(l, otherwise);
    if (p == SAME)
        return guarded_same(l, b, at, cond, rest);
    if (p == CONSECUTIVE)
        return vector(fv_x_guard_n(l->a, b, at, cond, rest, l->lanes));
    return vector(fv_x_guard(l->a, b, at, cond, rest));
}

static value load(laner *l, fv_buf *b, const value *index) {
    fv_expr *at[FV_STMT_EXPRS];
    bool outside;
    fv_buf *tile = vector_tile(l, b, &outside);
    if (tile) {
        if (!tile_index(l, b, index, outside, at))
            return fail(l, zero_of(l, b->elem));
        return vector(fv_x_load(l->a, tile, at));
    }
    const pattern p = access_pattern(l, b, index, at);
    if (needs_mask(l, b, p == SAME)) {
        value none = {UNIFORM, zero_of(l, b->elem), 0};
        return guard(l, b, index, vector(l->mask), none);
    }
    switch (p) {
    case SAME: return (value){UNIFORM, fv_x_load(l->a, b, at), 0};
    case CONSECUTIVE: return vector(fv_x_load_n(l->a, b, at, l->lanes));
    case SCATTERED: break;
    }
    return vector(fv_x_load(l->a, b, at));
}

/* A load of several consecutive elements in each lane. All lanes must load the same elements, or
 * each lane those that follow the elements of the lane before it; otherwise the loop fails. */
static value together(laner *l, const fv_expr *x, const value *index) {
    fv_expr *at[FV_STMT_EXPRS];
    fv_buf *b = x->u.buf;
    int last = b->rank - 1, n = x->type.lanes;
    bool outside, same = index[last].kind == UNIFORM,
                  next = index[last].kind == AFFINE && index[last].stride == n;
    for (int i = 0; i < b->rank; i++) {
        at[i] = index[i].x;
        same = same && index[i].kind == UNIFORM;
        next = next && (i == last || index[i].kind == UNIFORM);
    }
    if (x->op != FV_X_LOAD || b->lanes > 1 || (l->mask && !(same && masks_end_only(l))) ||
        vector_tile(l, b, &outside))
        return fail(l, x);
    if (same)
        return (value){UNIFORM, fv_x_load_n(l->a, b, at, n), 0};
    if (!next || n * l->lanes > FV_MAX_LANES)
        return fail(l, x);
    return vector(fv_x_load_n(l->a, b, at, n * l->lanes));
}

static value element(laner *l, const fv_expr *x) {
    value index[FV_STMT_EXPRS];
    fv_buf *b = x->u.buf;
    for (int i = 0; i < b->rank; i++)
        index[i] = lanes_of(l, x->arg[i]);
    if (x->type.lanes > 1)
        return together(l, x, index);
    if (x->op == FV_X_LOAD)
        return load(l, b, index);
    value c = lanes_of(l, x->arg[b->rank]), otherwise = lanes_of(l, x->arg[b->rank + 1]);
    bool outside;
    if (vector_tile(l, b, &outside)) { /* elements of tiles always exist, so a guard is a select */
        value there = load(l, b, index);
        return vector(
            fv_x_select(l->a, as_vector(l, c), as_vector(l, there), as_vector(l, otherwise)));
    }
    if (needs_mask(l, b, is_uniform(b->rank, index)))
        c = vector(and_mask(l, as_vector(l, c)));
    return guard(l, b, index, c, otherwise);
}

/* ---- arithmetic ---- */

/* Computes + and - of affine values, and * of an affine value and a constant between -4096 and
 * 4096, as an affine value. False: the result is not affine. */
static bool affine_op(laner *l, const fv_expr *x, const value *v, value *out) {
    int64_t c;
    if (x->type.elem != FV_I64 || x->n != 2 || v[0].kind == VECTOR || v[1].kind == VECTOR)
        return false;
    fv_expr *r = fv_x_bin(l->a, (fv_expr_op)x->op, v[0].x, v[1].x);
    switch (x->op) {
    case FV_X_ADD: *out = affine(r, v[0].stride + v[1].stride); return true;
    case FV_X_SUB: *out = affine(r, v[0].stride - v[1].stride); return true;
    case FV_X_MUL:
        for (int i = 0; i < 2; i++)
            if (v[i].kind == UNIFORM && fv_x_is_int(v[i].x, &c) && c > -4096 && c < 4096 &&
                v[1 - i].stride < INT32_MAX && v[1 - i].stride > -INT32_MAX) {
                *out = affine(r, v[1 - i].stride * c);
                return true;
            }
        return false;
    default: return false;
    }
}

/* Is x = factor * v + rest, where v is the loop's variable? */
static bool is_of_whole(const laner *l, const fv_expr *x, int64_t *factor, int64_t *rest) {
    int64_t p[2], q[2];
    if (x->type.lanes > 1)
        return false;
    *factor = x->op == FV_X_VAR && x->u.var == l->whole;
    *rest = 0;
    if (*factor || fv_x_is_int(x, rest))
        return true;
    const bool sum = x->op == FV_X_ADD || x->op == FV_X_SUB;
    if ((!sum && x->op != FV_X_MUL) || !is_of_whole(l, x->arg[0], &p[0], &q[0]) ||
        !is_of_whole(l, x->arg[1], &p[1], &q[1]))
        return false;
    const int64_t sign = x->op == FV_X_SUB ? -1 : 1;
    *factor = sum ? p[0] + sign * p[1] : p[0] * q[1] + p[1] * q[0];
    *rest = sum ? q[0] + sign * q[1] : q[0] * q[1];
    return (sum || !p[0] || !p[1]) && *factor == (int32_t)*factor && *rest == (int32_t)*rest;
}

/* Computes quotients and remainders by n of `factor * c + rest`, of which every vector has the same
 * remainders: a number for the vector, and a constant for each lane. */
static value periodic_op(laner *l, const fv_expr *x, int64_t factor, int64_t rest) {
    const value *c = fv_ptrmap_get(&l->vars, l->whole);
    fv_expr *by = fv_x_int(l->a, factor);
    fv_expr *lane = fv_x_ramp(l->a, l->lanes, fv_x_int(l->a, 0));
    if (factor != 1)
        lane = fv_x_bin(l->a, FV_X_MUL, lane, by);
    if (rest)
        lane = fv_x_bin(l->a, FV_X_ADD, lane, fv_x_int(l->a, rest));
    lane = fv_x_bin(l->a, (fv_expr_op)x->op, lane, x->arg[1]);
    if (x->op == FV_X_FLOORMOD)
        return vector(lane);
    fv_expr *first = fv_x_bin(l->a, FV_X_FLOORDIV, fv_x_bin(l->a, FV_X_MUL, c->x, by), x->arg[1]);
    return vector(fv_x_bin(l->a, FV_X_ADD, lane, first));
}

/* Is lane 0 of x always a multiple of the number of lanes? x is the loop's variable, or its sum
 * with that of a loop around. */
static bool is_at_whole(const laner *l, const fv_expr *x) {
    if (x->op != FV_X_ADD)
        return x->op == FV_X_VAR && x->u.var == l->whole;
    for (int i = 0; i < 2; i++) {
        const fv_expr *c = x->arg[i], *outer = x->arg[1 - i];
        if (c->op == FV_X_VAR && c->u.var == l->whole && outer->op == FV_X_VAR) {
            intptr_t step = (intptr_t)fv_ptrmap_get(&l->z->steps, outer->u.var);
            return step && step % l->lanes == 0;
        }
    }
    return false;
}

/* Computes `c floordiv n` and `c floormod n` of the loop's variable, to which that of a loop around
 * may be added: where the lanes of a vector have the same quotient, as one number, and an affine
 * value; where the remainders are the same in each vector, also of a multiple of the variable plus
 * a constant. v: the values of the operands. False: x is something else. */
static bool group_op(laner *l, const fv_expr *x, const value *v, value *out) {
    int64_t n, factor, rest;
    if ((x->op != FV_X_FLOORDIV && x->op != FV_X_FLOORMOD) || !l->whole ||
        !fv_x_is_int(x->arg[1], &n) || n <= 0)
        return false;
    if (n % l->lanes == 0 && v[0].kind == AFFINE && is_at_whole(l, x->arg[0])) {
        *out = affine(fv_x_bin(l->a, (fv_expr_op)x->op, v[0].x, x->arg[1]), x->op == FV_X_FLOORMOD);
        return true;
    }
    if (!is_of_whole(l, x->arg[0], &factor, &rest) || !factor || factor * l->lanes % n)
        return false;
    *out = periodic_op(l, x, factor, rest);
    return true;
}

static value apply(laner *l, const fv_expr *x) {
    value v[3];
    fv_expr *args[3];
    bool uniform = true;
    bool casts = x->op == FV_X_CONVERT || x->op == FV_X_BITCAST;
    if (x->n > 3 || (x->type.lanes > 1 && !casts))
        return fail(l, x);
    for (int i = 0; i < x->n; i++) {
        v[i] = lanes_of(l, x->arg[i]);
        args[i] = v[i].x;
        uniform = uniform && v[i].kind == UNIFORM;
    }
    if (uniform && !(x->op == FV_X_REQUIRE && l->mask && !masks_end_only(l)))
        return (value){UNIFORM, fv_x_with_args(l->a, x, args), 0};
    if (casts && v[0].kind == VECTOR)
        return x->type.lanes * l->lanes > FV_MAX_LANES ? fail(l, x)
                                                       : vector(fv_x_with_args(l->a, x, args));
    value r;
    if (affine_op(l, x, v, &r) || group_op(l, x, v, &r))
        return r;
    for (int i = 0; i < x->n; i++)
        args[i] = as_vector(l, v[i]);
    /* the requirement holds only for the lanes of this branch */
    if (x->op == FV_X_REQUIRE && l->mask) {
        fv_expr *unmasked = fv_x_un(l->a, FV_X_NOT, l->mask);
        args[0] = fv_x_bin(l->a, FV_X_OR, unmasked, args[0]);
    }
    return vector(fv_x_with_args(l->a, x, args));
}

static value lanes_of(laner *l, const fv_expr *x) {
    value *known;
    switch (x->op) {
    case FV_X_CONST: return (value){UNIFORM, (fv_expr *)x, 0};
    case FV_X_VAR:
        known = fv_ptrmap_get(&l->vars, x->u.var);
        return known ? *known : (value){UNIFORM, (fv_expr *)x, 0};
    case FV_X_LOAD:
    case FV_X_GUARD: return element(l, x);
    default: return apply(l, x);
    }
}

/* ---- statements ---- */

static void define(laner *l, const fv_var *v, value x) {
    value *known = FV_NEW(l->a, value, 1);
    *known = x;
    *fv_ptrmap_at(&l->vars, v) = known;
}

static void let(laner *l, const fv_stmt *s) {
    value v = lanes_of(l, s->x);
    if (l->failed)
        return;
    v.x = fv_kb_let(&l->b, s->var->name, v.x);
    define(l, s->var, v);
}

static void store(laner *l, const fv_stmt *s) {
    value index[FV_STMT_EXPRS];
    fv_expr *at[FV_STMT_EXPRS];
    bool outside;
    for (int i = 0; i < s->buf->rank; i++)
        index[i] = lanes_of(l, s->index[i]);
    fv_expr *x = as_vector(l, lanes_of(l, s->x));
    fv_expr *mask = s->mask ? as_vector(l, lanes_of(l, s->mask)) : NULL;
    fv_buf *tile = vector_tile(l, s->buf, &outside);
    if (!tile || !masks_end_only(l)) /* the other lanes of a tile of vectors may have any value */
        mask = and_mask(l, mask);
    bool ok = tile ? tile_index(l, s->buf, index, outside, at)
                   : access_pattern(l, s->buf, index, at) == CONSECUTIVE;
    l->failed |= !ok;
    if (!l->failed)
        fv_kb_store(&l->b, tile ? tile : s->buf, at, x, mask);
}

static void declare(laner *l, const fv_stmt *s) {
    fv_expr *init = s->x ? as_vector(l, lanes_of(l, s->x)) : NULL;
    if (s->buf->lanes > 1) {
        l->failed = true;
        return;
    }
    fv_stmt *copy = fv_kb_add(&l->b, FV_S_TILE);
    copy->buf =
        fv_buf_new(l->a, s->buf->name, FV_BUF_TILE, s->buf->elem, s->buf->rank, s->buf->extent);
    copy->buf->lanes = (uint8_t)l->lanes;
    copy->x = init;
    *fv_ptrmap_at(&l->tiles, s->buf) = copy->buf;
}

static void block(laner *l, const fv_block *in, fv_block *out);

static void loop(laner *l, const fv_stmt *s) {
    value lo = lanes_of(l, s->loop.lo), hi = lanes_of(l, s->loop.hi);
    if (lo.kind != UNIFORM || hi.kind != UNIFORM) {
        l->failed = true;
        return;
    }
    fv_stmt *copy = fv_kb_add(&l->b, FV_S_FOR);
    copy->loop.kind = s->loop.kind == FV_UNROLL ? FV_UNROLL : FV_SERIAL;
    copy->var = s->var; /* a uniform variable has the same value in all lanes, so it stays */
    copy->loop.lo = lo.x;
    copy->loop.hi = hi.x;
    copy->loop.step = s->loop.step;
    block(l, &s->body, &copy->body);
}

/* A condition that differs between lanes: both branches are executed, each for its lanes. */
static void branches(laner *l, const fv_stmt *s, fv_expr *c) {
    fv_expr *around = l->mask;
    c = fv_kb_let(&l->b, "taken", c);
    l->mask = and_mask(l, c);
    block(l, &s->body, NULL);
    l->mask = around;
    l->mask = and_mask(l, fv_x_un(l->a, FV_X_NOT, c));
    block(l, &s->other, NULL);
    l->mask = around;
}

static void conditional(laner *l, const fv_stmt *s) {
    value c = lanes_of(l, s->x);
    if (c.kind != UNIFORM) {
        branches(l, s, as_vector(l, c));
        return;
    }
    fv_stmt *copy = fv_kb_add(&l->b, s->kind);
    copy->x = c.x;
    block(l, &s->body, &copy->body);
    block(l, &s->other, &copy->other);
}

static void statement(laner *l, const fv_stmt *s) {
    switch (s->kind) {
    case FV_S_LET: let(l, s); break;
    case FV_S_STORE: store(l, s); break;
    case FV_S_TILE: declare(l, s); break;
    case FV_S_FOR: loop(l, s); break;
    case FV_S_IF: conditional(l, s); break;
    case FV_S_WHILE:
        if (lanes_of(l, s->x).kind != UNIFORM || (l->mask && !masks_end_only(l)))
            l->failed = true;
        else
            conditional(l, s);
        break;
    case FV_S_COMMENT: fv_kb_comment(&l->b, s->note.text); break;
    /* a loop with these statements is executed as a serial one */
    case FV_S_PREFETCH:
    case FV_S_TRANSPOSE:
    case FV_S_OUTLINE:
    case FV_S_MATRIX:
    case FV_S_CALL:
    case FV_S_READ:
    case FV_S_PLAN:
    case FV_S_MEMORY:
    case FV_S_CHECK:
    case FV_S_LAUNCH:
    case FV_S_ALLOC:
    case FV_S_FREE:
    case FV_S_SETDIM: l->failed = true; break;
    }
}

/* Appends the vector code of the block `in` to `out`; out NULL: to the open block. */
static void block(laner *l, const fv_block *in, fv_block *out) {
    fv_kbuilder around = l->b;
    if (out)
        fv_kb_init(&l->b, l->a, NULL, out);
    for (const fv_stmt *s = in->first; s && !l->failed; s = s->next)
        statement(l, s);
    if (out)
        l->b = around;
}

bool fv_expand_lanes(fv_expand_vec *z, int lanes, const fv_stmt *s, fv_expr *first, fv_expr *inside,
                     fv_block *out, bool *uses_tiles) {
    laner l = {.z = z, .a = z->a, .lanes = lanes, .mask = inside, .inside = inside};
    l.vars = l.tiles = fv_ptrmap_in(z->a);
    int64_t from;
    l.whole = fv_x_is_int(s->loop.lo, &from) && from % lanes == 0 ? s->var : NULL;
    define(&l, s->var, affine(first, 1));
    block(&l, &s->body, out);
    *uses_tiles = l.uses_tiles;
    return !l.failed;
}
