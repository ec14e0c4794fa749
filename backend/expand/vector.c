/* vector.c - vector loops: how many lanes, whole vectors and what remains.
 *
 * A loop over v runs `lanes` iterations at a time; what one iteration computes becomes a vector
 * (lanes.c). Float operations are elementwise, so no bit depends on the number of lanes. A loop
 * that cannot be vectorised becomes serial.
 *
 * On targets with Helium, which flushes denormals, loops have vectors only where that changes no
 * result (integers.c), and only as many lanes as fill a register.
 *
 * Iterations that are long chains of dependent operations have two vectors at a time, whose
 * statements alternate (latency.c).
 *
 * A loop of at most four short iterations is unrolled.
 *
 * A tile declared outside and accessed as acc[.., c] with c the loop's variable becomes a tile of
 * vectors, acc[.., c / lanes], and the loop over vectors is unrolled, if all its accesses agree and
 * their other indices are constants in the end. */
#include "backend/expand/vector.h"

#include "backend/expand/columns.h"
#include "backend/expand/integers.h"
#include "backend/expand/lanes.h"
#include "backend/expand/latency.h"
#include "backend/expand/transpose.h"
#include "ir/expr/fold.h"
#include "ir/expr/helium.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"

/* ---- lanes ---- */

/* Does the expression depend on variables or tiles of the loop? */
static bool varies(const fv_ptrmap *varying, const fv_expr *root) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(varying->arena, root); (x = fv_x_next(&v));) {
        bool reads = x->op == FV_X_LOAD || x->op == FV_X_GUARD;
        const void *key = x->op == FV_X_VAR ? x->u.var : reads ? (const void *)x->u.buf : NULL;
        if (key && fv_ptrmap_get(varying, key))
            return true;
    }
    return false;
}

static int max_int(int a, int b) {
    return a > b ? a : b;
}

/* The bits of the widest type in which x is computed; of several elements together, such as the
 * bytes of a word, those of all. Indices are ignored, since they are mostly scalars. i64 values
 * made of loop variables only (masks) count as 16 bits, a compromise for the registers they
 * take. */
static int widest_in(const fv_ptrmap *varying, const fv_expr *x, bool is_index) {
    if (!varies(varying, x))
        return 0;
    bool reads = x->op == FV_X_LOAD || x->op == FV_X_GUARD;
    int bits = 8;
    if (x->type.elem == FV_I64 && !reads && x->op != FV_X_CONVERT)
        bits = is_index ? 8 : 16;
    else if (!is_index)
        bits = fv_elem_storage_bytes((fv_elem)x->type.elem) * 8 * x->type.lanes;
    for (int i = 0; i < x->n; i++)
        bits =
            max_int(bits, widest_in(varying, x->arg[i], is_index || (reads && i < x->u.buf->rank)));
    return bits;
}

static int widest_in_block(fv_ptrmap *varying, const fv_block *block) {
    int bits = 8;
    for (const fv_stmt *s = block->first; s; s = s->next) {
        if (s->kind == FV_S_LET && varies(varying, s->x))
            *fv_ptrmap_at(varying, s->var) = s->var;
        if (s->kind == FV_S_TILE)
            *fv_ptrmap_at(varying, s->buf) = s->buf;
        if (s->x)
            bits = max_int(bits, widest_in(varying, s->x, false));
        if (s->mask)
            bits = max_int(bits, widest_in(varying, s->mask, false));
        if (s->kind == FV_S_STORE)
            bits = max_int(bits, fv_elem_storage_bytes(s->buf->elem) * 8);
        bits = max_int(bits, widest_in_block(varying, &s->body));
        bits = max_int(bits, widest_in_block(varying, &s->other));
    }
    return bits;
}

/* A set of vector loops and the tiles that they share; all must have the same number of lanes. */
typedef struct group {
    struct group *into; /* the group that this one was merged into; NULL: none */
    int bits;           /* bits of the widest type in its loops */
} group;

static group *group_of(fv_expand_vec *z, const void *loop_or_tile) {
    void **at = fv_ptrmap_at(&z->groups, loop_or_tile);
    if (!*at)
        *at = FV_NEW(z->a, group, 1);
    group *g = *at;
    while (g->into)
        g = g->into;
    return g;
}

static void join(fv_expand_vec *z, const void *loop, const fv_buf *b) {
    group *g = group_of(z, loop), *h = b->role == FV_BUF_TILE ? group_of(z, b) : g;
    if (g == h)
        return;
    g->bits = max_int(g->bits, h->bits);
    h->into = g;
}

