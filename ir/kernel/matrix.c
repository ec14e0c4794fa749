/* matrix.c - see matrix.h. */
#include "ir/kernel/matrix.h"

#include "ir/expr/fold.h"
#include "ir/expr/visit.h"

static const fv_matrix_instruction instructions[] = {
#define MATRIX(id, op_, rows_, feature_, llvm_, c_)                                                \
    {.name = #id,                                                                                  \
     .op = FV_X_##op_,                                                                             \
     .rows = (rows_),                                                                              \
     .feature = FV_FEATURE_##feature_,                                                             \
     .llvm = llvm_,                                                                                \
     .c = c_},
#include "ir/kernel/matrix.def"
};

enum { NINSTRUCTIONS = sizeof instructions / sizeof *instructions };

const fv_matrix_instruction *fv_matrix_find(const fv_target *t, fv_expr_op op, int rows) {
    for (int i = 0; i < NINSTRUCTIONS; i++)
        if (instructions[i].op == op && instructions[i].rows == rows &&
            fv_target_has(t, instructions[i].feature))
            return &instructions[i];
    return NULL;
}

const fv_stmt *fv_matrix_first(const fv_block *b) {
    const fv_stmt *found = NULL;
    for (const fv_stmt *s = b->first; s && !found; s = s->next) {
        found = s->kind == FV_S_MATRIX ? s : fv_matrix_first(&s->body);
        found = found ? found : fv_matrix_first(&s->other);
    }
    return found;
}

bool fv_matrix_is_used(const fv_program *p) {
    for (int i = 0; i < p->nkernels; i++)
        if (fv_matrix_first(&p->kernels[i]->body))
            return true;
    return false;
}

/* ---- loops ---- */

/* Is s a serial loop from 0 in steps of 1? */
static bool counts_from_0(const fv_stmt *s) {
    int64_t lo;
    return s->kind == FV_S_FOR && s->loop.kind == FV_SERIAL && s->loop.step == 1 &&
           fv_x_is_int(s->loop.lo, &lo) && lo == 0;
}

/* The only statement of the block, if it is such a loop; otherwise NULL. */
static const fv_stmt *only_loop(const fv_block *b) {
    const fv_stmt *s = b->first;
    return s && !s->next && counts_from_0(s) ? s : NULL;
}

/* Reads the loop of prefetches, if the matrix begins with one. Returns the statement after it. */
static const fv_stmt *read_prefetches(const fv_stmt *s, fv_matrix *m) {
    const fv_stmt *loop = s->body.first, *of = loop ? loop->body.first : NULL;
    if (!loop || !loop->next || !counts_from_0(loop) || !of || of->next ||
        of->kind != FV_S_PREFETCH)
        return loop;
    m->prefetch = (fv_matrix_prefetch){.of = of, .line = loop->var, .lines = loop->loop.hi};
    return loop->next;
}

/* Reads the loops over rows, groups and columns. */
static const char *read_loops(const fv_stmt *s, fv_matrix *m, const fv_block **body) {
    const fv_stmt *row = read_prefetches(s, m);
    row = row && !row->next && counts_from_0(row) ? row : NULL;
    const fv_stmt *group = row ? only_loop(&row->body) : NULL,
                  *column = group ? only_loop(&group->body) : NULL;
    int64_t n, least, most;
    if (!column)
        return "a matrix consists of three nested serial loops from 0: rows, groups, columns";
    fv_x_range(row->loop.hi, &least, &most);
    if (most > FV_MATRIX_ROWS)
        return "cannot prove that a matrix has at most 32 rows";
    m->most_rows = most > 0 ? (int)most : 0;
    if (!fv_x_is_int(group->loop.hi, &n) || n < 1 || n > FV_MATRIX_TILES)
        return "a matrix has 1 or 2 groups of columns";
    m->groups = (int)n;
    if (!fv_x_is_int(column->loop.hi, &n) || n != FV_MATRIX_SIDE)
        return "a group of a matrix has 16 columns";
    m->vars.row = row->var;
    m->rows = row->loop.hi;
    m->vars.group = group->var;
    m->vars.column = column->var;
    *body = &column->body;
    return NULL;
}

