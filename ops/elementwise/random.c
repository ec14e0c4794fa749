/* random.c - operators that draw random numbers, which are a function of the operator's key and of
 * the index of each element: the same in every run, on every consumer, with any number of threads.
 * The key consists of the seed and of the result's name, so that operators differ; without a seed,
 * of the name alone, and the counter continues with a seed that the caller of the run gives.
 * In a loop the counter has the number of the iteration, too.
 *
 * Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC 2011): Philox 4x32 of
 * ten rounds. */
#include "ops/elementwise/random.h"
#include "ir/rule/body.h"

#include <math.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/loop.h"
#include "ops/common/dims.h"

/* ---- fv.Random: numbers in [0, 1) ---- */

static bool infer_random(fv_op *op) {
    const fv_attr *dims = fv_op_find_attr(op, "dims"), *key = fv_op_find_attr(op, "key");
    int64_t e = fv_op_int(op, "elem"), which = fv_op_int(op, "which");
    if (key->n != 2 || dims->n > FV_MAX_RANK)
        return fv_op_error(op, "has %d dims and %d words of a key, expected at most %d and 2",
                           dims->n, key->n, FV_MAX_RANK);
    if (e != FV_F32 && e != FV_F64)
        return fv_op_error(op, "elem is %lld, which is neither f32 nor f64", (long long)e);
    if (which < 0 || which > 1)
        return fv_op_error(op, "which is %lld, expected 0 or 1", (long long)which);
    fv_infer_out(op, 0, (fv_elem)e, dims->n, dims->u.dims);
    return true;
}

static fv_expr *u32(fv_definer *d, int64_t v) {
    return fv_x_const_int(d->arena, FV_U32, (int64_t)(uint32_t)v);
}

static fv_expr *bin(fv_definer *d, fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(d->arena, op, x, y);
}

/* Converts the counter to four random words in ten rounds. */
static void philox(fv_definer *d, uint32_t k0, uint32_t k1, fv_expr **c) {
    for (int i = 0; i < 10; i++, k0 += 0x9e3779b9, k1 += 0xbb67ae85) {
        fv_expr *m0 = u32(d, 0xd2511f53), *m1 = u32(d, 0xcd9e8d57);
        fv_expr *high0 = bin(d, FV_X_MULHI, m0, c[0]), *low0 = bin(d, FV_X_MUL, m0, c[0]);
        fv_expr *high1 = bin(d, FV_X_MULHI, m1, c[2]), *low1 = bin(d, FV_X_MUL, m1, c[2]);
        c[0] = bin(d, FV_X_XOR, bin(d, FV_X_XOR, high1, c[1]), u32(d, k0));
        c[1] = low1;
        c[2] = bin(d, FV_X_XOR, bin(d, FV_X_XOR, high0, c[3]), u32(d, k1));
        c[3] = low0;
    }
}

static fv_expr *scaled(fv_definer *d, fv_elem e, fv_expr *word, int drop, double by) {
    fv_expr *x = fv_x_convert(d->arena, FV_I64, bin(d, FV_X_SHR, word, u32(d, drop)));
    return bin(d, FV_X_MUL, fv_x_convert(d->arena, e, x), fv_x_const(d->arena, e, by));
}

static fv_expr *low_word(fv_definer *d, fv_expr *x) {
    return fv_x_convert(d->arena, FV_U32, x);
}

static fv_expr *high_word(fv_definer *d, fv_expr *x) {
    return low_word(d, bin(d, FV_X_SHR, x, fv_x_int(d->arena, 32)));
}

/* One number for the numbers of all iterations, from those of the outer loops on, by the multiplier
 * of Knuth's generator MMIX; NULL: there is no loop. */
static fv_expr *iteration(fv_definer *d, const fv_op *op) {
    fv_expr *x = NULL, *m = fv_x_int(d->arena, 6364136223846793005);
    for (int i = 1; i < op->nin; i++) {
        fv_expr *turn = fv_x_convert(d->arena, FV_I64, fv_d_int(d, i, fv_x_int(d->arena, 0)));
        x = x ? bin(d, FV_X_ADD, bin(d, FV_X_MUL, x, m), turn) : turn;
    }
    return x;
}