static void join_tiles_of_expr(fv_expand_vec *z, const fv_stmt *loop, const fv_expr *root) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(z->a, root); (x = fv_x_next(&v));)
        if (x->op == FV_X_LOAD || x->op == FV_X_GUARD)
            join(z, loop, x->u.buf);
}

static void join_tiles(fv_expand_vec *z, const fv_stmt *loop, const fv_block *block) {
    for (const fv_stmt *s = block->first; s; s = s->next) {
        const fv_expr *parts[] = {s->x, s->mask, s->loop.lo, s->loop.hi};
        for (int i = 0; i < 4; i++)
            if (parts[i])
                join_tiles_of_expr(z, loop, parts[i]);
        for (int i = 0; s->kind == FV_S_STORE && i < s->buf->rank; i++)
            join_tiles_of_expr(z, loop, s->index[i]);
        if (s->kind == FV_S_STORE)
            join(z, loop, s->buf);
        join_tiles(z, loop, &s->body);
        join_tiles(z, loop, &s->other);
    }
}

static void find_groups(fv_expand_vec *z, const fv_block *block) {
    for (const fv_stmt *s = block->first; s; s = s->next) {
        if (s->kind == FV_S_FOR && s->loop.kind == FV_VECTOR) {
            fv_ptrmap varying = fv_ptrmap_in(z->a);
            *fv_ptrmap_at(&varying, s->var) = s->var;
            join_tiles(z, s, &s->body);
            group *g = group_of(z, s);
            g->bits = max_int(g->bits, widest_in_block(&varying, &s->body));
        }
        find_groups(z, &s->body);
        find_groups(z, &s->other);
    }
}

/* The number of lanes that the loop has with Helium, which is found once. */
static int helium_lanes(fv_expand_vec *z, const fv_stmt *loop) {
    int *known = fv_ptrmap_get(&z->suited, loop);
    if (known)
        return *known;
    const int lanes = FV_HELIUM_BYTES * 8 / group_of(z, loop)->bits;
    *fv_ptrmap_at(&z->suited, loop) = known = FV_NEW(z->a, int, 1);
    *known = lanes > 1 && fv_suits_helium(z->a, loop, lanes, z->bounds) ? lanes : 1;
    return *known;
}

/* The largest number of lanes that the loop may have. */
static int most_lanes(fv_expand_vec *z, const fv_stmt *loop) {
    if (fv_has_helium(z->target))
        return helium_lanes(z, loop);
    int bits = z->target->vector_bits, lanes = bits ? bits / group_of(z, loop)->bits : 1;
    return lanes > FV_MAX_LANES ? FV_MAX_LANES : lanes;
}

static bool const_trips(const fv_stmt *s, int64_t *lo, int64_t *n) {
    int64_t hi;
    if (!fv_x_is_int(s->loop.lo, lo) || !fv_x_is_int(s->loop.hi, &hi) || hi < *lo || *lo < 0 ||
        hi > INT32_MAX)
        return false;
    *n = hi - *lo;
    return true;
}

/* The number of lanes, at most `most`, for a loop whose number of iterations the run decides. If it
 * is less than `most` anyway, as that of the rows of a tile, at least two vectors are filled if
 * there are as many iterations as possible, so that few of them remain if there are fewer. */
static int lanes_of_unknown(const fv_stmt *s, int most) {
    int64_t lo, hi, unused;
    fv_x_range(s->loop.lo, &lo, &unused);
    fv_x_range(s->loop.hi, &unused, &hi);
    int lanes = most;
    while (lanes > 1 && lo >= 0 && hi > 0 && hi - lo < most && 2 * lanes > hi - lo)
        lanes /= 2;
    return lanes;
}

/* The number of lanes for the loop s; less than 2: the loop stays serial. If the number of
 * iterations is constant: the largest number of lanes that divides it, if it is at least a fourth
 * of what is possible; otherwise the largest that does not exceed it. */
static int lanes_of(fv_expand_vec *z, const fv_stmt *s) {
    int64_t lo, n;
    int most = most_lanes(z, s);
    if (s->loop.step != 1 || most < 2)
        return 1;
    if (!const_trips(s, &lo, &n))
        return fv_has_helium(z->target) ? most : lanes_of_unknown(s, most);
    if (fv_has_helium(z->target))
        return n < most ? 1 : most;
    for (int lanes = most; lanes >= 2 && lanes * 4 >= most; lanes /= 2)
        if (n % lanes == 0 && n > 0)
            return lanes;
    int lanes = most;
    while (lanes > n)
        lanes /= 2;
    return lanes;
}