/* ---- indices ---- */

/* Finds how much x, an index, grows with v: *by. False: not by a constant. */
static bool grows(const fv_expr *x, const fv_var *v, int64_t *by) {
    int64_t a, b, n;
    *by = x->op == FV_X_VAR && x->u.var == v;
    if (*by || !fv_x_uses(x, v))
        return true;
    switch ((int)x->op) {
    case FV_X_ADD:
    case FV_X_SUB:
        if (!grows(x->arg[0], v, &a) || !grows(x->arg[1], v, &b))
            return false;
        return !(x->op == FV_X_ADD ? __builtin_add_overflow(a, b, by)
                                   : __builtin_sub_overflow(a, b, by));
    case FV_X_MUL:
        for (int i = 0; i < 2; i++)
            if (fv_x_is_int(x->arg[i], &n))
                return grows(x->arg[1 - i], v, &a) && !__builtin_mul_overflow(a, n, by);
        return false;
    default: return false;
    }
}

/* Does each index grow by a constant with v: the last one by `last`, the others by 0 unless they
 * may grow in any way? */
static bool all_grow(fv_expr *const *index, int rank, const fv_var *v, int64_t last, bool any) {
    bool fits = rank > 0;
    int64_t by;
    for (int i = 0; i < rank && fits; i++)
        fits = grows(index[i], v, &by) && (any || by == (i == rank - 1 ? last : 0));
    return fits;
}

fv_expr *fv_matrix_stride(fv_arena *a, const fv_buf *b, fv_expr *const *index, const fv_var *v) {
    fv_expr *sum = fv_x_int(a, 0),
            *below = fv_x_int(a, 1); /* elements of the axes after the i-th */
    for (int i = b->rank - 1; i >= 0; i--) {
        int64_t by = 0;
        bool is = grows(index[i], v, &by);
        FV_HOLDS(fv_arena_session(a), is);
        sum = fv_x_bin(a, FV_X_ADD, sum, fv_x_bin(a, FV_X_MUL, fv_x_int(a, by), below));
        below = fv_x_bin(a, FV_X_MUL, b->extent[i], below);
    }
    return sum;
}

/* ---- the sum ---- */

/* The number of elements of that type in a word; 0: words do not have such elements. */
static int elements_of_word(fv_elem e) {
    return e == FV_I32 ? 1 : e == FV_BF16 ? 2 : e == FV_I8 || e == FV_U8 ? 4 : 0;
}

/* The load of a word: of an i32, or of the bytes or bf16 that x converts to one; NULL: x is
 * something else. */
static const fv_expr *load_of_word(const fv_expr *x, bool of_bf16) {
    if (x->op == FV_X_LOAD && x->type.elem == FV_I32 && x->type.lanes == 1)
        return x->u.buf->lanes == 1 ? x : NULL;
    if (x->op != FV_X_BITCAST || x->type.elem != FV_I32 || x->type.lanes != 1)
        return NULL;
    const fv_expr *l = x->arg[0];
    const int n = elements_of_word((fv_elem)l->type.elem);
    bool is = l->op == FV_X_LOAD && n > 1 && l->type.lanes == n && l->u.buf->lanes == 1 &&
              of_bf16 == (l->type.elem == FV_BF16);
    return is ? l : NULL;
}

static bool is_load_of(const fv_expr *x, const fv_buf *b) {
    return x->op == FV_X_LOAD && x->u.buf == b && x->type.lanes == 1;
}

static bool multiplies_bytes(const fv_expr *x) {
    return x->op == FV_X_DOT_U8_I8 || x->op == FV_X_DOT_I8_I8 || x->op == FV_X_DOT_U8_U8;
}

/* Reads the operands of the sum of products x, of bf16 if there are blocks: the rows are the
 * operand that does not depend on the column. False: it is something else than a product of
 * words. */
