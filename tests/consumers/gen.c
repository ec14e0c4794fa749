/* gen.c - random kernels: a nest of loops over the elements of the outputs, in each of which values
 * are computed from the variables in scope; or a kernel of one of the shapes of gen_shapes.c. */
#include "tests/consumers/gen_internal.h"

/* ---- statements ---- */

void gen_keep(gen *g, fv_expr *x) {
    if (g->nvalues < MAX_VALUES)
        g->values[g->nvalues++] = x;
}

fv_expr *gen_open(gen *g, fv_loop_kind kind, const char *name, fv_expr *extent) {
    fv_expr *v = fv_kb_for(&g->b, kind, name, fv_x_int(g->a, 0), extent, 1);
    g->loops[g->nloops].var = v;
    g->loops[g->nloops++].extent = extent;
    return v;
}

void gen_close(gen *g) {
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
    fv_elem e = rng_chance(g->r, 60) ? FV_F32 : FV_I32;
    bool unroll = !g->o->serial && rng_chance(g->r, 25);
    fv_buf *t = fv_kb_tile(&g->b, "acc", e, 0, NULL, gen_value(g, e, 1));
    int mark = g->nvalues;
    gen_open(g, unroll ? FV_UNROLL : FV_SERIAL, "k", g->extents[unroll ? 3 : rng_below(g->r, 5)]);
    fv_expr *x = gen_value(g, e, 2);
    if ((e == FV_F32 || e == FV_F64) && rng_chance(g->r, 50))
        set_tile(g, t, fv_x_fma(g->a, x, gen_value(g, e, 1), tile_value(g, t)));
    else
        set_tile(g, t, fv_x_bin(g->a, PICK(g, ops), tile_value(g, t), x));
    gen_close(g);
    g->nvalues = mark;
    gen_keep(g, fv_kb_let(&g->b, "s", tile_value(g, t)));
}

/* A tile of four, computed and summed in unrolled loops. */
static void small_tile(gen *g) {
    fv_elem e = rng_chance(g->r, 60) ? FV_F32 : gen_arith(g);
    int64_t four = 4;
    fv_buf *t = fv_kb_tile(&g->b, "quad", e, 1, &four, gen_value(g, e, 1));
    int mark = g->nvalues;
    bool outlined = rng_chance(g->r, 40);
    if (outlined)
        fv_kb_outline(&g->b);
    gen_open(g, FV_UNROLL, "u", fv_x_int(g->a, 4));
    fv_expr *u = g->loops[g->nloops - 1].var, *x = gen_value(g, e, 2);
    fv_kb_store(&g->b, t, &u, x, rng_chance(g->r, 30) ? gen_value(g, FV_BOOL, 1) : NULL);
    gen_close(g);
    if (outlined)
        fv_kb_end(&g->b);
    g->nvalues = mark;
    for (int i = 0; i < 4; i += 1 + rng_below(g->r, 3)) {
        fv_expr *at = fv_x_int(g->a, i);
        gen_keep(g, fv_kb_let(&g->b, "q", fv_x_load(g->a, t, &at)));
    }
}

/* A variable that is assigned under a condition. */
static void branch(gen *g) {
    fv_elem e = gen_arith(g);
    fv_buf *t = fv_kb_tile(&g->b, "v", e, 0, NULL, gen_value(g, e, 1));
    int mark = g->nvalues;
    fv_kb_if(&g->b, gen_value(g, FV_BOOL, 2));
    set_tile(g, t, gen_value(g, e, 2));
    if (rng_chance(g->r, 50)) {
        fv_kb_else(&g->b);
        set_tile(g, t, gen_value(g, e, 2));
    }
    fv_kb_end(&g->b);
    g->nvalues = mark;
    gen_keep(g, fv_kb_let(&g->b, "w", tile_value(g, t)));
}

