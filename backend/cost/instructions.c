/* instructions.c - see instructions.h. */
#include "backend/cost/instructions.h"

#include <math.h>

#include "backend/cost/repeats.h"
#include "ir/expr/picks.h"
#include "ir/expr/visit.h"

/* The part of the peak rate of vector operations that a mixture of operations reaches: the units
 * differ in the operations that they execute, so not all of them are always busy. */
#define BALANCE 0.75

/* The part of the loads that are instructions; the others are operands of other instructions. */
#define LOADING 0.5

/* Cycles from the address of a load to its value; from storing a value to having loaded it again;
 * and the same if the load reads more than the store wrote. */
enum { LOAD_CYCLES = 7, AGAIN_CYCLES = 10, STALL_CYCLES = 20 };

/* Cycles of moving a part of a register to its begin: between lanes of 16 bytes, and within one. */
enum { LANE = 16, ACROSS_CYCLES = 3, WITHIN_CYCLES = 1 };

/* ---- what an operation costs ---- */

/* The instructions of an operation on one vector, and the cycles until its result can be used. */
typedef struct price {
    double vectors, multiplies, latency;
} price;

static price price_of_float(fv_expr_op op) {
    switch ((int)op) {
    case FV_X_FMA:
    case FV_X_MUL: return (price){1, 1, 4};
    case FV_X_ADD:
    case FV_X_SUB: return (price){1, 0, 3};
    case FV_X_FLOOR:
    case FV_X_CEIL:
    case FV_X_TRUNC:
    case FV_X_RINT: return (price){1, 0, 3};
    case FV_X_DIV: return (price){1, 0, 10};
    case FV_X_SQRT: return (price){1, 0, 14};
    case FV_X_CONVERT:
    case FV_X_CONVSAT: return (price){2, 0, 4};
    case FV_X_DOT_BF16: return (price){2, 2, 8};
    case FV_X_SCALEB: return (price){2, 0, 3};
    default: return (price){1, 0, 1};
    }
}

static price price_of_integer(fv_expr_op op) {
    switch ((int)op) {
    case FV_X_MUL: return (price){1, 1, 3};
    case FV_X_MULHI: return (price){3, 2, 6};
    case FV_X_CONVERT: return (price){1, 0, 3};
    case FV_X_DOT_U8_I8:
    case FV_X_DOT_I8_I8:
    case FV_X_DOT_U8_U8:
    case FV_X_DOT_I16_I8_EVEN:
    case FV_X_DOT_I16_I8_ODD:
    case FV_X_DOT16_I8_I8:
    case FV_X_DOT16_U8_U8:
    case FV_X_DOT_I16_I16: return (price){2 * BALANCE, 1, 4};   /* any unit adds integers */
    case FV_X_DOT_U8_I8_SAT: return (price){3 * BALANCE, 2, 9}; /* two products, then the sum */
    default: return (price){1, 0, 1};
    }
}

static bool is_literal(const fv_expr *x) {
    return x->op == FV_X_CONST || (x->op == FV_X_SPLAT && x->arg[0]->op == FV_X_CONST);
}

/* Is x a literal other than 0? */
static bool is_nonzero(const fv_expr *x) {
    const fv_expr *of = x->op == FV_X_SPLAT ? x->arg[0] : x;
    return of->op == FV_X_CONST && of->u.f != 0;
}

/* The price of a min or max. With floats, NaN and the signs of zeros take more instructions, fewer
 * if one operand is a literal. */
static price price_of_extremum(const fv_expr *x) {
    if (!fv_elem_is_float((fv_elem)x->type.elem) || is_nonzero(x->arg[0]) || is_nonzero(x->arg[1]))
        return (price){1, 0, 1};
    return is_literal(x->arg[0]) || is_literal(x->arg[1]) ? (price){2, 0, 2} : (price){5, 0, 5};
}

/* The value that x limits by literals from below and above; NULL: x limits none. */
static const fv_expr *limited(const fv_expr *x) {
    unsigned limits = 0;
    for (; x->op == FV_X_MIN || x->op == FV_X_MAX; x = x->arg[0]) {
        if (!is_literal(x->arg[1]))
            return NULL;
        limits |= x->op == FV_X_MIN ? 1 : 2;
    }
    return limits == 3 ? x : NULL;
}