/* The number of vectors that the loop computes at a time: at most `at_once`, and halved until the
 * iterations fill that many vectors, if their number is constant. */
static int most_at_once(const fv_stmt *s, int lanes, int at_once) {
    int64_t lo, n;
    while (at_once > 1 && const_trips(s, &lo, &n) && n < lanes * at_once)
        at_once /= 2;
    return at_once;
}

/* ---- tiles of vectors ---- */

static bool has_vector_loop(const fv_block *block) {
    for (const fv_stmt *s = block->first; s; s = s->next)
        if ((s->kind == FV_S_FOR && s->loop.kind == FV_VECTOR) || has_vector_loop(&s->body) ||
            has_vector_loop(&s->other))
            return true;
    return false;
}

/* How a tile is accessed in the whole kernel. */
typedef struct tile_use {
    int lanes; /* the lanes of the loops that access the tile; 0: no loop was seen yet */
    bool rejected;
} tile_use;

static tile_use *use_of(fv_expand_vec *z, const fv_buf *b) {
    return fv_ptrmap_get(&z->tiles, b);
}

/* x with the values of index lets substituted, so that it depends on loop variables only. */
static fv_expr *written_out(fv_expand_vec *z, const fv_expr *x) {
    fv_ptrmap memo = fv_ptrmap_in(z->a);
    return fv_x_subst(z->a, x, &z->lets, &memo);
}

/* Is x = v + rest, where rest is a multiple of `lanes` and does not depend on v? */
static bool is_lane_index(fv_expand_vec *z, const fv_expr *x, fv_var *v, int lanes) {
    fv_ptrmap zero = fv_ptrmap_in(z->a), memo = fv_ptrmap_in(z->a);
    x = written_out(z, x);
    *fv_ptrmap_at(&zero, v) = fv_x_int(z->a, 0);
    fv_expr *rest = fv_x_subst(z->a, x, &zero, &memo);
    bool plain = x->op == FV_X_VAR || x->op == FV_X_ADD;
    int64_t r;
    return plain && fv_x_uses(x, v) && !fv_x_uses(rest, v) &&
           fv_x_equal(
               fv_x_bin(z->a, FV_X_ADD, rest, fv_x_var(z->a, v)),
               fv_x_bin(z->a, FV_X_ADD, rest, fv_x_bin(z->a, FV_X_SUB, (fv_expr *)x, rest))) &&
           fv_x_is_int(fv_x_bin(z->a, FV_X_FLOORMOD, rest, fv_x_int(z->a, lanes)), &r) && r == 0;
}

/* Will the index be constant after loops are unrolled? */
static bool is_constant_place(fv_expand_vec *z, const fv_expr *root) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(z->a, root); (x = fv_x_next(&v));)
        if (x->op == FV_X_VAR && !fv_ptrmap_get(&z->unrolled, x->u.var))
            return false;
    return !fv_x_has_load(root);
}

static void note_access(fv_expand_vec *z, const fv_buf *b, fv_expr *const *index,
                        const fv_stmt *loop) {
    tile_use *use = use_of(z, b);
    int64_t lo, n;
    if (!use || use->rejected)
        return;
    int lanes = loop ? lanes_of(z, loop) : 1;
    bool ok = lanes > 1 && const_trips(loop, &lo, &n) && lo % lanes == 0 && n % lanes == 0 &&
              (use->lanes == 0 || use->lanes == lanes) &&
              is_lane_index(z, index[b->rank - 1], loop->var, lanes);
    for (int i = 0; ok && i < b->rank - 1; i++)
        ok = is_constant_place(z, written_out(z, index[i]));
    use->lanes = lanes;
    use->rejected = !ok;
}

static void note_expr(fv_expand_vec *z, const fv_expr *root, const fv_stmt *loop) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(z->a, root); (x = fv_x_next(&v));)
        if (x->op == FV_X_LOAD || x->op == FV_X_GUARD)
            note_access(z, x->u.buf, x->arg, loop);
}