static bool read_product(const fv_expr *x, const fv_buf *sum, fv_matrix *m) {
    const bool of_bf16 = m->vars.block,
               is = of_bf16 ? x->op == FV_X_DOT_BF16_EVEN : multiplies_bytes(x);
    const fv_expr *l[2] = {NULL, NULL};
    if (is && is_load_of(x->arg[2], sum)) {
        l[0] = load_of_word(x->arg[0], of_bf16);
        l[1] = load_of_word(x->arg[1], of_bf16);
    }
    if (!l[0] || !l[1])
        return false;
    m->op = (fv_expr_op)x->op;
    m->operand = fv_x_uses(l[0], m->vars.column);
    m->a = l[m->operand];
    m->b = l[1 - m->operand];
    if (m->operand && m->op != FV_X_DOT_U8_I8)
        m->operand = 0; /* the operands of the others may be exchanged */
    return true;
}

/* Is s the declaration of a variable of i32 with a first value? */
static bool declares_sum(const fv_stmt *s) {
    return s && s->kind == FV_S_TILE && s->buf->rank == 0 && s->buf->elem == FV_I32 &&
           s->buf->lanes == 1 && s->x;
}

static bool is_zero(const fv_expr *x) {
    return x->op == FV_X_CONST && x->u.i == 0;
}

/* Is s an assignment to the variable sum? */
static bool assigns(const fv_stmt *s, const fv_buf *sum) {
    return s && s->kind == FV_S_STORE && s->buf == sum && !s->mask;
}

/* Reads a loop over words that adds to the variable `sum`. */
static const char *read_words(const fv_stmt *loop, const fv_buf *sum, fv_matrix *m) {
    const fv_stmt *add = loop->body.first;
    if (!counts_from_0(loop) || !add || add->next || !assigns(add, sum))
        return "a sum of a matrix is a variable of i32, a serial loop that adds to it, and its "
               "store";
    if (!fv_x_is_int(loop->loop.hi, &m->steps) || m->steps < 1 ||
        (m->steps > FV_MATRIX_SIDE && m->steps % FV_MATRIX_SIDE))
        return "a matrix has 1 to 16 words in a row, or a multiple of 16";
    m->vars.step = loop->var;
    if (!read_product(add->x, sum, m))
        return "a matrix adds to a sum a product of two words, each of which is four bytes or an "
               "i32 in memory";
    return NULL;
}

/* Does x add the variables `even` and `odd` to `sum`? */
static bool adds_chains(const fv_expr *x, const fv_buf *sum, const fv_buf *even,
                        const fv_buf *odd) {
    const fv_expr *both = x->op == FV_X_ADD_FLUSHED ? x->arg[1] : NULL;
    return both && both->op == FV_X_ADD_FLUSHED && is_load_of(x->arg[0], sum) &&
           is_load_of(both->arg[0], even) && is_load_of(both->arg[1], odd);
}

/* Reads a loop over blocks of words, each of which adds two chains to the variable `sum`. */
static const char *read_blocks(const fv_stmt *loop, const fv_buf *sum, fv_matrix *m) {
    const fv_stmt *even = loop->body.first, *odd = even->next, *words = odd ? odd->next : NULL,
                  *total = words ? words->next : NULL;
    int64_t blocks;
    bool is = counts_from_0(loop) && total && !total->next && declares_sum(even) &&
              declares_sum(odd) && is_zero(even->x) && is_zero(odd->x) && counts_from_0(words) &&
              assigns(total, sum) && adds_chains(total->x, sum, even->buf, odd->buf);
    const fv_stmt *first = is ? words->body.first : NULL, *second = first ? first->next : NULL;
    if (!second || second->next || !assigns(first, even->buf) || !assigns(second, odd->buf) ||
        second->x->op != FV_X_DOT_BF16_ODD || !is_load_of(second->x->arg[2], odd->buf))
        return "a block of a matrix is two variables of i32, a serial loop that adds products of "
               "bf16 to them, and their addition to the sum";
    if (!fv_x_is_int(loop->loop.hi, &blocks) || !fv_x_is_int(words->loop.hi, &m->steps) ||
        blocks < 1 || m->steps < 1 || m->steps > FV_MATRIX_SIDE ||
        (blocks > 1 && m->steps < FV_MATRIX_SIDE) ||
        __builtin_mul_overflow(blocks, m->steps, &m->steps))
        return "a block of a matrix has 1 to 16 words in a row, 16 if there are several";
    m->vars.block = loop->var;
    m->vars.step = words->var;
    if (!read_product(first->x, even->buf, m))
        return "a block of a matrix adds products of two words, each of which is two bf16 or an "
               "i32 in memory";
    for (int i = 0; i < 2; i++)
        if (!fv_x_equal(first->x->arg[i], second->x->arg[i]))
            return "the chains of a matrix are of the same words";
    return NULL;
}

