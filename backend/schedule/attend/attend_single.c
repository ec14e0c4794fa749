/* attend_single.c - scores of a single query, as in a step of a decoder, or of a few queries.
 *
 *     for a block of keys: for a block of channels:
 *         tile rows[n, n];  rows[r, c] = k[j0 + r, c0 + c];  transpose rows
 *         for c ascending: for rows that share keys:
 *             acc[h, r] = fma(q[h, c0 + c], rows[c, r], acc[h, r])
 *
 * Packing keys into panels pays only if many queries read them. A single query reads each key once,
 * so blocks of keys are transposed in registers as they are read, which takes a fourth of the time
 * of writing panels and reading these. The same is done for as many queries as a tile has registers
 * for, if their number is always so small, or is such a number times a dim that is 1 (heads to
 * which keys were broadcast are axes of queries). Without vectors, elements of keys are read one by
 * one, in the same order. Each score is the same chain over channels as in tiles. */
#include "backend/schedule/attend/attend_single.h"

#include <string.h>

#include "backend/lowering/access.h"
#include "backend/schedule/common/blocks.h"
#include "ir/base/divisor.h"
#include "ir/base/limits.h"
#include "ir/expr/visit.h"
#include "ir/target/target.h"

enum {
    LEAST_BLOCK = 4,
    AHEAD = 2 /* AHEAD: number of blocks of keys by which prefetches precede the loads */
};

fv_expr *fv_single_load(fv_arena *a, const fv_expr *root, const fv_var *key, const fv_var *along) {
    fv_expr *x, *load = NULL;
    for (fv_x_visitor v = fv_x_visit(a, root); (x = fv_x_next(&v));) {
        if (x->op == FV_X_REDUCE || x->op == FV_X_REQUIRE || x->op == FV_X_GUARD ||
            fv_expr_op_is_math((fv_expr_op)x->op))
            return NULL;
        if (x->op != FV_X_LOAD || !fv_x_uses(x, key))
            continue;
        if (load && !fv_x_equal(load, x))
            return NULL;
        load = x;
        fv_x_skip(&v);
    }
    return load && fv_x_is_plain(load) && fv_x_stride(load, along) > 0 ? load : NULL;
}

/* The largest n up to `most` such that the number of queries is n times a dim that may be 1; 1:
 * there is none. */
static int few_queries(fv_dims *t, const fv_dim *queries, int most) {
    for (int n = most; n > 1; n--) {
        const fv_dim *times = fv_dim_quotient(t, queries, fv_dim_const(t, n));
        if (times && (fv_dim_is_one(times) || (times->kind == FV_DIM_SYMBOL && times->lo <= 1)))
            return n;
    }
    return 1;
}

bool fv_single_choose(fv_lowerer *l, fv_single_scores *f, const fv_var *query, int most) {
    fv_arena *a = l->exprs;
    const fv_target *t = l->target;
    f->rows = f->queries = few_queries(l->module->dims, query->dim, most);
    f->row = f->rows > 1 ? query : NULL;
    if (f->sum->u.red.nvars != 1 || !fv_dim_is_const(f->sum->u.red.vars[0]->dim))
        return false;
    f->channel = f->sum->u.red.vars[0];
    f->load = fv_single_load(a, f->k, f->key, f->channel);
    if (!f->load || !fv_elem_is_float((fv_elem)f->load->type.elem) ||
        fv_elem_is_packed((fv_elem)f->load->type.elem))
        return false;
    int wide = fv_elem_storage_bytes((fv_elem)f->sum->type.elem),
        bytes = fv_elem_storage_bytes((fv_elem)f->load->type.elem);
    f->turns = t->vector_bits > 0;
    int64_t n = f->turns ? fv_transposed_block(t, bytes > wide ? bytes : wide) : LEAST_BLOCK;
    while (n >= LEAST_BLOCK && f->channel->dim->value % n)
        n /= 2;
    f->block = n;
    f->where = fv_x_bin(a, FV_X_AND, fv_x_bin(a, FV_X_LE, fv_x_int(a, n), fv_x_dim(a, f->key->dim)),
                        fv_x_bin(a, FV_X_EQ, fv_x_dim(a, query->dim), fv_x_int(a, f->queries)));
    return n >= LEAST_BLOCK;
}