/* A number in [0, 1): for f32 the 24 highest bits of a word, for f64 53 bits of two words. An index
 * and a seed have 40 bits; the number of the iteration is in the bits that they leave. */
static bool define_random(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    const int64_t *key = fv_op_find_attr(op, "key")->u.ints;
    int which = (int)fv_op_int(op, "which");
    fv_expr *at = fv_x_int(a, 0);
    for (int i = 0; i < def->rank; i++)
        at = bin(d, FV_X_ADD, bin(d, FV_X_MUL, at, fv_x_dim(a, def->index[i]->dim)),
                 fv_x_var(a, def->index[i]));
    fv_expr *seed = fv_op_in(op, 0) ? fv_d_int(d, 0, fv_x_int(a, 0)) : fv_x_int(a, 0),
            *turn = iteration(d, op);
    fv_expr *c[4] = {low_word(d, at), high_word(d, at), low_word(d, seed), high_word(d, seed)};
    if (turn) {
        c[1] = bin(d, FV_X_XOR, c[1], bin(d, FV_X_SHL, low_word(d, turn), u32(d, 8)));
        c[3] = bin(d, FV_X_XOR, c[3], high_word(d, bin(d, FV_X_SHL, turn, fv_x_int(a, 8))));
    }
    philox(d, (uint32_t)key[0], (uint32_t)key[1], c);
    if (op->out[0]->type->elem == FV_F32) {
        def->body = scaled(d, FV_F32, c[which], 8, 0x1p-24);
        return true;
    }
    def->body = bin(d, FV_X_ADD, scaled(d, FV_F64, c[2 * which], 5, 0x1p-27),
                    scaled(d, FV_F64, c[2 * which + 1], 6, 0x1p-53));
    return true;
}

/* The hash FNV-1a. */
static uint32_t hash_of(uint32_t h, const void *bytes, size_t n) {
    for (size_t i = 0; i < n; i++)
        h = (h ^ ((const uint8_t *)bytes)[i]) * 16777619u;
    return h;
}

/* The symbol that an fv.Seed at the beginning of the function binds, which is added if there is
 * none. */
static const fv_dim *seed_of_run(fv_rewriter *w) {
    fv_region *body = w->at->block->func->body;
    for (const fv_op *op = body->first; op && fv_op_binds(op); op = op->next)
        if (fv_op_is(op, FV_OP_fv_Seed))
            return fv_op_find_attr(op, "symbols")->u.dims[0];
    const fv_dim *seed = fv_dim_fresh(w->module->dims, "seed", 0, FV_DIM_MAX - 1, true);
    fv_op *op = fv_op_new(body, body->first, fv_op_def(FV_OP_fv_Seed), 0, NULL, 0, NULL, NULL);
    fv_op_set_dims(op, "symbols", 1, &seed);
    return seed;
}

/* Sets in[0], in[1], ... to the numbers of the iterations of the loops around the block, from the
 * outermost one on, at most `most`. Returns how many there are. */
static int iterations_around(const fv_region *block, int most, fv_value **in) {
    if (!block->parent)
        return 0;
    int n = iterations_around(block->parent->block, most, in);
    if (fv_op_is(block->parent, FV_OP_Loop) && n < most)
        in[n++] = block->params[FV_BODY_NUMBER];
    return n;
}

/* Draws random numbers. `which`: 0 or 1, since a key gives two numbers for each element. operand: a
 * seed known in the run, or NULL for 0. */
