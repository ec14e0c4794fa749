/* graph_pointwise.c - makers of elementwise operators. */
#include <stdio.h>
#include <string.h>

#include "tests/matrix/graph.h"

static const fv_elem_set FLOATS = FV_SET_FLOAT, NUMBERS = FV_SET_NUMBER;

static const char *number(graph *g) {
    static const char *const list[] = {"0.5", "1.0", "0.25", "2.0", "-0.75", "0.1", "1.5"};
    return CHOOSE(g, list);
}

/* Functions of one float. keeps: integers stay integers of at most that size. */
typedef struct unary {
    const char *name, *attr; /* attr: "alpha", or text in braces */
    bool steps, keeps;
} unary;
static const unary unaries[] = {
    {"Abs", NULL, false, true},        {"Acos", NULL, false, false},
    {"Acosh", NULL, false, false},     {"Asin", NULL, false, false},
    {"Asinh", NULL, false, false},     {"Atan", NULL, false, false},
    {"Atanh", NULL, false, false},     {"Ceil", NULL, true, true},
    {"Celu", "alpha", false, false},   {"Cos", NULL, false, false},
    {"Cosh", NULL, false, false},      {"Elu", "alpha", false, false},
    {"Erf", NULL, false, false},       {"Exp", NULL, false, false},
    {"Floor", NULL, true, true},       {"Gelu", "{approximate = \"tanh\"}", false, false},
    {"Gelu", NULL, false, false},      {"HardSigmoid", "alpha", false, false},
    {"HardSwish", NULL, false, false}, {"LeakyRelu", "alpha", false, false},
    {"Log", NULL, false, false},       {"Mish", NULL, false, false},
    {"Neg", NULL, false, true},        {"Reciprocal", NULL, false, false},
    {"Relu", NULL, false, true},       {"Round", NULL, true, true},
    {"Selu", "alpha", false, false},   {"Sigmoid", NULL, false, false},
    {"Sign", NULL, true, true},        {"Sin", NULL, false, false},
    {"Sinh", NULL, false, false},      {"Softplus", NULL, false, false},
    {"Softsign", NULL, false, false},  {"Sqrt", NULL, false, false},
    {"Swish", "alpha", false, false},  {"Tan", NULL, false, false},
    {"Tanh", NULL, false, false},      {"ThresholdedRelu", "alpha", true, true},
    {"IsInf", NULL, true, false},      {"IsInf", "{detect_negative = 0}", true, false},
    {"IsNaN", NULL, true, false},      {"Identity", NULL, false, true},
};

static bool make_unary(graph *g) {
    const unary *u = &CHOOSE(g, unaries);
    gvalue *x = graph_pick(g, FLOATS, 0, GRAPH_RANK);
    char attr[64] = "";
    if (u->attr && *u->attr == '{')
        snprintf(attr, sizeof attr, " %s", u->attr);
    else if (u->attr && rng_chance(&g->r, 60))
        snprintf(attr, sizeof attr, " {%s = %s}", u->attr, number(g));
    line l = {.effect = u->steps ? STEPS : SMOOTHLY};
    if (u->keeps)
        l.grid = x->grid;
    return graph_line(g, l, (x), "%s(%s)%s", u->name, x->name, attr);
}

static bool make_int_unary(graph *g) {
    static const char *const names[] = {"Abs", "Neg", "Relu", "Sign", "BitwiseNot"};
    const char *name = CHOOSE(g, names);
    gvalue *x = graph_pick(g, *name == 'B' ? FV_SET_INT : FV_SET_SIGNED, 0, GRAPH_RANK);
    return graph_line(g, (line){.effect = SMOOTHLY}, (x), "%s(%s)", name, x->name);
}

static bool make_not(graph *g) {
    gvalue *x = graph_pick(g, FV_SET(BOOL), 0, GRAPH_RANK);
    return graph_line(g, (line){.effect = STEPS}, (x), "Not(%s)", x->name);
}

/* ---- two operands ---- */