static void note_tile(fv_expand_vec *z, const fv_stmt *s, bool inside) {
    int64_t extent;
    const fv_buf *b = s->buf;
    tile_use *use = FV_NEW(z->a, tile_use, 1);
    if (inside || b->rank == 0 || b->lanes > 1 || !fv_x_is_int(b->extent[b->rank - 1], &extent))
        return;
    *fv_ptrmap_at(&z->tiles, b) = use;
}

static void note_block(fv_expand_vec *z, const fv_block *block, const fv_stmt *loop) {
    for (const fv_stmt *s = block->first; s; s = s->next) {
        const fv_expr *parts[] = {s->x, s->mask, s->loop.lo, s->loop.hi};
        bool vector =
            s->kind == FV_S_FOR && s->loop.kind == FV_VECTOR && !has_vector_loop(&s->body);
        for (int i = 0; i < 4; i++)
            if (parts[i])
                note_expr(z, parts[i], loop);
        for (int i = 0; s->kind == FV_S_STORE && i < s->buf->rank; i++)
            note_expr(z, s->index[i], loop);
        if (s->kind == FV_S_STORE)
            note_access(z, s->buf, s->index, loop);
        if (s->kind == FV_S_TILE)
            note_tile(z, s, loop != NULL);
        if (s->kind == FV_S_LET && s->var->type.elem == FV_I64)
            *fv_ptrmap_at(&z->lets, s->var) = written_out(z, s->x);
        if (s->kind == FV_S_FOR && s->loop.kind == FV_UNROLL)
            *fv_ptrmap_at(&z->unrolled, s->var) = s->var;
        note_block(z, &s->body, vector ? s : loop);
        note_block(z, &s->other, loop);
    }
}

/* Makes tiles of vectors for those tiles whose accesses all agree. */
static void choose_tiles(fv_expand_vec *z) {
    for (size_t i = 0; i < z->tiles.cap; i++) {
        const fv_buf *b = z->tiles.keys[i];
        tile_use *use = z->tiles.values[i];
        int64_t extent;
        if (!b || use->rejected || use->lanes < 2 ||
            !fv_x_is_int(b->extent[b->rank - 1], &extent) || extent % use->lanes != 0)
            continue;
        fv_expr **extents = fv_x_copy_list(z->a, b->rank, b->extent);
        extents[b->rank - 1] = fv_x_int(z->a, extent / use->lanes);
        fv_buf *now = fv_buf_new(z->a, b->name, FV_BUF_TILE, b->elem, b->rank, extents);
        now->lanes = (uint8_t)use->lanes;
        *fv_ptrmap_at(&z->vectors, b) = now;
    }
}

/* ---- statements ---- */

static void vector_block(fv_expand_vec *z, const fv_block *in, fv_block *out);

static void serial_loop(fv_expand_vec *z, const fv_stmt *s) {
    fv_stmt *copy = fv_kb_add(&z->b, FV_S_FOR);
    fv_stmt *next = copy->next;
    *copy = *s;
    copy->next = next;
    copy->loop.kind = s->loop.kind == FV_VECTOR ? FV_SERIAL : s->loop.kind;
    copy->body = (fv_block){0};
    int64_t lo;
    if (fv_x_is_int(s->loop.lo, &lo) && lo % s->loop.step == 0)
        *fv_ptrmap_at(&z->steps, s->var) = (void *)(intptr_t)s->loop.step;
    vector_block(z, &s->body, &copy->body);
}

static void append(fv_expand_vec *z, fv_stmt *s) {
    s->next = NULL;
    fv_block_append(z->b.block, s);
}

static void remaining_loop(fv_expand_vec *z, const fv_stmt *s) {
    fv_stmt *copy = fv_kb_add(&z->b, FV_S_FOR);
    copy->var = s->var;
    copy->loop.kind = FV_SERIAL;
    copy->loop.lo = s->loop.lo;
    copy->loop.hi = s->loop.hi;
    copy->loop.step = 1;
    copy->body = s->body;
}

/* The end of the iterations that fill whole vectors: lo + max(hi - lo, 0) / lanes * lanes */
static fv_expr *whole_end(fv_expand_vec *z, const fv_stmt *s, int lanes) {
    fv_expr *width = fv_x_int(z->a, lanes);
    fv_expr *n = fv_x_bin(z->a, FV_X_SUB, s->loop.hi, s->loop.lo);
    n = fv_x_bin(z->a, FV_X_MAX, n, fv_x_int(z->a, 0));
    n = fv_x_bin(z->a, FV_X_MUL, fv_x_bin(z->a, FV_X_DIV, n, width), width);
    return fv_x_bin(z->a, FV_X_ADD, s->loop.lo, n);
}

