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
    m->row = row->var;
    m->rows = row->loop.hi;
    m->group = group->var;
    m->column = column->var;
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

/* The load of a word: of an i32, or of the four bytes that x converts to one; NULL: x is something
 * else. */
static const fv_expr *load_of_word(const fv_expr *x) {
    if (x->op == FV_X_LOAD && x->type.elem == FV_I32 && x->type.lanes == 1)
        return x->u.buf->lanes == 1 ? x : NULL;
    if (x->op != FV_X_BITCAST || x->type.elem != FV_I32 || x->type.lanes != 1)
        return NULL;
    const fv_expr *l = x->arg[0];
    bool is = l->op == FV_X_LOAD && l->type.lanes == 4 && l->u.buf->lanes == 1 &&
              (l->type.elem == FV_I8 || l->type.elem == FV_U8);
    return is ? l : NULL;
}

/* The number of elements of a word. */
static int elements_of_word(const fv_expr *load) {
    return load->type.elem == FV_I32 ? 1 : 4;
}

static bool is_load_of(const fv_expr *x, const fv_buf *b) {
    return x->op == FV_X_LOAD && x->u.buf == b && x->type.lanes == 1;
}

/* Reads the operands of the sum of products: the rows are the one that does not depend on the
 * column. */
static const char *read_product(const fv_expr *x, const fv_buf *sum, fv_matrix *m) {
    bool is = x->op == FV_X_DOT_U8_I8 || x->op == FV_X_DOT_I8_I8 || x->op == FV_X_DOT_U8_U8;
    const fv_expr *l[2] = {NULL, NULL};
    if (is && is_load_of(x->arg[2], sum)) {
        l[0] = load_of_word(x->arg[0]);
        l[1] = load_of_word(x->arg[1]);
    }
    if (!l[0] || !l[1])
        return "a matrix adds to a sum a product of two words, each of which is four bytes or an "
               "i32 in memory";
    m->op = (fv_expr_op)x->op;
    m->operand = fv_x_uses(l[0], m->column);
    m->a = l[m->operand];
    m->b = l[1 - m->operand];
    if (m->operand && m->op != FV_X_DOT_U8_I8)
        m->operand = 0; /* the operands of the others may be exchanged */
    return NULL;
}

/* Reads the statements of one sum. */
static const char *read_sum(const fv_block *body, fv_matrix *m) {
    const fv_stmt *tile = body->first, *loop = tile ? tile->next : NULL,
                  *store = loop ? loop->next : NULL;
    const char *form = "a sum of a matrix is a variable of i32, a serial loop that adds to it, and "
                       "its store";
    bool is = store && !store->next && tile->kind == FV_S_TILE && tile->buf->rank == 0 &&
              tile->buf->elem == FV_I32 && tile->buf->lanes == 1 && tile->x &&
              loop->kind == FV_S_FOR && store->kind == FV_S_STORE && !store->mask &&
              store->buf != tile->buf && store->buf->lanes == 1 && is_load_of(store->x, tile->buf);
    const fv_stmt *add = is ? loop->body.first : NULL;
    if (!add || !counts_from_0(loop) || add->next || add->kind != FV_S_STORE ||
        add->buf != tile->buf || add->mask)
        return form;
    if (!fv_x_is_int(loop->loop.hi, &m->steps) || m->steps < 1 ||
        (m->steps > FV_MATRIX_SIDE && m->steps % FV_MATRIX_SIDE))
        return "a matrix has 1 to 16 words in a row, or a multiple of 16";
    m->step = loop->var;
    m->store = store;
    m->adds = is_load_of(tile->x, store->buf);
    for (int i = 0; m->adds && i < store->buf->rank; i++)
        m->adds = fv_x_equal(tile->x->arg[i], store->index[i]);
    if (!m->adds && !(tile->x->op == FV_X_CONST && tile->x->u.i == 0))
        return "a sum of a matrix begins with 0, or with the element that is stored";
    return read_product(add->x, tile->buf, m);
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

/* Checks how the words and sums are arranged in memory. */
static const char *check_places(const fv_matrix *m) {
    const fv_stmt *s = m->store;
    const int a = m->a->u.buf->rank, b = m->b->u.buf->rank;
    bool loads = !reads_no_memory(m->a, a) || !reads_no_memory(m->b, b);
    for (int i = 0; i < s->buf->rank; i++)
        loads |= fv_x_has_load(s->index[i]);
    if (loads)
        return "an index in a matrix loads an element";
    if (!all_grow(m->a->arg, a, m->row, 0, true) ||
        !all_grow(m->a->arg, a, m->step, elements_of_word(m->a), false) ||
        !all_grow(m->a->arg, a, m->column, 0, false) || !all_grow(m->a->arg, a, m->group, 0, false))
        return "the words of a row of a matrix are not contiguous, or rows are no constant "
               "distance "
               "apart";
    if (!all_grow(m->b->arg, b, m->step, 0, true) ||
        !all_grow(m->b->arg, b, m->column, elements_of_word(m->b), false) ||
        !all_grow(m->b->arg, b, m->row, 0, false))
        return "the words of a step of a matrix are not contiguous, or steps are no constant "
               "distance apart";
    if (!all_grow(s->index, s->buf->rank, m->column, 1, false) ||
        (m->groups > 1 && !all_grow(s->index, s->buf->rank, m->group, FV_MATRIX_SIDE, false)) ||
        (m->most_rows > 1 && !rows_are_apart(s, m->row)))
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