/* The number of consecutive values of v for which x is the same; 0: x is the same for all
 * values. */
static int64_t run_of(const fv_expr *x, const fv_var *v) {
    int64_t by, run = 0;
    if (x->op == FV_X_FLOORDIV && x->arg[0]->op == FV_X_VAR && x->arg[0]->u.var == v &&
        fv_x_is_int(x->arg[1], &by) && by > 0)
        return by;
    if (x->op == FV_X_VAR)
        return x->u.var == v;
    for (int i = 0; i < x->n; i++) {
        int64_t other = run_of(x->arg[i], v);
        run = !run || (other && run % other == 0) ? other : !other || other % run == 0 ? run : 1;
    }
    return run;
}

void fv_single_share(fv_single_scores *f, const fv_definition *d, const fv_expr *v,
                     const fv_expr *where, int most) {
    for (int i = 0; i < d->rank; i++) {
        const fv_var *h = d->index[i];
        if (!fv_dim_is_const(h->dim) || !fv_x_uses(f->q, h) || (where && fv_x_uses(where, h)))
            continue;
        int64_t runs[] = {run_of(f->k, h), run_of(v, h)};
        for (int n = most; n > f->rows; n--)
            if (h->dim->value >= n && h->dim->value % n == 0 && runs[0] % n == 0 &&
                runs[1] % n == 0) {
                f->rows = n;
                f->row = h;
            }
    }
}

/* Prefetches of the block of keys beginning with j0, while the products of channels from c0 on are
 * computed: the lines that this step has if all steps have equally many of them, in the order of
 * memory. The loads of a step, one of each key, are in no order that the processor recognizes, and
 * software prefetches alone do not keep memory busy; it follows lines that are prefetched one after
 * the other. Those of a step are spread among its channels: together they would fill the buffers in
 * which a core waits for lines. */
typedef struct ahead_lines {
    fv_expr *j0, *c0; /* j0 NULL: nothing is prefetched */
    int64_t groups;   /* number of groups of channels in a step, each of which prefetches lines */
    int64_t lines;    /* number of lines that a group prefetches */
} ahead_lines;

/* The number of elements of keys in a line, and of lines that a key has. */
static int64_t line_of(const fv_kemit *e, const fv_single_scores *f) {
    return fv_processor_of(e->l->target)->prefetch.line_bytes /
           fv_elem_storage_bytes((fv_elem)f->load->type.elem);
}
static int64_t lines_of_key(const fv_kemit *e, const fv_single_scores *f) {
    return fv_div_up(f->channel->dim->value, line_of(e, f));
}

static ahead_lines plan_ahead(const fv_kemit *e, const fv_single_scores *f, fv_expr *j0,
                              fv_expr *c0) {
    const int64_t steps = f->channel->dim->value / f->block,
                  share = fv_div_up(f->block * lines_of_key(e, f), steps);
    const int64_t groups = fv_common_divisor(f->block, share);
    return (ahead_lines){.j0 = j0, .c0 = c0, .groups = groups, .lines = share / groups};
}

/* Opens an unrolled loop with n iterations; no loop if n is 1. */
static fv_expr *unroll(fv_kemit *e, const char *name, int64_t n) {
    return n == 1 ? integer(e, 0) : open_loop(e, FV_UNROLL, name, integer(e, n));
}