static fv_value *draw(fv_rewriter *w, fv_op *op, fv_value *operand, fv_elem e, int rank,
                      const fv_dim *const *dims, int which) {
    const fv_attr *seed = fv_op_find_attr(op, "seed");
    const fv_value *name = op->out[0];
    for (int i = 1; !name && i < op->nout; i++)
        name = op->out[i];
    int64_t key[2] = {0, name ? hash_of(2166136261u, name->name, strlen(name->name)) : 0};
    if (seed && seed->kind == FV_ATTR_FLOAT)
        key[0] = hash_of(2166136261u, &seed->u.f, sizeof seed->u.f);
    else if (seed)
        key[0] = hash_of(2166136261u, &seed->u.i, sizeof seed->u.i);
    fv_attr a[4] = {
        fv_attr_ints(w->module, "key", 2, key), fv_attr_dims(w->module, "dims", rank, dims),
        fv_attr_int(w->module, "elem", fv_elem_arith(e)), fv_attr_int(w->module, "which", which)};
    fv_value *in[FV_MAX_IN] = {operand};
    int n = 1 + iterations_around(op->block, FV_MAX_IN - 1, in + 1);
    return fv_w_op(w, FV_OP_fv_Random, n, in, 4, a);
}

/* The seed operand of an op: NULL if its attribute `seed` is in the key. */
static fv_value *seed_operand(fv_rewriter *w, const fv_op *op) {
    if (fv_op_find_attr(op, "seed"))
        return NULL;
    const fv_dim *d = seed_of_run(w);
    return fv_w_ints(w, FV_I64, 0, 1, &d);
}

fv_value *fv_w_random(fv_rewriter *w, fv_op *op, fv_elem e, int rank, const fv_dim *const *dims) {
    return draw(w, op, seed_operand(w, op), e, rank, dims, 0);
}

fv_value *fv_w_random_seeded(fv_rewriter *w, fv_op *op, fv_value *seed, fv_elem e, int rank,
                             const fv_dim *const *dims) {
    return draw(w, op, fv_w_cast(w, fv_w_reshape(w, seed, 0, NULL), FV_I64), e, rank, dims, 0);
}

/* ---- RandomUniform, RandomNormal, and those in the shape of an operand ---- */

static bool read_type(fv_op *op, fv_elem otherwise, fv_elem_set set, fv_elem *e) {
    int64_t type = fv_opdef_attr(op->def, "dtype")->has_default
                       ? fv_op_int(op, "dtype")
                       : fv_op_int_or(op, "dtype", otherwise);
    *e = FV_F32;
    if (type <= FV_NO_ELEM || type >= FV_ELEM_END || !(set >> type & 1))
        return fv_op_error(op, "the result would be of type %lld, expected %s", (long long)type,
                           fv_elem_set_str(fv_op_module(op)->arena, set));
    *e = (fv_elem)type;
    return true;
}

static bool infer_drawn(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *like = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK];
    fv_elem e;
    int n = 0;
    if (!read_type(op, like ? like->elem : FV_F32, FV_SET_FLOAT, &e))
        return false;
    const int64_t *shape = like ? NULL : fv_op_ints(op, "shape", &n);
    if (n > FV_MAX_RANK)
        return fv_op_error(op, "shape has %d dims, at most %d can be compiled", n, FV_MAX_RANK);
    for (int i = 0; i < n; i++) {
        if (shape[i] < 0 || shape[i] > FV_DIM_MAX)
            return fv_op_error(op, "shape has %lld, expected 0 to %lld", (long long)shape[i],
                               (long long)FV_DIM_MAX);
        dims[i] = fv_dim_const(m->dims, shape[i]);
    }
    fv_infer_out(op, 0, e, like ? like->rank : n, like ? like->dims : dims);
    return true;
}

static bool decompose_uniform(fv_rewriter *w, fv_op *op) {
    const fv_type *y = op->out[0]->type;
    fv_elem e = fv_elem_arith(y->elem);
    double low = (double)fv_op_float(op, "low"), high = (double)fv_op_float(op, "high");
    fv_value *u = fv_w_random(w, op, e, y->rank, y->dims);
    u = FV_W2(w, FV_OP_Add, FV_W2(w, FV_OP_Mul, u, fv_w_float(w, e, high - low)),
              fv_w_float(w, e, low));
    fv_w_result(w, 0, fv_w_cast(w, u, y->elem));
    return true;
}