/* The price of a conversion. Floats to integers saturate, and NaN becomes 0, which takes several
 * instructions, fewer if the value is limited by literals: then a rounding before that is part of
 * the conversion. A narrower type needs one more, which moves elements. */
static price price_of_conversion(const fv_expr *x) {
    fv_elem to = (fv_elem)x->type.elem, from = (fv_elem)x->arg[0]->type.elem;
    if (x->arg[0]->op == FV_X_RINT && x->arg[0]->type.lanes == 1)
        return (price){1, 0, 2}; /* the conversion rounds (single.nearest of the target) */
    if (fv_elem_is_float(from) && !fv_elem_is_float(to) && to != FV_BOOL) {
        const fv_expr *of = limited(x->arg[0]);
        bool rounds = of && of->op == FV_X_RINT;
        return of ? (price){rounds ? 2 : 3, 0, 5} : (price){7, 0, 8};
    }
    bool narrower = fv_elem_storage_bytes(to) < fv_elem_storage_bytes(from);
    return narrower ? (price){2, 0, 4} : (price){1, 0, 3};
}

static price price_of(const fv_expr *x) {
    switch ((int)x->op) {
    case FV_X_MIN:
    case FV_X_MAX: return price_of_extremum(x);
    case FV_X_CONVERT: return price_of_conversion(x);
    case FV_X_CONST:
    case FV_X_VAR:
    case FV_X_LOAD:
    case FV_X_GUARD:
    case FV_X_BITCAST:
    case FV_X_DIM: return (price){0, 0, 0};
    default:
        return fv_elem_is_float((fv_elem)x->type.elem) ? price_of_float((fv_expr_op)x->op)
                                                       : price_of_integer((fv_expr_op)x->op);
    }
}

/* The instructions of an operation on one integer. */
static int price_of_scalar(const fv_expr *x) {
    int64_t by;
    switch ((int)x->op) {
    case FV_X_CONST:
    case FV_X_VAR:
    case FV_X_BITCAST:
    case FV_X_REQUIRE: return 0;
    case FV_X_CONVERT: return x->arg[0]->op != FV_X_LOAD; /* loads widen integers */
    case FV_X_DIV:
    case FV_X_REM:
    case FV_X_FLOORDIV:
    case FV_X_FLOORMOD:
        return !fv_x_is_int(x->arg[1], &by) ? 16 : by > 0 && !(by & (by - 1)) ? 1 : 8;
    default: return 1;
    }
}

/* ---- loops on which values depend ---- */

void fv_instruction_bind(fv_instruction_counter *c, const fv_var *v, fv_loop_set loops) {
    void **at = fv_ptrmap_at(&c->loops, v);
    if (!*at)
        *at = FV_NEW(c->arena, fv_loop_set, 1);
    *(fv_loop_set *)*at = loops;
}

static fv_loop_set innermost(const fv_instruction_counter *c) {
    return c->depth ? (fv_loop_set)1 << (c->depth - 1) : 0;
}

/* The buffers that a loop stores, and the loop around it. */
typedef struct loop_stores {
    struct loop_stores *outer;
    fv_ptrmap buffers; /* fv_buf -> not NULL */
} loop_stores;

/* Does the innermost loop store elements of the buffer? */
static bool is_stored_in(const fv_instruction_counter *c, const fv_buf *b) {
    const loop_stores *of = c->loop ? fv_ptrmap_get(&c->stores, c->loop) : NULL;
    return !of || fv_ptrmap_get(&of->buffers, b);
}

/* An element of a buffer that the innermost loop stores depends on that loop, since any iteration
 * may have stored it. */
fv_loop_set fv_loops_of(const fv_instruction_counter *c, const fv_expr *x) {
    const fv_loop_set *of = x->op == FV_X_VAR ? fv_ptrmap_get(&c->loops, x->u.var) : NULL;
    fv_loop_set loops = of ? *of : 0;
    if ((x->op == FV_X_LOAD || x->op == FV_X_GUARD) && x->u.buf->role != FV_BUF_IN &&
        is_stored_in(c, x->u.buf))
        loops |= innermost(c);
    for (int i = 0; i < x->n; i++)
        loops |= fv_loops_of(c, x->arg[i]);
    return loops;
}