static bool make_arithmetic(graph *g) {
    static const char *const names[] = {"Add", "Add", "Sub", "Mul", "Mul", "Div"};
    const char *name = CHOOSE(g, names);
    gvalue *x = graph_pick(g, NUMBERS, 0, GRAPH_RANK), *y = graph_broadcast(g, x, x->elem);
    gvalue *both[] = {x, y};
    line l = {.effect = SMOOTHLY};
    if (*name == 'M')
        l.grid = grid_of_product(x->grid, y->grid);
    else if (*name != 'D')
        l.grid = grid_of_sum(grid_join(2, both), 2);
    if (rng_chance(&g->r, 50))
        return graph_line(g, l, (x, y), "%s(%s, %s)", name, x->name, y->name);
    return graph_line(g, l, (x, y), "%s(%s, %s)", name, y->name, x->name);
}

static bool make_extreme(graph *g) {
    static const char *const names[] = {"Max", "Min", "Sum", "Mean"};
    int which = rng_below(&g->r, 4);
    gvalue *x = graph_pick(g, which < 2 ? NUMBERS : FLOATS, 0, GRAPH_RANK);
    gvalue *y = graph_broadcast(g, x, x->elem), *z = graph_broadcast(g, x, x->elem);
    gvalue *all[] = {x, y, z};
    line l = {.effect = SMOOTHLY};
    if (which < 3)
        l.grid = grid_of_sum(grid_join(3, all), which == 2 ? 3 : 1);
    if (rng_chance(&g->r, 30))
        return graph_line(g, l, (x, y), "%s(%s, %s)", names[which], x->name, y->name);
    return graph_line(g, l, (x, y, z), "%s(%s, %s, %s)", names[which], x->name, y->name, z->name);
}

static bool make_mod(graph *g) {
    gvalue *x = graph_pick(g, NUMBERS, 0, GRAPH_RANK), *y = graph_broadcast(g, x, x->elem);
    bool f = fv_elem_is_float(x->elem) || rng_chance(&g->r, 50);
    return graph_line(g, (line){.effect = STEPS}, (x, y), "Mod(%s, %s)%s", x->name, y->name,
                      f ? " {fmod = 1}" : "");
}

static bool make_pow(graph *g) {
    gvalue *x = graph_pick(g, FLOATS | FV_SET(I32) | FV_SET(I64), 0, GRAPH_RANK);
    gvalue *y = graph_broadcast(g, x, x->elem);
    if (rng_chance(&g->r, 50)) {
        gvalue *k = graph_int(g, rng_below(&g->r, 5) - 1);
        return graph_line(g, (line){.effect = SMOOTHLY}, (x, k), "Pow(%s, %s)", x->name, k->name);
    }
    return graph_line(g, (line){.effect = SMOOTHLY}, (x, y), "Pow(%s, %s)", x->name, y->name);
}

static bool make_prelu(graph *g) {
    gvalue *x = graph_pick(g, FLOATS | FV_SET(I32) | FV_SET(I64), 1, GRAPH_RANK);
    gvalue *slope = graph_param(g, x->elem, 1, &x->dim[x->rank - 1], &x->n[x->rank - 1]);
    return graph_line(g, (line){.effect = SMOOTHLY}, (x, slope), "PRelu(%s, %s)", x->name,
                      slope->name);
}

static bool make_compare(graph *g) {
    static const char *const names[] = {"Equal", "Greater", "GreaterOrEqual", "Less",
                                        "LessOrEqual"};
    gvalue *x = graph_pick(g, NUMBERS, 0, GRAPH_RANK), *y = graph_broadcast(g, x, x->elem);
    return graph_line(g, (line){.effect = STEPS}, (x, y), "%s(%s, %s)", CHOOSE(g, names), x->name,
                      y->name);
}

static bool make_logical(graph *g) {
    static const char *const names[] = {"And", "Or", "Xor"};
    gvalue *x = graph_pick(g, FV_SET(BOOL), 0, GRAPH_RANK), *y = graph_broadcast(g, x, FV_BOOL);
    return graph_line(g, (line){.effect = STEPS}, (x, y), "%s(%s, %s)", CHOOSE(g, names), x->name,
                      y->name);
}