/* sqrt(-2 log(1 - u)) * cos(2 pi v) for uniform u and v: Box, Muller: A note on the generation of
 * random normal deviates, 1958. */
static bool decompose_normal(fv_rewriter *w, fv_op *op) {
    const fv_type *y = op->out[0]->type;
    fv_elem e = fv_elem_arith(y->elem);
    fv_value *seed = seed_operand(w, op), *u = draw(w, op, seed, e, y->rank, y->dims, 0),
             *v = draw(w, op, seed, e, y->rank, y->dims, 1);
    fv_value *in[2] = {u, v};
    fv_attr a[2] = {fv_attr_float(w->module, "mean", fv_op_float(op, "mean")),
                    fv_attr_float(w->module, "scale", fv_op_float(op, "scale"))};
    fv_w_result(w, 0, fv_w_cast(w, fv_w_op(w, FV_OP_fv_Normal, 2, in, 2, a), y->elem));
    return true;
}

/* ---- Bernoulli, Multinomial ---- */

#define DRAWN (FV_SET_NUMBER | FV_SET(BOOL))

static bool infer_bernoulli(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_elem e;
    if (!read_type(op, x->elem, DRAWN, &e))
        return false;
    fv_infer_out(op, 0, e, x->rank, x->dims);
    return true;
}

static bool decompose_bernoulli(fv_rewriter *w, fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_elem e = fv_elem_arith(x->elem);
    fv_value *u = fv_w_random(w, op, e, x->rank, x->dims);
    fv_w_result(
        w, 0,
        fv_w_cast(w, FV_W2(w, FV_OP_Less, u, fv_w_cast(w, op->in[0], e)), op->out[0]->type->elem));
    return true;
}

static bool infer_multinomial(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *classes = x->dims[1];
    int64_t n = fv_op_int(op, "sample_size");
    fv_elem e;
    if (!read_type(op, FV_I32, FV_SET(I32) | FV_SET(I64), &e))
        return false;
    if (n < 0 || n > FV_DIM_MAX)
        return fv_op_error(op, "sample_size is %lld, expected 0 to %lld", (long long)n,
                           (long long)FV_DIM_MAX);
    if (!fv_module_require(m, fv_dim_max(m->dims, classes, fv_dim_const(m->dims, 1)), classes,
                           "classes of Multinomial",
                           fv_printf(m->arena, "1 <= %s", fv_dim_str(m->arena, classes))))
        return fv_op_error(op, "has no classes");
    const fv_dim *dims[2] = {x->dims[0], fv_dim_const(m->dims, n)};
    fv_infer_out(op, 0, e, 2, dims);
    return true;
}

static bool decompose_multinomial(fv_rewriter *w, fv_op *op) {
    const fv_type *y = op->out[0]->type;
    fv_value *at =
        FV_CALL(w, "picked_classes", {op->in[0]}, {fv_w_random(w, op, FV_F64, 2, y->dims)});
    fv_w_result(w, 0, fv_w_cast(w, at, y->elem));
    return true;
}

#define SHAPED FV_A_INT("dtype", FV_F32), FV_A_OPTIONAL("seed", FLOAT), FV_A_REQUIRED("shape", INTS)

#define LIKE    FV_A_OPTIONAL("dtype", INT), FV_A_OPTIONAL("seed", FLOAT)
#define UNIFORM FV_A_FLOAT("low", 0.0f), FV_A_FLOAT("high", 1.0f)
#define NORMAL  FV_A_FLOAT("mean", 0.0f), FV_A_FLOAT("scale", 1.0f)
#define WIDE    (FV_SET(F32) | FV_SET(F64))