/* ---- tiles ---- */

bool fv_is_in_registers(const fv_instruction_counter *c, const fv_buf *b) {
    return b->role == FV_BUF_TILE && !fv_ptrmap_get(&c->arrays, b);
}

static int64_t elements_of(const fv_buf *tile) {
    int64_t n = 1;
    for (int i = 0; i < tile->rank; i++)
        n *= fv_x_int_value(tile->extent[i]);
    return n;
}

static void note_array(fv_instruction_counter *c, const fv_buf *b, fv_expr *const *index) {
    int64_t value;
    for (int i = 0; b->role == FV_BUF_TILE && i < b->rank; i++)
        if (!fv_x_is_int(index[i], &value))
            *fv_ptrmap_at(&c->arrays, b) = c;
}

static void find_arrays_of(fv_instruction_counter *c, const fv_expr *root) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(c->arena, root); (x = fv_x_next(&v));)
        if (x->op == FV_X_LOAD || x->op == FV_X_GUARD)
            note_array(c, x->u.buf, x->arg);
}

static void find_arrays(fv_instruction_counter *c, const fv_block *block) {
    for (const fv_stmt *s = block->first; s; s = s->next) {
        if (s->kind == FV_S_STORE)
            note_array(c, s->buf, s->index);
        if (s->x)
            find_arrays_of(c, s->x);
        find_arrays(c, &s->body);
        find_arrays(c, &s->other);
    }
}

/* Notes for each loop of the block which buffers it stores; `within`: the loop around the block. */
static void find_stores(fv_instruction_counter *c, const fv_block *block, loop_stores *within) {
    for (const fv_stmt *s = block->first; s; s = s->next) {
        loop_stores *body = within;
        if (s->kind == FV_S_FOR) {
            body = FV_NEW(c->arena, loop_stores, 1);
            *body = (loop_stores){within, fv_ptrmap_in(c->arena)};
            *fv_ptrmap_at(&c->stores, s) = body;
        }
        for (loop_stores *l = s->kind == FV_S_STORE || s->kind == FV_S_TILE ? within : NULL; l;
             l = l->outer)
            *fv_ptrmap_at(&l->buffers, s->buf) = c;
        find_stores(c, &s->body, body);
        find_stores(c, &s->other, body);
    }
}

fv_instruction_counter fv_instruction_counter_new(fv_arena *a, const fv_target *t,
                                                  const fv_kernel *k) {
    fv_instruction_counter c = {.arena = a,
                                .target = t,
                                .loops = fv_ptrmap_in(a),
                                .arrays = fv_ptrmap_in(a),
                                .loaded = fv_ptrmap_in(a),
                                .stores = fv_ptrmap_in(a),
                                .latencies = fv_ptrmap_in(a),
                                .repeats = fv_find_repeats(a, k)};
    int datapath = (int)fv_measure_of(t, FV_MEASURE_datapath), bytes = t->vector_bits / 8;
    c.least_part = datapath > 0 && datapath < bytes ? datapath / (double)bytes : 1;
    find_arrays(&c, &k->body);
    find_stores(&c, &k->body, NULL);
    return c;
}

/* ---- counting ---- */

typedef struct tally {
    fv_instruction_counter *c;
    const fv_stmt *of;
    fv_instructions *inside, *before;
} tally;

/* The number of registers that a value fills; at least the part of a register on which a unit works
 * at a time. */
static double registers(const tally *t, const fv_expr *x) {
    int bits = t->c->target->vector_bits;
    double n = bits ? 8.0 * x->type.lanes * fv_elem_storage_bytes((fv_elem)x->type.elem) / bits : 1;
    return fmax(n, t->c->least_part);
}

/* Counts what an instruction on n < 1 registers is besides that part of a whole one's work for its
 * unit: the core begins an instruction all the same. */
static void count_whole(fv_instructions *to, double n, double instructions) {
    to->integers += n < 1 ? (1 - n) * instructions : 0;
}

static void count(tally *t, const fv_expr *x);