static bool make_bitwise(graph *g) {
    static const char *const names[] = {"BitwiseAnd", "BitwiseOr", "BitwiseXor"};
    gvalue *x = graph_pick(g, FV_SET_INT, 0, GRAPH_RANK), *y = graph_broadcast(g, x, x->elem);
    return graph_line(g, (line){.effect = STEPS}, (x, y), "%s(%s, %s)", CHOOSE(g, names), x->name,
                      y->name);
}

static bool make_shift(graph *g) {
    gvalue *x = graph_pick(g, FV_SET_UNSIGNED, 0, GRAPH_RANK), *y = graph_broadcast(g, x, x->elem);
    return graph_line(g, (line){.effect = STEPS}, (x, y), "BitShift(%s, %s) {direction = \"%s\"}",
                      x->name, y->name, rng_chance(&g->r, 50) ? "LEFT" : "RIGHT");
}

/* ---- three ---- */

static bool make_where(graph *g) {
    gvalue *x = graph_pick(g, NUMBERS | FV_SET(BOOL), 0, GRAPH_RANK);
    gvalue *c = graph_broadcast(g, x, FV_BOOL), *y = graph_broadcast(g, x, x->elem);
    gvalue *both[] = {x, y};
    line l = {.effect = c->agree == SAME ? SMOOTHLY : STEPS, .grid = grid_join(2, both)};
    return graph_line(g, l, (c, x, y), "Where(%s, %s, %s)", c->name, x->name, y->name);
}

static bool make_clip(graph *g) {
    gvalue *x = graph_pick(g, NUMBERS, 0, GRAPH_RANK);
    gvalue *lo = rng_chance(&g->r, 75) ? graph_weight(g, x->elem, 0, NULL) : NULL;
    gvalue *hi = rng_chance(&g->r, 75) ? graph_weight(g, x->elem, 0, NULL) : NULL;
    gvalue *all[] = {x, lo, hi};
    line l = {.effect = SMOOTHLY, .grid = grid_join(3, all)};
    if (!hi && !lo)
        return graph_line(g, l, (x), "Clip(%s)", x->name);
    if (!hi)
        return graph_line(g, l, (x, lo), "Clip(%s, %s)", x->name, lo->name);
    return graph_line(g, l, (x, lo, hi), "Clip(%s, %s, %s)", x->name, lo ? lo->name : "_",
                      hi->name);
}

static bool make_shrink(graph *g) {
    gvalue *x = graph_pick(g, FV_SET_INT | FV_SET(F32) | FV_SET(F16) | FV_SET(F64), 0, GRAPH_RANK);
    return graph_line(g, (line){.effect = STEPS}, (x), "Shrink(%s) {bias = %s, lambd = %s}",
                      x->name, number(g), number(g));
}

/* ---- types ---- */

static bool keeps_grid(const gvalue *x, fv_elem to) {
    return fv_elem_is_float(x->elem) && grid_fits(x->grid, to);
}

static fv_elem some_elem(graph *g) {
    static const fv_elem often[] = {FV_F32, FV_F16,  FV_BF16, FV_F64, FV_I32,
                                    FV_I64, FV_BOOL, FV_U8,   FV_I8};
    for (;;) {
        fv_elem e =
            rng_chance(&g->r, 70) ? CHOOSE(g, often) : (fv_elem)rng_below(&g->r, FV_ELEM_END);
        if ((FV_SET_DATA >> e & 1) && e != FV_NO_ELEM)
            return e;
    }
}

static bool is_smooth_cast(fv_elem from, fv_elem to) {
    return fv_elem_is_float(from) && (FV_SET_FLOAT >> to & 1);
}