const fv_opdef fv_ops_random[] = {
    {.domain = "fv",
     .name = "Random",
     .id = FV_OP_fv_Random,
     .since = {1},
     .doc = "the first or second of two random numbers in [0, 1) for each element, determined by a "
            "key of two words, a seed, and the numbers of the iterations of loops around it",
     .in = {{"seed", "S", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR},
            {"iterations", "S", FV_VARIADIC, .rank = FV_SCALAR}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("dims", DIMS), FV_A_REQUIRED("key", INTS), FV_A_INT("elem", FV_F32),
               FV_A_INT("which", 0)},
     .types = {{"S", FV_SET(I64)}, {"T", WIDE}},
     .infer = infer_random,
     .define = define_random},
    {.domain = "fv",
     .name = "Normal",
     .id = FV_OP_fv_Normal,
     .since = {1},
     .doc = "normally distributed numbers, from pairs of numbers in [0, 1)",
     .in = {{"U", "T"}, {"V", "T"}},
     .out = {{"Y", "T"}},
     .attrs = {NORMAL},
     .types = {{"T", WIDE}},
     .infer = fv_infer_elementwise,
     .formula = "Y = mean + scale * (sqrt(-2.0 * log(1.0 - U)) * cos(2.0 * pi * V))"},
    {.domain = "",
     .name = "RandomUniform",
     .since = {1, 22},
     .distinct = FV_DRAWS,
     .doc = "random numbers from low to high, in a shape",
     .out = {{"output", "T"}},
     .attrs = {SHAPED, UNIFORM},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_drawn,
     .decompose = decompose_uniform},
    {.domain = "",
     .name = "RandomUniformLike",
     .since = {1, 22},
     .distinct = FV_DRAWS,
     .doc = "random numbers from low to high, in the shape of the input",
     .in = {{"input", "T1"}},
     .out = {{"output", "T2"}},
     .attrs = {LIKE, UNIFORM},
     .types = {{"T1", FV_SET_DATA}, {"T2", FV_SET_FLOAT}},
     .infer = infer_drawn,
     .decompose = decompose_uniform},
    {.domain = "",
     .name = "RandomNormal",
     .since = {1, 22},
     .distinct = FV_DRAWS,
     .doc = "normally distributed random numbers, in a shape",
     .out = {{"output", "T"}},
     .attrs = {SHAPED, NORMAL},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_drawn,
     .decompose = decompose_normal},
    {.domain = "",
     .name = "RandomNormalLike",
     .since = {1, 22},
     .distinct = FV_DRAWS,
     .doc = "normally distributed random numbers, in the shape of the input",
     .in = {{"input", "T1"}},
     .out = {{"output", "T2"}},
     .attrs = {LIKE, NORMAL},
     .types = {{"T1", FV_SET_DATA}, {"T2", FV_SET_FLOAT}},
     .infer = infer_drawn,
     .decompose = decompose_normal},
    {.domain = "",
     .name = "Bernoulli",
     .since = {15, 22},
     .distinct = FV_DRAWS,
     .doc = "1 with the probability that each element is, else 0",
     .in = {{"input", "T1"}},
     .out = {{"output", "T2"}},
     .attrs = {LIKE},
     .types = {{"T1", FV_SET_FLOAT}, {"T2", DRAWN}},
     .infer = infer_bernoulli,
     .decompose = decompose_bernoulli},
    {.domain = "",
     .name = "Multinomial",
     .since = {7, 22},
     .distinct = FV_DRAWS,
     .doc = "draws classes from probabilities whose logarithms, up to a "
            "constant, are the input",
     .in = {{"input", "T1", .rank = FV_RANK(2)}},
     .out = {{"output", "T2"}},
     .attrs = {FV_A_INT("dtype", FV_I32), FV_A_INT("sample_size", 1), FV_A_OPTIONAL("seed", FLOAT)},
     .types = {{"T1", FV_SET_FLOAT}, {"T2", FV_SET(I32) | FV_SET(I64)}},
     .infer = infer_multinomial,
     .decompose = decompose_multinomial},

    {0}};