/* At most a few rounds, ended by data. */
static void repeat(gen *g) {
    fv_buf *n = fv_kb_tile(&g->b, "n", FV_I64, 0, NULL, fv_x_int(g->a, 0));
    fv_buf *t = fv_kb_tile(&g->b, "x", FV_I32, 0, NULL, gen_value(g, FV_I32, 1));
    fv_expr *more =
        fv_x_bin(g->a, FV_X_LT, tile_value(g, n), fv_x_int(g->a, 1 + rng_below(g->r, 6)));
    fv_expr *odd = fv_x_bin(g->a, FV_X_NE, tile_value(g, t),
                            fv_x_const_int(g->a, FV_I32, rng_below(g->r, 20) - 10));
    int mark = g->nvalues;
    fv_kb_while(&g->b, fv_x_bin(g->a, FV_X_AND, more, odd));
    set_tile(g, t, fv_x_bin(g->a, FV_X_SUB, gen_value(g, FV_I32, 2), tile_value(g, t)));
    set_tile(g, n, fv_x_bin(g->a, FV_X_ADD, tile_value(g, n), fv_x_int(g->a, 1)));
    fv_kb_end(&g->b);
    g->nvalues = mark;
    gen_keep(g, fv_kb_let(&g->b, "r", tile_value(g, t)));
}

void gen_statements(gen *g, int n) {
    for (int i = 0; i < n && g->budget > 0; i++) {
        int kind = rng_below(g->r, 100);
        if (kind < 55)
            gen_keep(g, fv_kb_let(&g->b, "a", gen_value(g, gen_arith(g), 4)));
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

/* Type and shape of a parameter; returns the rank. */
static int shape_of(gen *g, fv_elem *e, fv_expr **extent) {
    int rank = 1 + rng_below(g->r, MAX_RANK);
    *e = gen_memory(g);
    for (int i = 0; i < rank; i++)
        extent[i] = g->extents[rng_below(g->r, 5)];
    if (!g->o->alike || rng_chance(g->r, 20))
        return rank;
    *e = rng_chance(g->r, 80) ? FV_F32 : FV_I64;
    extent[0] = g->extents[0];
    extent[1] = g->extents[1];
    return 2;
}

static void parameters(gen *g) {
    static const char *const names[] = {"A", "B", "C", "D", "E"};
    g->nin = 1 + rng_below(g->r, 4);
    for (int i = 0; i < g->nin; i++) {
        fv_expr *extent[MAX_RANK];
        fv_elem e;
        int rank = shape_of(g, &e, extent);
        g->in[i] = fv_kernel_buf(g->k, names[i], FV_BUF_IN, e, rank, extent);
    }
}

void gen_store(gen *g, fv_buf *out, fv_expr *const *index) {
    fv_elem e = fv_elem_arith(out->elem);
    fv_expr *x = gen_value(g, e, 4);
    if (out->role == FV_BUF_INOUT && out->elem == e && (e == FV_F32 || e == FV_F64))
        x = fv_x_bin(g->a, FV_X_SUB, x, fv_x_load(g->a, out, index));
    fv_expr *mask = !g->o->whole && rng_chance(g->r, 15) ? gen_value(g, FV_BOOL, 2) : NULL;
    fv_kb_store(&g->b, out, index, fv_x_convert(g->a, out->elem, x), mask);
}

static void nest(gen *g) {
    fv_expr *extent[MAX_RANK], *index[MAX_RANK];
    fv_buf *out[2];
    fv_elem e;
    int rank = shape_of(g, &e, extent), nout = 1 + rng_below(g->r, 2);
    for (int i = 0; i < nout; i++) {
        fv_buf_role role = rng_chance(g->r, 30) ? FV_BUF_INOUT : FV_BUF_OUT;
        out[i] = fv_kernel_buf(g->k, i ? "Z" : "Y", role, i ? gen_memory(g) : e, rank, extent);
    }
    for (int i = 0; i < rank; i++) {
        static const char *const names[] = {"i", "j", "l"};
        fv_loop_kind kind = loop_kind(g, i, rank, extent[i]);
        index[i] = gen_open(g, kind, names[i], extent[i]);
        g->inner = kind == FV_VECTOR;
        if (rng_chance(g->r, 40))
            gen_statements(g, 1);
    }
    gen_statements(g, 1 + rng_below(g->r, 4));
    for (int i = 0; i < nout; i++)
        gen_store(g, out[i], index);
    for (int i = 0; i < rank; i++)
        gen_close(g);
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
    int shape = o->serial ? 99 : rng_below(r, 100);
    if (shape < 10)
        gen_blocked(&g);
    else if (shape < 20)
        gen_chains(&g);
    else if (shape < 30)
        gen_contract(&g);
    else if (shape < 35)
        gen_transpose(&g);
    else if (shape < 42 && !o->confined) /* words are not confined */
        gen_matrix(&g);
    else if (shape < 46 && !o->confined)
        gen_sixteen(&g);
    else
        nest(&g);
    return g.k;
}