/* Moves the statements of `other` into `block`, one after each of its own. */
static void alternate(fv_block *block, const fv_block *other) {
    fv_stmt *s = block->first, *t = other->first;
    *block = (fv_block){0};
    while (s) {
        fv_stmt *after = s->next;
        s->next = NULL;
        fv_block_append(block, s);
        s = t ? t : after;
        t = t ? after : NULL;
    }
}

/* The number of nodes of x, counted up to `most`; `most` also if it has a quotient or remainder of
 * integers, which strength.c makes additions of in few loops only. */
static int nodes_of(const fv_expand_vec *z, const fv_expr *root, int most) {
    const fv_expr *x;
    int n = 0;
    for (fv_x_visitor v = fv_x_visit(z->a, root); n < most && (x = fv_x_next(&v)); n++)
        if (x->op == FV_X_FLOORDIV || x->op == FV_X_FLOORMOD)
            return most;
    return n;
}

/* Should the loop be unrolled? Yes if it has a small constant number of short iterations. What an
 * iteration computes from its variable only, such as the product of the zero point and the sum of a
 * column, is then computed before the loop around it. Memory for code is scarce on
 * microcontrollers. */
static bool is_short(const fv_expand_vec *z, const fv_stmt *loop) {
    enum { ITERATIONS = 4, NODES = 64 };
    int64_t lo, n;
    int left = NODES;
    if (!fv_is_vector_processor(z->target) || !const_trips(loop, &lo, &n) ||
        n > ITERATIONS * loop->loop.step)
        return false;
    for (const fv_stmt *s = loop->body.first; s && left > 0; s = s->next) {
        if (s->kind == FV_S_COMMENT)
            continue;
        if (s->kind != FV_S_LET && s->kind != FV_S_STORE)
            return false;
        left -= nodes_of(z, s->x, left);
        for (int i = 0; s->kind == FV_S_STORE && i < s->buf->rank; i++)
            left -= nodes_of(z, s->index[i], left);
    }
    return left > 0;
}

/* Writes the iterations of s that fill `vectors` (1 or 2) vectors of `lanes` lanes as a loop of
 * their own, which computes that many at a time: the statements of two vectors alternate. s keeps
 * the remaining iterations. */
static bool whole_vectors(fv_expand_vec *z, fv_stmt *s, int lanes, int vectors) {
    fv_stmt *loop = FV_NEW(z->a, fv_stmt, 1);
    *loop = *s;
    loop->next = NULL;
    loop->loop.step = lanes * vectors;
    loop->body = (fv_block){0};
    loop->var = fv_var_new(z->a, s->var->name, s->var->type);
    fv_expr *first = fv_x_var(z->a, loop->var);
    bool uses_tiles = false;
    if (!fv_expand_lanes(z, lanes, s, first, NULL, &loop->body, &uses_tiles))
        return false;
    if (vectors > 1) {
        fv_block second = {0};
        first = fv_x_bin(z->a, FV_X_ADD, first, fv_x_int(z->a, lanes));
        if (!fv_expand_lanes(z, lanes, s, first, NULL, &second, &uses_tiles))
            return false;
        alternate(&loop->body, &second);
    }
    fv_expr *end = whole_end(z, s, lanes * vectors);
    if (end->op != FV_X_CONST)
        end = fv_kb_let(&z->b, "whole", end);
    loop->loop.hi = end;
    loop->loop.kind = uses_tiles || is_short(z, loop) ? FV_UNROLL : FV_SERIAL;
    fv_loop_bounds(loop);
    append(z, loop);
    s->loop.lo = end;
    return true;
}

static bool accesses_vector_tile(fv_expand_vec *z, const fv_block *block);

static bool reads_vector_tile(fv_expand_vec *z, const fv_expr *root) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(z->a, root); (x = fv_x_next(&v));)
        if ((x->op == FV_X_LOAD || x->op == FV_X_GUARD) && fv_ptrmap_get(&z->vectors, x->u.buf))
            return true;
    return false;
}

static bool stmt_accesses_vector_tile(fv_expand_vec *z, const fv_stmt *s) {
    return (s->kind == FV_S_STORE && fv_ptrmap_get(&z->vectors, s->buf)) ||
           (s->x && reads_vector_tile(z, s->x)) || (s->mask && reads_vector_tile(z, s->mask)) ||
           accesses_vector_tile(z, &s->body) || accesses_vector_tile(z, &s->other);
}