/* Reads the statements of one sum. */
static const char *read_sum(const fv_block *body, fv_matrix *m) {
    const fv_stmt *tile = body->first, *loop = tile ? tile->next : NULL,
                  *store = loop ? loop->next : NULL;
    bool is = store && !store->next && declares_sum(tile) && loop->kind == FV_S_FOR &&
              store->kind == FV_S_STORE && !store->mask && store->buf != tile->buf &&
              store->buf->lanes == 1 && is_load_of(store->x, tile->buf);
    if (!is)
        return "a sum of a matrix is a variable of i32, a serial loop that adds to it, and its "
               "store";
    m->store = store;
    m->adds = is_load_of(tile->x, store->buf);
    for (int i = 0; m->adds && i < store->buf->rank; i++)
        m->adds = fv_x_equal(tile->x->arg[i], store->index[i]);
    if (!m->adds && !is_zero(tile->x))
        return "a sum of a matrix begins with 0, or with the element that is stored";
    const bool blocks = loop->body.first && loop->body.first->kind == FV_S_TILE;
    return blocks ? read_blocks(loop, tile->buf, m) : read_words(loop, tile->buf, m);
}

static bool reads_no_memory(const fv_expr *x, int rank) {
    for (int i = 0; i < rank; i++)
        if (fv_x_has_load(x->arg[i]))
            return false;
    return true;
}

/* Do rows of sums have different indices, apart from the last index, which all have in common? */
static bool rows_are_apart(const fv_stmt *s, const fv_var *row) {
    bool apart = false;
    int64_t by;
    for (int i = 0; i < s->buf->rank; i++) {
        if (!grows(s->index[i], row, &by) || (by && i == s->buf->rank - 1))
            return false;
        apart |= by != 0;
    }
    return apart;
}

/* Checks the prefetches: their distance in memory, and the cache into which they load. */
static const char *check_prefetches(const fv_matrix *m) {
    const fv_stmt *s = m->prefetch.of;
    bool loads = s && fv_x_has_load(m->prefetch.lines);
    for (int i = 0; s && i < s->buf->rank; i++)
        loads |= fv_x_has_load(s->index[i]);
    if (loads)
        return "a prefetch in a matrix loads an element";
    if (s && (s->cache != 2 || !all_grow(s->index, s->buf->rank, m->prefetch.line, 0, true)))
        return "a matrix prefetches elements at a constant distance, to a cache of level 2";
    return NULL;
}

/* If there are several blocks: does each index of a word grow from block to block as it does over
 * the words of a block? */
static bool blocks_follow(const fv_matrix *m, const fv_expr *load) {
    int64_t step, block, all;
    const bool several = m->vars.block && m->steps > FV_MATRIX_SIDE;
    bool follow = true;
    for (int i = 0; several && i < load->u.buf->rank && follow; i++)
        follow = grows(load->arg[i], m->vars.step, &step) &&
                 grows(load->arg[i], m->vars.block, &block) &&
                 !__builtin_mul_overflow(step, FV_MATRIX_SIDE, &all) && block == all;
    return follow;
}