/* Emits the prefetches of that group of channels. */
static void prefetch(fv_kemit *e, const fv_single_scores *f, const ahead_lines *ahead,
                     fv_expr *group) {
    const int outer = e->b.depth;
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *index[FV_MAX_RANK], *block = integer(e, f->block), *lines = integer(e, ahead->lines),
                                 *of_key = integer(e, lines_of_key(e, f));
    fv_expr *step = binary(e, FV_X_FLOORDIV, ahead->c0, block);
    fv_expr *at = binary(
        e, FV_X_ADD, binary(e, FV_X_MUL, step, integer(e, ahead->groups * ahead->lines)),
        binary(e, FV_X_ADD, binary(e, FV_X_MUL, group, lines), unroll(e, "line", ahead->lines)));
    fv_expr *r = binary(e, FV_X_MIN, binary(e, FV_X_FLOORDIV, at, of_key),
                        binary(e, FV_X_SUB, block, integer(e, 1)));
    fv_expr *first =
        binary(e, FV_X_MUL, binary(e, FV_X_FLOORMOD, at, of_key), integer(e, line_of(e, f)));
    fv_kemit_bind(e, f->key, binary(e, FV_X_ADD, ahead->j0, r));
    fv_kemit_bind(e, f->channel, first);
    for (int i = 0; i < f->load->u.buf->rank; i++)
        index[i] = fv_kemit_expr(e, f->load->arg[i]);
    fv_kb_prefetch(&e->b, fv_kemit_in(e, f->load->u.buf), index, 1);
    fv_kb_end_to(&e->b, outer);
    fv_kemit_release(e, m);
}

/* Loads the block of keys beginning with j0 and channels beginning with c0, and returns it
 * transposed: rows[c, r]. */
static fv_buf *emit_turned(fv_kemit *e, const fv_single_scores *f, fv_expr *j0, fv_expr *c0) {
    fv_kmark m = fv_kemit_mark(e);
    fv_buf *rows = fv_kb_tile(&e->b, "rows", (fv_elem)f->load->type.elem, 2,
                              (int64_t[]){f->block, f->block}, NULL);
    fv_expr *n = integer(e, f->block), *r = open_loop(e, FV_UNROLL, "r", n),
            *c = open_loop(e, FV_VECTOR, "c", n);
    fv_kemit_bind(e, f->key, binary(e, FV_X_ADD, j0, r));
    fv_kemit_bind(e, f->channel, binary(e, FV_X_ADD, c0, c));
    fv_kb_store(&e->b, rows, (fv_expr *[]){r, c}, fv_kemit_expr(e, f->load), NULL);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
    fv_kb_transpose(&e->b, rows);
    return rows;
}

/* Opens loops over the channels of a step in groups, each of which begins with its share of the
 * prefetches. Returns the number of the channel. */
static fv_expr *open_channels(fv_kemit *e, const fv_single_scores *f, const ahead_lines *ahead) {
    if (!ahead->j0)
        return unroll(e, "c", f->block);
    const int64_t each = f->block / ahead->groups;
    fv_expr *group = unroll(e, "group", ahead->groups);
    prefetch(e, f, ahead, group);
    return binary(e, FV_X_ADD, binary(e, FV_X_MUL, group, integer(e, each)), unroll(e, "c", each));
}

/* Adds the products of the block of keys beginning with j0 and channels beginning with c0 to acc[h,
 * r]. */
static void emit_block(fv_kemit *e, const fv_single_scores *f, fv_expr *first, const fv_var *local,
                       fv_buf *acc, fv_expr *j0, const ahead_lines *ahead) {
    fv_arena *x = e->arena;
    fv_expr *c0 = ahead->c0;
    const int outer = e->b.depth;
    fv_kmark m = fv_kemit_mark(e);
    fv_buf *rows = f->turns ? emit_turned(e, f, j0, c0) : NULL;
    fv_expr *n = integer(e, f->block), *c = open_channels(e, f, ahead), *r;
    fv_kemit_bind(e, f->channel, binary(e, FV_X_ADD, c0, c));
    fv_kmark step = fv_kemit_mark(e);
    fv_buf *k = fv_kb_tile(&e->b, "k", (fv_elem)f->sum->type.elem, 1, &f->block, NULL);
    r = open_loop(e, FV_VECTOR, "r", n);
    fv_kemit_bind(e, f->key, binary(e, FV_X_ADD, j0, r));
    if (rows)
        fv_kemit_memo(e, f->load, fv_x_load(x, rows, (fv_expr *[]){c, r}));
    fv_kb_store(&e->b, k, &r, fv_kemit_expr(e, f->k), NULL);
    fv_kb_end(&e->b);
    fv_kemit_release(e, step);
    fv_expr *h = open_loop(e, FV_UNROLL, "h", integer(e, first ? f->rows : 1));
    if (first)
        fv_kemit_bind(e, f->row, binary(e, FV_X_ADD, first, h));
    fv_kemit_bind(e, local, h);
    fv_expr *q = fv_kb_let(&e->b, "q", fv_kemit_expr(e, f->q));
    r = open_loop(e, FV_VECTOR, "r", n);
    fv_expr *at[2] = {h, r};
    fv_kb_store(&e->b, acc, at, fv_x_fma(x, q, fv_x_load(x, k, &r), fv_x_load(x, acc, at)), NULL);
    fv_kb_end_to(&e->b, outer);
    fv_kemit_release(e, m);
}