/* Counts an index: sums and products are part of an address. */
static void count_index(tally *t, const fv_expr *x) {
    if (x->op != FV_X_ADD && x->op != FV_X_SUB && x->op != FV_X_MUL) {
        count(t, x);
        return;
    }
    for (int i = 0; i < x->n; i++)
        count_index(t, x->arg[i]);
}

/* The first byte of a register that a load of a part of a tile reads, if the tile is in registers
 * and the load is narrower than they are: such a part is moved to the begin of another register
 * first. Otherwise 0. */
static int64_t first_byte(const fv_instruction_counter *c, const fv_expr *x) {
    const fv_buf *b = x->u.buf;
    int64_t bytes = c->target->vector_bits / 8, element = fv_elem_storage_bytes(b->elem);
    if (b->rank == 0 || b->lanes > 1 || bytes == 0 || x->type.lanes * element >= bytes ||
        !fv_elem_storage_bytes((fv_elem)x->type.elem) || !fv_is_in_registers(c, b))
        return 0;
    return fv_x_int_value(x->arg[b->rank - 1]) * element % bytes;
}

static void count_load(tally *t, const fv_expr *x, fv_instructions *to) {
    bool gathers = false;
    for (int i = 0; i < x->u.buf->rank; i++) {
        gathers |= x->arg[i]->type.lanes > 1;
        count_index(t, x->arg[i]);
    }
    for (int i = x->u.buf->rank; i < x->n; i++)
        count(t, x->arg[i]);
    /* elements at constant distances are loaded as vectors, and moved to their lanes */
    fv_picked p;
    const bool picks = gathers && fv_x_picks(t->c->arena, x, &p);
    const double elements = picks ? p.parts * registers(t, x) : x->type.lanes;
    if (!fv_is_in_registers(t->c, x->u.buf)) {
        double n = gathers ? elements : registers(t, x);
        to->loads += n;
        count_whole(to, n, LOADING);
    } else if (first_byte(t->c, x))
        to->vectors++;
    if (gathers)
        to->vectors += elements;
    if (x->op == FV_X_GUARD)
        to->integers += 1;
}

static const fv_expr *without_bitcast(const fv_expr *x) {
    while (x->op == FV_X_BITCAST)
        x = x->arg[0];
    return x;
}

/* Copying an element to all lanes is part of the load that reads it, also of a word of four
 * bytes. */
static bool is_free_splat(const tally *t, const fv_expr *x) {
    if (x->op != FV_X_SPLAT)
        return false;
    const fv_expr *of = without_bitcast(x->arg[0]);
    return (of->op == FV_X_LOAD || of->op == FV_X_CONST ||
            (of->op == FV_X_VAR && fv_ptrmap_get(&t->c->loaded, of->u.var)));
}

static void count_operation(const tally *t, const fv_expr *x, fv_instructions *to) {
    if (x->type.lanes == 1 && !fv_elem_is_float((fv_elem)x->type.elem)) {
        to->integers += price_of_scalar(x);
        return;
    }
    price p = price_of(x);
    double n = registers(t, x);
    if (is_free_splat(t, x))
        return;
    count_whole(to, n, p.vectors);
    to->vectors += n * p.vectors;
    to->multiplies += n * p.multiplies;
    to->divisions += x->op == FV_X_DIV ? n : 0;
    to->roots += x->op == FV_X_SQRT ? n : 0;
}

static void count(tally *t, const fv_expr *x) {
    if (fv_ptrmap_get(&t->c->repeats, x) == t->of)
        return;
    bool varies = fv_loops_of(t->c, x) & innermost(t->c);
    fv_instructions *to = varies || !t->c->depth ? t->inside : t->before;
    if (x->op == FV_X_LOAD || x->op == FV_X_GUARD) {
        count_load(t, x, to);
        return;
    }
    count_operation(t, x, to);
    for (int i = 0; i < x->n; i++)
        count(t, x->arg[i]);
}

static void count_store(tally *t, const fv_stmt *s) {
    for (int i = 0; i < s->buf->rank; i++)
        count_index(t, s->index[i]);
    count(t, s->x);
    if (s->mask)
        count(t, s->mask);
    if (!fv_is_in_registers(t->c, s->buf)) {
        t->inside->stores += registers(t, s->x);
        count_whole(t->inside, registers(t, s->x), 1);
    }
}