static bool accesses_vector_tile(fv_expand_vec *z, const fv_block *block) {
    for (const fv_stmt *s = block->first; s; s = s->next)
        if (stmt_accesses_vector_tile(z, s))
            return true;
    return false;
}

/* ---- loops whose end is a vector under a mask ---- */

/* Writes the iterations of s, of which there are at most `lanes`, as one vector. It is a loop, so
 * that it is not executed if there are none. */
static bool masked_vector(fv_expand_vec *z, const fv_stmt *s, int lanes) {
    fv_stmt *loop = FV_NEW(z->a, fv_stmt, 1);
    *loop = *s;
    loop->next = NULL;
    loop->loop.kind = FV_SERIAL;
    loop->loop.step = lanes;
    loop->body = (fv_block){0};
    loop->var = fv_var_new(z->a, s->var->name, s->var->type);
    fv_loop_bounds(loop);
    fv_expr *first = fv_x_var(z->a, loop->var);
    fv_stmt *let = FV_NEW(z->a, fv_stmt, 1);
    let->kind = FV_S_LET;
    let->x =
        fv_x_bin(z->a, FV_X_LT, fv_x_ramp(z->a, lanes, first), fv_x_splat(z->a, lanes, s->loop.hi));
    let->var = fv_var_new(z->a, "inside", let->x->type);
    fv_block_append(&loop->body, let);
    bool uses_tiles = false;
    if (!fv_expand_lanes(z, lanes, s, first, fv_x_var(z->a, let->var), &loop->body, &uses_tiles) ||
        uses_tiles)
        return false;
    append(z, loop);
    return true;
}

/* The most iterations that the loop may have; INT64_MAX if that is not known. */
static int64_t most_trips(const fv_stmt *s) {
    int64_t lo, hi, unused;
    fv_x_range(s->loop.lo, &lo, &unused);
    fv_x_range(s->loop.hi, &unused, &hi);
    return lo < 0 || hi > INT32_MAX ? INT64_MAX : hi - lo;
}

/* The number of lanes of vectors the last of which is under a mask; 0: there is none, since
 * vectors divide the loop, or since it accesses tiles of vectors, whose lanes are fixed. */
static int masked_lanes(fv_expand_vec *z, const fv_stmt *s) {
    int64_t lo, n;
    if (!fv_target_has_masks(z->target) || s->loop.step != 1 || accesses_vector_tile(z, &s->body))
        return 0;
    int lanes = most_lanes(z, s);
    while (lanes > 1 && lanes / 2 >= most_trips(s))
        lanes /= 2;
    return lanes < 2 || (const_trips(s, &lo, &n) && n % lanes == 0) ? 0 : lanes;
}

/* The number of lanes of the vectors that the loop should compute: several times `lanes` if each
 * iteration reduces a column (columns.h). */
static int wide_lanes(fv_expand_vec *z, const fv_stmt *s, int lanes) {
    const int n = fv_vectors_at_once(z->a, z->target, s, lanes), most = FV_MAX_LANES / lanes;
    return lanes * (n < most ? n : most);
}

/* The number of vectors of `lanes` lanes, 1 or 2, whose statements should alternate in the loop
 * (latency.h). */
static int vectors_to_overlap(fv_expand_vec *z, const fv_stmt *s, int lanes) {
    int64_t lo, n;
    bool fits = !const_trips(s, &lo, &n) || n >= 2 * lanes;
    bool fixed = accesses_vector_tile(z, &s->body) || fv_has_helium(z->target);
    return fits && !fixed ? fv_vectors_to_overlap(z->a, s) : 1;
}

/* Writes all iterations of the loop: whole vectors, and the rest as one vector under a mask, or
 * without one if it fills a shorter vector. */
static bool masked_parts(fv_expand_vec *z, fv_stmt *rest, int lanes) {
    int64_t lo, n;
    const bool known = const_trips(rest, &lo, &n);
    const int wide = wide_lanes(z, rest, lanes), vectors = vectors_to_overlap(z, rest, lanes);
    if (vectors > 1 && !whole_vectors(z, rest, lanes, vectors))
        return false;
    if (known && vectors > 1)
        n %= (int64_t)lanes * vectors;
    if ((!known || n >= wide) && !whole_vectors(z, rest, wide, 1))
        return false;
    int width = wide;
    while (known && width / 2 >= n % wide)
        width /= 2;
    if (known && n % wide < 2) {
        remaining_loop(z, rest);
        return true;
    }
    return known && width == n % wide ? whole_vectors(z, rest, width, 1)
                                      : masked_vector(z, rest, width);
}