/* Checks how the words and sums are arranged in memory. */
static const char *check_places(const fv_matrix *m) {
    const fv_stmt *s = m->store;
    const int a = m->a->u.buf->rank, b = m->b->u.buf->rank;
    bool loads = !reads_no_memory(m->a, a) || !reads_no_memory(m->b, b);
    for (int i = 0; i < s->buf->rank; i++)
        loads |= fv_x_has_load(s->index[i]);
    if (loads)
        return "an index in a matrix loads an element";
    if (!all_grow(m->a->arg, a, m->vars.row, 0, true) ||
        !all_grow(m->a->arg, a, m->vars.step, elements_of_word((fv_elem)m->a->type.elem), false) ||
        !blocks_follow(m, m->a) || !all_grow(m->a->arg, a, m->vars.column, 0, false) ||
        !all_grow(m->a->arg, a, m->vars.group, 0, false))
        return "the words of a row of a matrix are not contiguous, or rows are no constant "
               "distance "
               "apart";
    if (!all_grow(m->b->arg, b, m->vars.step, 0, true) ||
        !all_grow(m->b->arg, b, m->vars.column, elements_of_word((fv_elem)m->b->type.elem),
                  false) ||
        !blocks_follow(m, m->b) || !all_grow(m->b->arg, b, m->vars.row, 0, false))
        return "the words of a step of a matrix are not contiguous, or steps are no constant "
               "distance apart";
    if (!all_grow(s->index, s->buf->rank, m->vars.column, 1, false) ||
        (m->groups > 1 &&
         !all_grow(s->index, s->buf->rank, m->vars.group, FV_MATRIX_SIDE, false)) ||
        (m->most_rows > 1 && !rows_are_apart(s, m->vars.row)))
        return "the sums of a row of a matrix are not contiguous, or rows are no constant distance "
               "apart";
    return NULL;
}

const char *fv_matrix_read(const fv_stmt *s, fv_matrix *out) {
    const fv_block *body = NULL;
    *out = (fv_matrix){0};
    const char *why = read_loops(s, out, &body);
    why = why ? why : read_sum(body, out);
    why = why ? why : check_prefetches(out);
    return why ? why : check_places(out);
}

/* ---- caches ---- */

bool fv_matrix_rows_evict(const fv_matrix *m, const fv_caches *caches) {
    const int64_t word = 4, rows = m->most_rows * m->steps * word,
                  columns = m->groups * FV_MATRIX_SIDE * m->steps * word;
    return columns < caches->l1_bytes && (rows + columns) * 4 > caches->l1_bytes * 3;
}

/* ---- expressions without expansion ---- */

static bool is_plain_op(fv_expr_op op) {
    switch ((int)op) {
    case FV_X_CONST:
    case FV_X_VAR:
    case FV_X_LOAD:
    case FV_X_ADD:
    case FV_X_SUB:
    case FV_X_MUL:
    case FV_X_DIV:
    case FV_X_REM:
    case FV_X_FLOORDIV:
    case FV_X_FLOORMOD:
    case FV_X_MIN:
    case FV_X_MAX:
    case FV_X_NEG:
    case FV_X_ABS:
    case FV_X_AND:
    case FV_X_OR:
    case FV_X_XOR:
    case FV_X_NOT:
    case FV_X_SHL:
    case FV_X_SHR:
    case FV_X_LT:
    case FV_X_LE:
    case FV_X_EQ:
    case FV_X_NE:
    case FV_X_SELECT:
    case FV_X_CONVERT: return true;
    default: return false;
    }
}

static bool all_plain(fv_arena *a, int n, fv_expr *const *roots) {
    const fv_expr *x;
    for (int i = 0; i < n; i++)
        for (fv_x_visitor v = fv_x_visit(a, roots[i]); (x = fv_x_next(&v));) {
            fv_elem e = (fv_elem)x->type.elem;
            if (!is_plain_op((fv_expr_op)x->op) || x->type.lanes != 1 || fv_elem_is_float(e) ||
                fv_elem_is_storage(e))
                return false;
        }
    return true;
}

bool fv_matrix_is_plain(fv_arena *a, const fv_matrix *m) {
    const fv_matrix_prefetch *p = &m->prefetch;
    if (p->of && (!all_plain(a, 1, &p->lines) || !all_plain(a, p->of->buf->rank, p->of->index)))
        return false;
    return all_plain(a, 1, &m->rows) && all_plain(a, m->a->u.buf->rank, m->a->arg) &&
           all_plain(a, m->b->u.buf->rank, m->b->arg) &&
           all_plain(a, m->store->buf->rank, m->store->index);
}