static void count_let(tally *t, const fv_stmt *s) {
    fv_instruction_bind(t->c, s->var, fv_loops_of(t->c, s->x));
    if (without_bitcast(s->x)->op == FV_X_LOAD)
        *fv_ptrmap_at(&t->c->loaded, s->var) = t->c;
    count(t, s->x);
}

static void count_tile(tally *t, const fv_stmt *s) {
    if (s->x)
        t->inside->integers += (double)elements_of(s->buf);
}

void fv_count_instructions(fv_instruction_counter *c, const fv_stmt *s, fv_instructions *inside,
                           fv_instructions *before) {
    tally t = {c, s, inside, before};
    switch ((int)s->kind) {
    case FV_S_LET: count_let(&t, s); break;
    case FV_S_STORE: count_store(&t, s); break;
    case FV_S_TILE: count_tile(&t, s); break;
    case FV_S_PREFETCH:
        for (int i = 0; i < s->buf->rank; i++)
            count_index(&t, s->index[i]);
        inside->loads++;
        break;
    case FV_S_FOR: count(&t, s->loop.hi); break;
    case FV_S_IF:
    case FV_S_WHILE:
        count(&t, s->x);
        inside->integers++;
        break;
    default: break;
    }
}

/* ---- cycles ---- */

/* Vector operations per cycle of a mixture of operations. If all units for vectors multiply, they
 * do not differ. */
static double mixture(const fv_speeds *s) {
    double rate = BALANCE * s->vectors;
    return s->vector.bytes > 4 ? fmax(rate, fmin(s->multiplies, s->vectors)) : rate;
}

double fv_instruction_count(const fv_instructions *n) {
    return n->vectors + LOADING * n->loads + n->stores + n->integers;
}

double fv_instruction_cycles(const fv_instructions *n, const fv_speeds *s) {
    double all = fv_instruction_count(n);
    double multiplies = n->multiplies / s->multiplies + s->load_delay * n->loads;
    double units = fmax(n->multiplies > 0 ? multiplies : 0, n->vectors / mixture(s));
    double memory =
        fmax((n->loads + n->split_loads) / s->loads, (n->stores + n->split_stores) / s->stores);
    double divider = n->divisions * s->divider.division + n->roots * s->divider.root;
    return fmax(fmax(units, memory), fmax(divider, all / s->instructions));
}

/* ---- chains ---- */

/* The times at which the values of a block are known, in cycles from the time 0 at which all
 * elements of tiles are known that were stored before the block. Negative: the value depends on
 * none of these elements. */
typedef struct chain {
    const fv_instruction_counter *c;
    double begin;       /* the time of all other values from outside of the block: NEVER, or 0 */
    fv_ptrmap ready;    /* fv_var -> double */
    fv_ptrmap elements; /* fv_buf -> double[], for each element of a tile: when it was stored */
    /* whether loads take time, also those of what the block has stored to memory: `stores`, the
     * last one first */
    bool loads, stalls;
    struct past_store *stores;
} chain;

/* A store of the block, and when its value was known. */
typedef struct past_store {
    const fv_stmt *is;
    double at;
    struct past_store *before;
} past_store;

static const double NEVER = -1;

static double *slot(chain *z, fv_ptrmap *map, const void *key, int64_t n, double value) {
    void **at = fv_ptrmap_at(map, key);
    if (!*at) {
        double *v = FV_NEW(z->c->arena, double, n);
        for (int64_t i = 0; i < n; i++)
            v[i] = value;
        *at = v;
    }
    return *at;
}

/* The time at which an element of a tile in registers was stored, 0 if that was before the block;
 * NULL: the tile is in memory. */
static double *element(chain *z, const fv_buf *b, fv_expr *const *index) {
    int64_t at = 0;
    if (!fv_is_in_registers(z->c, b))
        return NULL;
    for (int i = 0; i < b->rank; i++)
        at = at * fv_x_int_value(b->extent[i]) + fv_x_int_value(index[i]);
    return slot(z, &z->elements, b, elements_of(b), 0) + at;
}

