/* gen.c - random kernels: a nest of loops over the elements of the outputs, in each of which values
 * are computed from what is in scope. All indices are in range because they are loop variables of
 * that extent, or guarded. */
#include <math.h>
#include <string.h>

#include "tests/consumers/gen.h"

enum { MAX_VALUES = 48, MAX_LOOPS = 8, MAX_BUFS = 5, MAX_RANK = 3 };

typedef struct gen {
    rng *r;
    fv_arena *a;
    const gen_options *o;
    fv_kernel *k;
    fv_kbuilder b;
    fv_expr *extents[5]; /* n0, n1, n2, two constants */
    fv_buf *in[MAX_BUFS];
    fv_expr *values[MAX_VALUES]; /* lets in scope */
    struct {
        fv_expr *var, *extent;
    } loops[MAX_LOOPS];
    int nin, nvalues, nloops;
    int budget; /* nodes */
    bool inner; /* inside a vector loop */
} gen;

/* ---- random numbers: splitmix64 ---- */

uint64_t rng_next(rng *r) {
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

int rng_below(rng *r, int n) {
    return (int)(rng_next(r) >> 33) % n;
}

bool rng_chance(rng *r, int percent) {
    return rng_below(r, 100) < percent;
}

/* ---- types ---- */

static const fv_elem arith_elems[] = {FV_F32, FV_F32, FV_F32, FV_F64, FV_I64, FV_I32, FV_U8,
                                      FV_I8,  FV_U16, FV_I16, FV_U32, FV_U64, FV_BOOL};
static const fv_elem int_elems[] = {FV_I8, FV_I16, FV_I32, FV_I64, FV_U8, FV_U16, FV_U32, FV_U64};
static const fv_elem narrow_elems[] = {FV_F16,        FV_BF16,   FV_F8E4M3FN,
                                       FV_F8E4M3FNUZ, FV_F8E5M2, FV_F8E5M2FNUZ};
static const fv_elem packed_elems[] = {FV_I4, FV_U4, FV_I2, FV_U2};
#define PICK(g, list) (list)[rng_below((g)->r, (int)(sizeof(list) / sizeof *(list)))]

static bool is_float(fv_elem e) {
    return e == FV_F32 || e == FV_F64;
}

static fv_elem any_arith(gen *g) {
    return PICK(g, arith_elems);
}

static fv_elem any_memory(gen *g) {
    return !g->o->serial && rng_chance(g->r, 15) ? PICK(g, narrow_elems) : any_arith(g);
}

/* ---- expressions ---- */

static fv_expr *value(gen *g, fv_elem e, int depth);

static double special_float(rng *r) {
    static const double list[] = {0.0,      -0.0,      1.0,    -1.0,   0.5,     1.5,     2.5,
                                  -2.5,     3.0,       127.5,  255.0,  65504.0, 1e-8,    1e-40,
                                  1e30,     -1e30,     3.4e38, 0x1p31, 0x1p63,  -0x1p63, 0x1p64,
                                  INFINITY, -INFINITY, NAN,    448.0,  464.0,   57344.0, 0.1};
    return list[rng_below(r, (int)(sizeof list / sizeof *list))];
}

static fv_expr *constant(gen *g, fv_elem e) {
    static const int64_t list[] = {0,  1,    2,     3,         7,         15,        16,
                                   63, 100,  127,   128,       255,       -1,        -2,
                                   -7, -128, 65535, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    if (is_float(e))
        return fv_x_const(g->a, e,
                          rng_chance(g->r, 50) ? special_float(g->r)
                                               : (rng_below(g->r, 4001) - 2000) / 64.0);
    return fv_x_const_int(g->a, e, e == FV_BOOL ? rng_below(g->r, 2) : PICK(g, list));
}

static fv_expr *not_negative(gen *g, fv_expr *x) {
    return fv_x_bin(g->a, FV_X_AND, x, fv_x_int(g->a, INT64_MAX));
}

/* A NaN's payload is not to be read. */
static fv_expr *no_nan(gen *g, fv_expr *x) {
    x = fv_kb_let(&g->b, "c", x);
    fv_expr *is = fv_x_bin(g->a, FV_X_EQ, x, x);
    return fv_x_select(g->a, is, x, fv_x_const(g->a, (fv_elem)x->type.elem, 0));
}

/* An index into an axis of that extent; where it is not surely inside, *guard becomes the test. */
static fv_expr *index_of(gen *g, fv_expr *extent, fv_expr **guard, int depth) {
    for (int i = g->nloops - 1; i >= 0; i--)
        if (g->loops[i].extent == extent && rng_chance(g->r, 80)) {
            if (rng_chance(g->r, 85))
                return g->loops[i].var;
            fv_expr *last = fv_x_bin(g->a, FV_X_SUB, extent, fv_x_int(g->a, 1));
            return fv_x_bin(g->a, FV_X_SUB, last, g->loops[i].var); /* backwards: a gather */
        }
    fv_expr *x = fv_x_int(g->a, rng_below(g->r, 3));
    if (g->nloops && rng_chance(g->r, 60))
        x = fv_x_bin(g->a, rng_chance(g->r, 50) ? FV_X_ADD : FV_X_SUB,
                     g->loops[rng_below(g->r, g->nloops)].var, x);
    else if (rng_chance(g->r, 50))
        x = fv_x_bin(g->a, FV_X_FLOORMOD, value(g, FV_I64, depth), extent);
    x = fv_kb_let(&g->b, "i", x);
    fv_expr *inside = fv_x_bin(g->a, FV_X_AND, fv_x_bin(g->a, FV_X_LE, fv_x_int(g->a, 0), x),
                               fv_x_bin(g->a, FV_X_LT, x, extent));
    *guard = *guard ? fv_x_bin(g->a, FV_X_AND, *guard, inside) : inside;
    return x;
}

static fv_expr *storage_constant(gen *g, fv_elem e) {
    fv_elem from = fv_elem_arith(e);
    return fv_x_convert(g->a, e, constant(g, from));
}

/* An element of a parameter, of its own type. */
static fv_expr *element(gen *g, fv_buf *b, int depth) {
    fv_expr *index[MAX_RANK], *guard = NULL;
    for (int i = 0; i < b->rank; i++)
        index[i] = index_of(g, b->extent[i], &guard, depth);
    if (!guard)
        return fv_x_load(g->a, b, index);
    return fv_x_guard(g->a, b, index, guard, storage_constant(g, b->elem));
}

static fv_expr *loaded(gen *g, fv_elem e, int depth) {
    if (g->nin == 0)
        return constant(g, e);
    fv_buf *b = g->in[rng_below(g->r, g->nin)];
    for (int i = 0; i < g->nin && rng_chance(g->r, 70); i++) /* rather one of the type */
        if (g->in[i]->elem == e)
            b = g->in[i];
    return fv_x_convert(g->a, e, element(g, b, depth));
}

static fv_expr *leaf(gen *g, fv_elem e, int depth) {
    for (int i = 0; i < 6 && g->nvalues; i++) {
        fv_expr *x = g->values[rng_below(g->r, g->nvalues)];
        if (x->type.elem == e)
            return x;
    }
    if (e == FV_I64 && g->nloops && rng_chance(g->r, 40))
        return g->loops[rng_below(g->r, g->nloops)].var;
    return rng_chance(g->r, 65) ? loaded(g, e, depth) : constant(g, e);
}

static fv_expr *binary(gen *g, fv_expr_op op, fv_elem e, int depth) {
    fv_expr *x = value(g, e, depth), *y = value(g, e, depth);
    return fv_x_bin(g->a, op, x, y);
}

/* Through a type that is only stored. */
static fv_expr *rounded(gen *g, fv_elem e, int depth) {
    if (rng_chance(g->r, 30)) {
        fv_expr *x = value(g, any_arith(g), depth);
        return fv_x_convert(g->a, e, fv_x_convert(g->a, PICK(g, packed_elems), x));
    }
    fv_elem to = PICK(g, narrow_elems);
    fv_expr_op op = is_float(e) && rng_chance(g->r, 40) ? FV_X_CONVSAT : FV_X_CONVERT;
    return fv_x_convert(g->a, e, fv_x_cast(g->a, op, to, value(g, e, depth)));
}

static fv_expr *converted(gen *g, fv_elem e, int depth) {
    return fv_x_convert(g->a, e, value(g, any_arith(g), depth));
}

static fv_expr *selected(gen *g, fv_elem e, int depth) {
    fv_expr *c = value(g, FV_BOOL, depth), *x = value(g, e, depth);
    return fv_x_select(g->a, c, x, value(g, e, depth));
}

static fv_expr *math(gen *g, fv_elem e, int depth) {
    int op = FV_X_EXP + rng_below(g->r, FV_X_FREM - FV_X_EXP + 1);
    if (op == FV_X_POW || op == FV_X_FREM)
        return binary(g, (fv_expr_op)op, e, depth);
    return fv_x_un(g->a, (fv_expr_op)op, value(g, e, depth));
}

static fv_expr *float_value(gen *g, fv_elem e, int depth) {
    static const fv_expr_op two[] = {FV_X_ADD, FV_X_SUB, FV_X_MUL, FV_X_DIV, FV_X_MIN, FV_X_MAX};
    static const fv_expr_op one[] = {FV_X_NEG,  FV_X_ABS,   FV_X_SQRT, FV_X_FLOOR,
                                     FV_X_CEIL, FV_X_TRUNC, FV_X_RINT};
    int kind = rng_below(g->r, 100);
    if (kind < 40)
        return binary(g, PICK(g, two), e, depth);
    if (kind < 52) {
        fv_expr *x = value(g, e, depth), *y = value(g, e, depth);
        return fv_x_fma(g->a, x, y, value(g, e, depth));
    }
    if (kind < 66)
        return fv_x_un(g->a, PICK(g, one), value(g, e, depth));
    if (kind < 76)
        return selected(g, e, depth);
    if (kind < 84 && g->o->math && e == FV_F32)
        return math(g, e, depth);
    if (kind < 88 && !g->o->serial)
        return rounded(g, e, depth);
    if (kind < 91)
        return fv_x_cast(g->a, FV_X_BITCAST, e, value(g, e == FV_F32 ? FV_U32 : FV_I64, depth));
    return converted(g, e, depth);
}

static fv_expr *int_value(gen *g, fv_elem e, int depth) {
    static const fv_expr_op two[] = {FV_X_ADD,      FV_X_SUB,      FV_X_MUL, FV_X_DIV, FV_X_REM,
                                     FV_X_FLOORDIV, FV_X_FLOORMOD, FV_X_MIN, FV_X_MAX, FV_X_AND,
                                     FV_X_OR,       FV_X_XOR,      FV_X_SHL, FV_X_SHR};
    static const fv_expr_op one[] = {FV_X_NEG, FV_X_ABS, FV_X_NOT};
    static const fv_expr_op sizes[] = {FV_X_ADDSAT, FV_X_MULSAT};
    int kind = rng_below(g->r, 100);
    if (kind < 50)
        return binary(g, PICK(g, two), e, depth);
    if (kind < 60)
        return fv_x_un(g->a, PICK(g, one), value(g, e, depth));
    if (kind < 70)
        return selected(g, e, depth);
    if (kind < 75 && (e == FV_U32 || e == FV_U64))
        return binary(g, FV_X_MULHI, e, depth);
    if (kind < 75 && e == FV_I64) {
        fv_expr *x = not_negative(g, value(g, e, depth));
        return fv_x_bin(g->a, PICK(g, sizes), x, not_negative(g, value(g, e, depth)));
    }
    if (kind < 80 && fv_elem_bits(e) >= 32)
        return fv_x_cast(g->a, FV_X_BITCAST, e,
                         no_nan(g, value(g, fv_elem_bits(e) == 32 ? FV_F32 : FV_F64, depth)));
    if (kind < 84 && !g->o->serial)
        return rounded(g, e, depth);
    return converted(g, e, depth);
}

static fv_expr *bool_value(gen *g, int depth) {
    static const fv_expr_op compare[] = {FV_X_LT, FV_X_LE, FV_X_EQ, FV_X_NE};
    static const fv_expr_op logic[] = {FV_X_AND, FV_X_OR, FV_X_XOR};
    int kind = rng_below(g->r, 100);
    if (kind < 55) {
        fv_elem e = any_arith(g);
        return binary(g, e == FV_BOOL ? FV_X_EQ : PICK(g, compare), e, depth);
    }
    if (kind < 75)
        return binary(g, PICK(g, logic), FV_BOOL, depth);
    if (kind < 85)
        return fv_x_un(g->a, FV_X_NOT, value(g, FV_BOOL, depth));
    if (kind < 88 && g->o->require)
        return fv_x_un(g->a, FV_X_REQUIRE, value(g, FV_BOOL, depth));
    return kind < 93 ? selected(g, FV_BOOL, depth) : converted(g, FV_BOOL, depth);
}

static fv_expr *value(gen *g, fv_elem e, int depth) {
    if (depth <= 0 || g->budget <= 0 || rng_chance(g->r, 12))
        return leaf(g, e, depth - 1);
    g->budget--;
    if (e == FV_BOOL)
        return bool_value(g, depth - 1);
    return is_float(e) ? float_value(g, e, depth - 1) : int_value(g, e, depth - 1);
}

/* ---- statements ---- */

static void keep(gen *g, fv_expr *x) {
    if (g->nvalues < MAX_VALUES)
        g->values[g->nvalues++] = x;
}

static void open_loop(gen *g, fv_loop_kind kind, const char *name, fv_expr *extent) {
    fv_expr *v = fv_kb_for(&g->b, kind, name, fv_x_int(g->a, 0), extent, 1);
    g->loops[g->nloops].var = v;
    g->loops[g->nloops++].extent = extent;
}

static void close_loop(gen *g) {
    g->nloops--;
    fv_kb_end(&g->b);
}

static fv_expr *tile_value(gen *g, fv_buf *t) {
    return fv_x_load(g->a, t, NULL);
}

static void set_tile(gen *g, fv_buf *t, fv_expr *x) {
    fv_kb_store(&g->b, t, NULL, x, NULL);
}

/* t = t op value, over a loop that is serial or unrolled. */
static void accumulate(gen *g) {
    static const fv_expr_op ops[] = {FV_X_ADD, FV_X_MUL, FV_X_MIN, FV_X_MAX};
    fv_elem e = rng_chance(g->r, 60) ? FV_F32 : PICK(g, int_elems);
    bool unroll = !g->o->serial && rng_chance(g->r, 25);
    fv_buf *t = fv_kb_tile(&g->b, "acc", e, 0, NULL, value(g, e, 1));
    int mark = g->nvalues;
    open_loop(g, unroll ? FV_UNROLL : FV_SERIAL, "k", g->extents[unroll ? 3 : rng_below(g->r, 5)]);
    fv_expr *x = value(g, e, 2);
    if (is_float(e) && rng_chance(g->r, 50))
        set_tile(g, t, fv_x_fma(g->a, x, value(g, e, 1), tile_value(g, t)));
    else
        set_tile(g, t, fv_x_bin(g->a, PICK(g, ops), tile_value(g, t), x));
    close_loop(g);
    g->nvalues = mark;
    keep(g, fv_kb_let(&g->b, "s", tile_value(g, t)));
}

/* A tile of four, computed and summed in unrolled loops. */
static void small_tile(gen *g) {
    fv_elem e = rng_chance(g->r, 60) ? FV_F32 : any_arith(g);
    int64_t four = 4;
    fv_buf *t = fv_kb_tile(&g->b, "quad", e, 1, &four, value(g, e, 1));
    int mark = g->nvalues;
    open_loop(g, FV_UNROLL, "u", fv_x_int(g->a, 4));
    fv_expr *u = g->loops[g->nloops - 1].var, *x = value(g, e, 2);
    fv_kb_store(&g->b, t, &u, x, rng_chance(g->r, 30) ? value(g, FV_BOOL, 1) : NULL);
    close_loop(g);
    g->nvalues = mark;
    for (int i = 0; i < 4; i += 1 + rng_below(g->r, 3)) {
        fv_expr *at = fv_x_int(g->a, i);
        keep(g, fv_kb_let(&g->b, "q", fv_x_load(g->a, t, &at)));
    }
}

/* A variable that is assigned under a condition. */
static void branch(gen *g) {
    fv_elem e = any_arith(g);
    fv_buf *t = fv_kb_tile(&g->b, "v", e, 0, NULL, value(g, e, 1));
    int mark = g->nvalues;
    fv_kb_if(&g->b, value(g, FV_BOOL, 2));
    set_tile(g, t, value(g, e, 2));
    if (rng_chance(g->r, 50)) {
        fv_kb_else(&g->b);
        set_tile(g, t, value(g, e, 2));
    }
    fv_kb_end(&g->b);
    g->nvalues = mark;
    keep(g, fv_kb_let(&g->b, "w", tile_value(g, t)));
}

/* At most a few rounds, ended by data. */
static void repeat(gen *g) {
    fv_buf *n = fv_kb_tile(&g->b, "n", FV_I64, 0, NULL, fv_x_int(g->a, 0));
    fv_buf *t = fv_kb_tile(&g->b, "x", FV_I32, 0, NULL, value(g, FV_I32, 1));
    fv_expr *more =
        fv_x_bin(g->a, FV_X_LT, tile_value(g, n), fv_x_int(g->a, 1 + rng_below(g->r, 6)));
    fv_expr *odd = fv_x_bin(g->a, FV_X_NE, tile_value(g, t), constant(g, FV_I32));
    int mark = g->nvalues;
    fv_kb_while(&g->b, fv_x_bin(g->a, FV_X_AND, more, odd));
    set_tile(g, t, fv_x_bin(g->a, FV_X_SUB, value(g, FV_I32, 2), tile_value(g, t)));
    set_tile(g, n, fv_x_bin(g->a, FV_X_ADD, tile_value(g, n), fv_x_int(g->a, 1)));
    fv_kb_end(&g->b);
    g->nvalues = mark;
    keep(g, fv_kb_let(&g->b, "r", tile_value(g, t)));
}

static void statements(gen *g, int n) {
    for (int i = 0; i < n && g->budget > 0; i++) {
        int kind = rng_below(g->r, 100);
        if (kind < 55)
            keep(g, fv_kb_let(&g->b, "a", value(g, any_arith(g), 4)));
        else if (kind < 75)
            accumulate(g);
        else if (kind < 85 && !g->o->serial)
            small_tile(g);
        else if (kind < 95 && !g->inner)
            branch(g);
        else if (!g->inner)
            repeat(g);
    }
}

/* ---- the kernel ---- */

static fv_loop_kind loop_kind(gen *g, int axis, int rank, fv_expr *extent) {
    int64_t n;
    if (g->o->serial)
        return FV_SERIAL;
    if (axis == rank - 1 && rng_chance(g->r, 70))
        return FV_VECTOR;
    if (axis == 0 && rng_chance(g->r, 60))
        return FV_PARALLEL;
    return fv_x_is_int(extent, &n) && n <= 4 && rng_chance(g->r, 40) ? FV_UNROLL : FV_SERIAL;
}

static void parameters(gen *g) {
    static const char *const names[] = {"A", "B", "C", "D", "E"};
    g->nin = 1 + rng_below(g->r, 4);
    for (int i = 0; i < g->nin; i++) {
        fv_expr *extent[MAX_RANK];
        int rank = 1 + rng_below(g->r, MAX_RANK);
        for (int k = 0; k < rank; k++)
            extent[k] = g->extents[rng_below(g->r, 5)];
        g->in[i] = fv_kernel_buf(g->k, names[i], FV_BUF_IN, any_memory(g), rank, extent);
    }
}

/* The last statement of the nest: an element of an output. */
static void store_output(gen *g, fv_buf *out) {
    fv_expr *index[MAX_RANK];
    for (int i = 0; i < out->rank; i++)
        index[i] = g->loops[i].var;
    fv_elem e = fv_elem_arith(out->elem);
    fv_expr *x = value(g, e, 4);
    if (out->role == FV_BUF_INOUT && !fv_elem_is_storage(out->elem) && is_float(e))
        x = fv_x_bin(g->a, FV_X_SUB, x, fv_x_load(g->a, out, index));
    fv_expr *mask = rng_chance(g->r, 15) ? value(g, FV_BOOL, 2) : NULL;
    fv_kb_store(&g->b, out, index, fv_x_convert(g->a, out->elem, x), mask);
}

static void nest(gen *g) {
    int rank = 1 + rng_below(g->r, MAX_RANK), nout = 1 + rng_below(g->r, 2);
    fv_expr *extent[MAX_RANK];
    fv_buf *out[2];
    for (int i = 0; i < rank; i++)
        extent[i] = g->extents[rng_below(g->r, 5)];
    for (int i = 0; i < nout; i++)
        out[i] =
            fv_kernel_buf(g->k, i ? "Z" : "Y", rng_chance(g->r, 30) ? FV_BUF_INOUT : FV_BUF_OUT,
                          any_memory(g), rank, extent);
    for (int i = 0; i < rank; i++) {
        static const char *const names[] = {"i", "j", "l"};
        fv_loop_kind kind = loop_kind(g, i, rank, extent[i]);
        open_loop(g, kind, names[i], extent[i]);
        g->inner = kind == FV_VECTOR;
        if (rng_chance(g->r, 40))
            statements(g, 1);
    }
    statements(g, 1 + rng_below(g->r, 4));
    for (int i = 0; i < nout; i++)
        store_output(g, out[i]);
    for (int i = 0; i < rank; i++)
        close_loop(g);
}

fv_kernel *gen_kernel(fv_arena *a, rng *r, const gen_options *o, const char *name) {
    gen g = {.r = r, .a = a, .o = o, .k = fv_kernel_new(a, name), .budget = o->size};
    g.extents[0] = fv_kernel_dim(g.k, "n0", 0, 64);
    g.extents[1] = fv_kernel_dim(g.k, "n1", 0, 64);
    g.extents[2] = fv_kernel_dim(g.k, "n2", 0, 64);
    g.extents[3] = fv_x_int(a, 1 + rng_below(r, 4));
    g.extents[4] = fv_x_int(a, 5 + rng_below(r, 16));
    fv_kb_init(&g.b, a, g.k, &g.k->body);
    parameters(&g);
    nest(&g);
    return g.k;
}

/* ---- data ---- */

void gen_data(rng *r, fv_elem e, void *data, size_t bytes) {
    size_t size = (size_t)fv_elem_storage_bytes(e);
    unsigned char *p = data;
    for (size_t at = 0; at + size <= bytes; at += size) {
        uint64_t bits = rng_next(r);
        int kind = rng_below(r, 4);
        double f = kind == 0 ? special_float(r) : (rng_below(r, 4001) - 2000) / 64.0;
        float f32 = (float)f;
        if (e == FV_BOOL)
            bits &= kind ? 1 : 0xff; /* any byte but 0 is true */
        else if (!fv_elem_is_float(e) && kind)
            bits = (uint64_t)(rng_below(r, 20) - 6);
        memcpy(p + at, &bits, size);
        if (e == FV_F32 && kind < 3)
            memcpy(p + at, &f32, sizeof f32);
        if (e == FV_F64 && kind < 3)
            memcpy(p + at, &f, sizeof f);
    }
}