/* Writes the loop with a vector under a mask (masked_parts). False: nothing was written. */
static bool masked_loop(fv_expand_vec *z, const fv_stmt *s) {
    const int lanes = masked_lanes(z, s);
    fv_stmt rest = *s;
    const fv_kbuilder before = z->b;
    const fv_block written = *z->b.block;
    if (!lanes)
        return false;
    if (masked_parts(z, &rest, lanes))
        return true;
    z->b = before;
    *z->b.block = written;
    if (written.last)
        written.last->next = NULL;
    return false;
}

static bool vector_loop(fv_expand_vec *z, const fv_stmt *s) {
    if (!has_vector_loop(&s->body) && masked_loop(z, s))
        return true;
    int lanes = has_vector_loop(&s->body) ? 1 : lanes_of(z, s);
    if (lanes < 2)
        return false;
    const int at_once = most_at_once(s, lanes, wide_lanes(z, s, lanes) / lanes);
    const int vectors = vectors_to_overlap(z, s, lanes);
    fv_stmt rest = *s;
    if (at_once * vectors > 1 && !whole_vectors(z, &rest, lanes * at_once, vectors))
        return false;
    if (at_once * vectors > 1 && fv_x_equal(rest.loop.lo, s->loop.hi))
        return true;
    if (!whole_vectors(z, &rest, lanes, 1))
        return false;
    if (!fv_x_equal(rest.loop.lo, s->loop.hi))
        remaining_loop(z, &rest);
    return true;
}

static void vector_stmt(fv_expand_vec *z, const fv_stmt *s) {
    if (s->kind == FV_S_FOR) {
        if (s->loop.kind == FV_VECTOR && vector_loop(z, s))
            return;
        if (s->loop.kind == FV_VECTOR && accesses_vector_tile(z, &s->body) &&
            !has_vector_loop(&s->body))
            z->failed = true; /* a serial loop's tiles cannot have vectors: start again */
        serial_loop(z, s);
        return;
    }
    if (s->kind == FV_S_TRANSPOSE) {
        fv_buf *vectors = fv_ptrmap_get(&z->vectors, s->buf);
        fv_expand_transpose(&z->b, vectors ? vectors : s->buf);
        return;
    }
    fv_stmt *copy = FV_NEW(z->a, fv_stmt, 1);
    *copy = *s;
    append(z, copy);
    if (s->kind == FV_S_TILE && fv_ptrmap_get(&z->vectors, s->buf)) {
        copy->buf = fv_ptrmap_get(&z->vectors, s->buf);
        copy->x = s->x ? fv_x_splat(z->a, copy->buf->lanes, s->x) : NULL;
    }
    if (s->kind == FV_S_MATRIX)
        return;
    copy->body = copy->other = (fv_block){0};
    vector_block(z, &s->body, &copy->body);
    vector_block(z, &s->other, &copy->other);
}

static void vector_block(fv_expand_vec *z, const fv_block *in, fv_block *out) {
    fv_kbuilder around = z->b;
    fv_kb_init(&z->b, z->a, NULL, out);
    for (const fv_stmt *s = in->first; s; s = s->next)
        vector_stmt(z, s);
    z->b = around;
}

void fv_expand_vectors(fv_arena *a, const fv_target *t, const fv_ptrmap *bounds, const fv_block *in,
                       fv_block *out) {
    fv_expand_vec z = {.a = a,
                       .target = t,
                       .bounds = bounds,
                       .suited = fv_ptrmap_in(a),
                       .tiles = fv_ptrmap_in(a),
                       .vectors = fv_ptrmap_in(a),
                       .lets = fv_ptrmap_in(a),
                       .groups = fv_ptrmap_in(a),
                       .unrolled = fv_ptrmap_in(a),
                       .steps = fv_ptrmap_in(a)};
    find_groups(&z, in);
    note_block(&z, in, NULL);
    choose_tiles(&z);
    *out = (fv_block){0};
    vector_block(&z, in, out);
    if (!z.failed)
        return;
    z.vectors = fv_ptrmap_in(a);
    *out = (fv_block){0};
    vector_block(&z, in, out);
}