/* Is the load x of some of the elements that the store s writes? *whole: of no others. Compares
 * constant distances on the last axis. */
static bool reads(const fv_expr *x, const fv_stmt *s, bool *whole) {
    int last = s->buf->rank - 1;
    int64_t from, to;
    if (x->u.buf != s->buf || last < 0)
        return false;
    for (int i = 0; i < last; i++)
        if (!fv_x_equal(x->arg[i], s->index[i]))
            return false;
    bool same = fv_x_equal(x->arg[last], s->index[last]);
    bool constant = fv_x_is_int(x->arg[last], &from) && fv_x_is_int(s->index[last], &to);
    if (!same && !constant)
        return false;
    int64_t apart = same ? 0 : from - to;
    *whole = apart >= 0 && apart + x->type.lanes <= s->x->type.lanes;
    return apart < s->x->type.lanes && apart + x->type.lanes > 0;
}

/* The time at which the value of a load from memory is known. */
static double loaded(chain *z, const fv_expr *x) {
    for (const past_store *s = z->stores; s; s = s->before) {
        bool whole;
        if (!reads(x, s->is, &whole))
            continue;
        z->stalls |= !whole;
        return s->at + (whole ? (double)AGAIN_CYCLES : (double)STALL_CYCLES);
    }
    return z->begin + (double)LOAD_CYCLES;
}

static double ready(chain *z, const fv_expr *x) {
    double last = x->n ? NEVER : z->begin;
    if (x->op == FV_X_VAR) {
        const double *of = fv_ptrmap_get(&z->ready, x->u.var);
        return of ? *of : z->begin;
    }
    bool loads = x->op == FV_X_LOAD || x->op == FV_X_GUARD;
    if (loads && z->loads && !fv_is_in_registers(z->c, x->u.buf))
        return loaded(z, x);
    if (x->op == FV_X_LOAD) {
        const double *of = element(z, x->u.buf, x->arg);
        double stored = of ? *of : z->begin;
        int64_t part = of && stored >= 0 ? first_byte(z->c, x) : 0;
        return stored + (part >= LANE ? ACROSS_CYCLES : part ? WITHIN_CYCLES : 0);
    }
    for (int i = 0; i < x->n; i++)
        last = fmax(last, ready(z, x->arg[i]));
    return last < 0 ? NEVER : last + price_of(x).latency;
}

static double follow(chain *z, const fv_stmt *s) {
    double at = s->x ? ready(z, s->x) : NEVER, *of = NULL;
    if (s->kind == FV_S_LET)
        *slot(z, &z->ready, s->var, 1, NEVER) = at;
    if (s->kind == FV_S_TILE)
        slot(z, &z->elements, s->buf, elements_of(s->buf), z->begin);
    if (s->kind == FV_S_STORE && (of = element(z, s->buf, s->index)))
        for (int i = 0; i < (s->buf->lanes > 1 ? 1 : s->x->type.lanes); i++)
            of[i] = at;
    if (s->kind == FV_S_STORE && z->loads && !of) {
        past_store *new = FV_NEW(z->c->arena, past_store, 1);
        *new = (past_store){s, at, z->stores};
        z->stores = new;
    }
    return s->kind == FV_S_STORE ? at : NEVER;
}

static chain chain_from(const fv_instruction_counter *c, double begin) {
    return (chain){c, begin, fv_ptrmap_in(c->arena), fv_ptrmap_in(c->arena)};
}

static double longest(chain *z, const fv_block *body) {
    double last = 0;
    for (const fv_stmt *s = body->first; s; s = s->next)
        last = fmax(last, follow(z, s));
    return last;
}

double fv_chain_cycles(const fv_instruction_counter *c, const fv_block *body) {
    chain z = chain_from(c, NEVER);
    return longest(&z, body);
}

double fv_path_cycles(const fv_instruction_counter *c, const fv_block *body) {
    chain z = chain_from(c, 0);
    return longest(&z, body);
}

fv_latency fv_latency_of(const fv_instruction_counter *c, const fv_block *body) {
    chain z = chain_from(c, 0);
    z.loads = true;
    double cycles = longest(&z, body);
    return (fv_latency){cycles, z.stalls};
}