static bool make_cast(graph *g) {
    gvalue *x = graph_pick(g, FV_SET_DATA, 0, GRAPH_RANK);
    fv_elem to = some_elem(g);
    line l = {.effect = is_smooth_cast(x->elem, to) ? SMOOTHLY : STEPS};
    if (keeps_grid(x, to))
        l.grid = x->grid;
    const char *more = rng_chance(&g->r, 20) ? ", saturate = 0" : "";
    return graph_line(g, l, (x), "Cast(%s) {to = %d%s}", x->name, (int)to, more);
}

static bool make_cast_like(graph *g) {
    gvalue *x = graph_pick(g, FV_SET_NUMBER, 0, GRAPH_RANK),
           *y = graph_pick(g, FV_SET_NUMBER, 0, 2);
    line l = {.effect = is_smooth_cast(x->elem, y->elem) ? SMOOTHLY : STEPS};
    return graph_line(g, l, (x, y), "CastLike(%s, %s)", x->name, y->name);
}

/* Not of floats: the bits of a NaN are nobody's promise. */
static bool make_bit_cast(graph *g) {
    static const fv_elem to[][4] = {{FV_I8, FV_U8, FV_F8E5M2, FV_F8E4M3FN},
                                    {FV_I16, FV_U16, FV_F16, FV_BF16},
                                    {FV_I32, FV_U32, FV_F32, FV_I32},
                                    {FV_I64, FV_U64, FV_F64, FV_I64}};
    gvalue *x = graph_pick(g, FV_SET_INT, 0, GRAPH_RANK);
    int bits = fv_elem_bits(x->elem), row = bits == 8 ? 0 : bits == 16 ? 1 : bits == 32 ? 2 : 3;
    return graph_line(g, (line){.effect = STEPS}, (x), "BitCast(%s) {to = %d}", x->name,
                      (int)to[row][rng_below(&g->r, 4)]);
}

static bool make_dropout(graph *g) {
    gvalue *x = graph_pick(g, FLOATS, 0, GRAPH_RANK), *out[2];
    line l = {.effect = SMOOTHLY, .grid = x->grid};
    if (rng_chance(&g->r, 50))
        return graph_line(g, l, (x), "Dropout(%s)", x->name);
    return graph_lines(g, l, 1, &x, 2, out, "Dropout(%s)", x->name);
}

/* What people build by hand: soft caps, gates, residual sums. */
static bool make_chain(graph *g) {
    gvalue *x = graph_pick(g, FLOATS, 0, GRAPH_RANK), *y = graph_broadcast(g, x, x->elem);
    gvalue *scale = graph_weight(g, x->elem, 0, NULL), *out;
    if (!graph_lines(g, (line){.effect = SMOOTHLY}, OPERANDS(x, scale), 1, &out, "Mul(%s, %s)",
                     x->name, scale->name))
        return false;
    x = out;
    const char *name = rng_chance(&g->r, 50) ? "Tanh" : "Sigmoid";
    if (!graph_lines(g, (line){.effect = SMOOTHLY}, OPERANDS(x), 1, &out, "%s(%s)", name, x->name))
        return false;
    x = out;
    return graph_line(g, (line){.effect = SMOOTHLY}, (x, y), "Add(%s, %s)", y->name, x->name);
}

const graph_op graph_pointwise[] = {
    {"unary", make_unary, 30},
    {"unary of integers", make_int_unary, 3},
    {"Not", make_not, 1},
    {"arithmetic", make_arithmetic, 25},
    {"extreme", make_extreme, 6},
    {"Mod", make_mod, 2},
    {"Pow", make_pow, 3},
    {"PRelu", make_prelu, 1},
    {"compare", make_compare, 6},
    {"logical", make_logical, 2},
    {"bitwise", make_bitwise, 2},
    {"BitShift", make_shift, 1},
    {"Where", make_where, 6},
    {"Clip", make_clip, 4},
    {"Shrink", make_shrink, 1},
    {"Cast", make_cast, 8},
    {"CastLike", make_cast_like, 2},
    {"BitCast", make_bit_cast, 2},
    {"Dropout", make_dropout, 1},
    {"chain", make_chain, 4},
    {NULL, NULL, 0},
};