/* j limited to 0 to n - block, so that the verifier can prove that the block of keys is in
 * range. */
static fv_expr *in_keys(fv_kemit *e, const fv_single_scores *f, fv_expr *j, fv_expr *n) {
    fv_expr *last = binary(e, FV_X_SUB, n, integer(e, f->block));
    return fv_kb_let(&e->b, "j", binary(e, FV_X_MAX, binary(e, FV_X_MIN, j, last), integer(e, 0)));
}

/* Emits the scores of the block of keys beginning with j0. */
static void emit_scores(fv_kemit *e, const fv_single_scores *f, fv_expr *first, const fv_var *local,
                        fv_buf *score, fv_expr *const *at, fv_expr *n, fv_expr *j0) {
    fv_arena *x = e->arena;
    const fv_elem type = (fv_elem)f->sum->type.elem;
    const int rows = first ? f->rows : 1;
    fv_expr *index[FV_MAX_RANK], *zero = integer(e, 0);
    fv_expr *next =
        f->turns ? in_keys(e, f, binary(e, FV_X_ADD, j0, integer(e, AHEAD * f->block)), n) : NULL;
    fv_buf *acc =
        fv_kb_tile(&e->b, "acc", type, 2, (int64_t[]){rows, f->block}, fv_x_const(x, type, 0));
    fv_expr *c0 =
        fv_kb_for(&e->b, FV_SERIAL, "c0", zero, integer(e, f->channel->dim->value), f->block);
    const ahead_lines ahead = plan_ahead(e, f, next, c0);
    emit_block(e, f, first, local, acc, j0, &ahead);
    fv_kb_end(&e->b);
    fv_expr *h = open_loop(e, FV_UNROLL, "h", integer(e, rows)),
            *r = open_loop(e, FV_VECTOR, "r", integer(e, f->block));
    memcpy(index, at, (size_t)score->rank * sizeof *index);
    index[score->rank - 2] = h;
    index[score->rank - 1] = binary(e, FV_X_ADD, j0, r);
    fv_kb_store(&e->b, score, index, fv_x_load(x, acc, (fv_expr *[]){h, r}), NULL);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
}

void fv_single_emit(fv_kemit *e, const fv_single_scores *f, fv_expr *first, const fv_var *local,
                    fv_buf *score, fv_expr *const *at, fv_expr *n, fv_expr *const *keys) {
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *from = keys[0] ? keys[0] : integer(e, 0), *to = keys[0] ? keys[1] : n;
    fv_expr *j = fv_kb_for(&e->b, FV_SERIAL, "from", from, to, f->block);
    emit_scores(e, f, first, local, score, at, n, in_keys(e, f, j, n));
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
}

void fv_single_emit_part(fv_kemit *e, const fv_single_scores *f, fv_expr *first,
                         const fv_var *local, fv_buf *score, fv_expr *const *at, fv_expr *n,
                         fv_expr *part) {
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *block = integer(e, f->block), *from = binary(e, FV_X_MUL, part, integer(e, FV_PART));
    fv_expr *left = binary(e, FV_X_FLOORDIV, binary(e, FV_X_SUB, n, from), block);
    fv_expr *b =
        open_loop(e, FV_SERIAL, "block", binary(e, FV_X_MIN, integer(e, FV_PART / f->block), left));
    emit_scores(e, f, first, local, score, at, n,
                binary(e, FV_X_ADD, from, binary(e, FV_X_MUL, b, block)));
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
}
