/* ml_trees_walk.c - fv.Trees: evaluates decision trees, which are tables of nodes, for rows.
 *
 * A node tests x[feature] <= value and continues at its first child if that is true, else at the
 * second one. The test of a leaf is always false, and its second child is the leaf itself. So each
 * row takes as many steps as the tree is deep, without a branch. A step waits for three dependent
 * loads, so several lanes are evaluated at the same time: rows in one tree, or, if there are few
 * rows, one row in several trees. Scores are added in the order of the trees in both cases.
 *
 * Lanes are scalars, not a vector: gathers take longer than the loads that they replace and than
 * what a vector saves. The words of a node are adjacent, so that a step reads one cache line. With
 * a vector and four tables, a row through 500 trees of depth 8 took 6.8 us on Zen 5, and now takes
 * 3.1; 1000 rows took 5.9 ms, and take 2.9. */
#include "ops/ml/ml_trees_walk.h"

#include <math.h>

#include "ir/base/limits.h"
#include "ir/definition/custom.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/ml/ml.h"

enum {
    /* rows of a task: a tree is read once for all of them, and they should fit into the first-level
     * cache together with it */
    ROWS = 64
};

/* Sums, minima or maxima of weights; aggregate_of returns -1 after a diagnostic. */
enum { SUMS, MINIMA, MAXIMA };
static int aggregate_of(const fv_op *op) {
    static const char *const names[] = {"SUM", "MIN", "MAX"};
    return fv_ml_choice(op, "aggregate", 3, names);
}

/* The number of words of a node, without the word that states where NaN goes. */
static int64_t least_words(fv_elem e) {
    return FV_TREES_VALUE + (e == FV_F64 ? 2 : 1);
}

bool fv_infer_trees(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, FV_TREES_X), *nodes = fv_in_type(op, FV_TREES_NODES);
    const fv_dim *starts = fv_in_type(op, FV_TREES_STARTS)->dims[0], *words = nodes->dims[1];
    int64_t targets = fv_op_int(op, "targets"), least = least_words(x->elem);
    if (targets < 1 || targets > INT32_MAX)
        return fv_op_error(op, "has %lld targets", (long long)targets);
    if (aggregate_of(op) < 0)
        return false;
    const fv_dim *dims[2] = {x->dims[0], fv_dim_const(m->dims, targets)};
    fv_infer_out(op, 0, x->elem, 2, dims);
    if (!fv_dim_is_const(words) || words->value < least || words->value > least + 1)
        return fv_op_error(op, "a node has %s words, expected %lld or one more",
                           fv_dim_str(m->arena, words), (long long)least);
    if (!fv_module_assume(m, fv_in_type(op, FV_TREES_VALUES)->dims[0], nodes->dims[0],
                          "a value for each node"))
        return fv_op_error(op, "has %s nodes, and other values",
                           fv_dim_str(m->arena, nodes->dims[0]));
    bool single = !fv_op_in(op, FV_TREES_FIRST);
    if (single != !fv_op_in(op, FV_TREES_TARGETS) || single != !fv_op_in(op, FV_TREES_WEIGHTS))
        return fv_op_error(op, "first, targets and weights come together");
    return fv_module_assume(m, starts, fv_dim_const(m->dims, single ? targets + 1 : 2),
                            "trees of each target") ||
           fv_op_error(op, "has %s starts of trees", fv_dim_str(m->arena, starts));
}

/* ---- expressions ---- */

/* The parameters of the kernel. */
typedef struct walk_params {
    fv_buf *x, *nodes, *values, *roots, *depths, *together, *starts, *first, *targets, *weights, *y;
} walk_params;

typedef struct walk {
    fv_custom *c;
    fv_arena *a;
    fv_elem e;
    int aggregate;
    bool missing; /* whether nodes state where NaN goes */
    walk_params of;
    /* tiles: the current node of each lane, its leaf, and the scores of a task's rows */
    fv_buf *at, *leaf, *score;
    fv_expr *n, *zero, *one, *row; /* n: the number of rows; row: the first row of the task */
} walk;

static fv_expr *bin(const walk *z, fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(z->a, op, x, y);
}

static fv_expr *let(const walk *z, const char *name, fv_expr *x) {
    return fv_kb_let(&z->c->b, name, x);
}

static fv_expr *load(const walk *z, fv_buf *b, fv_expr *i) {
    return fv_x_load(z->a, b, &i);
}

/* An i32 of a table, converted to an index. */
static fv_expr *entry(const walk *z, const char *name, fv_expr *x) {
    return let(z, name, fv_x_convert(z->a, FV_I64, x));
}

static fv_expr *entry_at(const walk *z, const char *name, fv_buf *b, fv_expr *i) {
    return entry(z, name, load(z, b, i));
}

static fv_expr *loop(const walk *z, fv_loop_kind kind, const char *name, fv_expr *lo, fv_expr *hi) {
    return fv_kb_for(&z->c->b, kind, name, lo, hi, 1);
}

static void end(const walk *z) {
    fv_kb_end(&z->c->b);
}

static fv_expr *integer(const walk *z, int64_t v) {
    return fv_x_int(z->a, v);
}

static fv_expr *start_of(const walk *z) {
    double v = z->aggregate == MINIMA ? INFINITY : z->aggregate == MAXIMA ? -INFINITY : 0;
    return fv_x_const(z->a, z->e, v);
}

static fv_expr *taken_with(const walk *z, fv_expr *score, fv_expr *weight) {
    return bin(z,
               z->aggregate == MINIMA   ? FV_X_MIN
               : z->aggregate == MAXIMA ? FV_X_MAX
                                        : FV_X_ADD,
               score, weight);
}

/* ---- steps ---- */

static fv_expr *word(const walk *z, fv_expr *node, int64_t i) {
    fv_expr *index[2] = {node, integer(z, i)};
    return fv_x_load(z->a, z->of.nodes, index);
}

static fv_expr *value_of(const walk *z, fv_expr *node) {
    fv_arena *a = z->a;
    fv_expr *low = word(z, node, FV_TREES_VALUE);
    if (z->e == FV_F32)
        return fv_x_cast(a, FV_X_BITCAST, FV_F32, low);
    fv_expr *high = bin(z, FV_X_SHL, fv_x_convert(a, FV_I64, word(z, node, FV_TREES_VALUE + 1)),
                        integer(z, 32));
    low = bin(z, FV_X_AND, fv_x_convert(a, FV_I64, low), integer(z, UINT32_MAX));
    return fv_x_cast(a, FV_X_BITCAST, FV_F64, bin(z, FV_X_OR, high, low));
}

/* One step of a lane with this row. */
static void step(const walk *z, fv_expr *lane, fv_expr *row) {
    fv_arena *a = z->a;
    fv_expr *node = let(z, "node", load(z, z->at, lane)),
            *index[2] = {row, entry(z, "feature", word(z, node, FV_TREES_FEATURE))};
    fv_expr *x = let(z, "x", fv_x_load(a, z->of.x, index)),
            *is_first = bin(z, FV_X_LE, x, value_of(z, node));
    if (z->missing) {
        fv_expr *mark = word(z, node, least_words(z->e));
        is_first = bin(z, FV_X_OR, is_first,
                       bin(z, FV_X_AND, bin(z, FV_X_NE, x, x),
                           bin(z, FV_X_NE, mark, fv_x_const_int(a, FV_I32, 0))));
    }
    fv_expr *child = fv_x_convert(a, FV_I64, word(z, node, FV_TREES_CHILD));
    fv_kb_store(&z->c->b, z->at, &lane,
                bin(z, FV_X_ADD, child, fv_x_select(a, is_first, z->zero, z->one)), NULL);
}

static fv_expr *lanes(const walk *z, const char *name) {
    return loop(z, FV_UNROLL, name, z->zero, integer(z, FV_TREES_LANES));
}

/* Copies the leaves to a tile that is read at variable indices, so that the current nodes of lanes
 * can stay in registers. */
static void keep_leaves(const walk *z) {
    fv_expr *c = lanes(z, "c");
    fv_kb_store(&z->c->b, z->leaf, &c, load(z, z->at, c), NULL);
    end(z);
}

/* Adds the weights of a lane's leaf to the scores of a row, each to its target. */
static void add_weights(const walk *z, fv_expr *lane, fv_expr *row) {
    fv_expr *leaf = let(z, "leaf", load(z, z->leaf, lane));
    fv_expr *from = entry_at(z, "from", z->of.first, leaf),
            *to = entry_at(z, "to", z->of.first, bin(z, FV_X_ADD, leaf, z->one));
    fv_expr *i = loop(z, FV_SERIAL, "i", from, to),
            *index[2] = {row, entry_at(z, "target", z->of.targets, i)};
    fv_expr *score = fv_x_load(z->a, z->of.y, index);
    fv_kb_store(&z->c->b, z->of.y, index, taken_with(z, score, load(z, z->of.weights, i)), NULL);
    end(z);
}

/* ---- many rows: lanes are rows ---- */

static void rows_through_tree(const walk *z, fv_expr *tree, fv_expr *count) {
    fv_expr *root = entry_at(z, "root", z->of.roots, tree),
            *depth = entry_at(z, "depth", z->of.depths, tree);
    fv_expr *width = integer(z, FV_TREES_LANES), *last = bin(z, FV_X_SUB, z->n, z->one);
    fv_expr *parts =
        let(z, "parts",
            bin(z, FV_X_FLOORDIV, bin(z, FV_X_ADD, count, integer(z, FV_TREES_LANES - 1)), width));
    fv_expr *part =
        let(z, "first", bin(z, FV_X_MUL, loop(z, FV_SERIAL, "part", z->zero, parts), width));
    fv_expr *c = lanes(z, "c");
    fv_kb_store(&z->c->b, z->at, &c, root, NULL);
    end(z);
    loop(z, FV_SERIAL, "step", z->zero, depth);
    c = lanes(z, "c");
    /* lanes after the last row repeat it */
    step(z, c, bin(z, FV_X_MIN, bin(z, FV_X_ADD, bin(z, FV_X_ADD, z->row, part), c), last));
    end(z);
    end(z);
    if (z->of.first) {
        keep_leaves(z);
        fv_expr *r = loop(z, FV_SERIAL, "r", z->zero,
                          let(z, "here", bin(z, FV_X_MIN, width, bin(z, FV_X_SUB, count, part))));
        add_weights(z, r, bin(z, FV_X_ADD, z->row, bin(z, FV_X_ADD, part, r)));
        end(z);
    } else {
        c = lanes(z, "c");
        fv_expr *place = bin(z, FV_X_ADD, part, c),
                *value = load(z, z->of.values, let(z, "leaf", load(z, z->at, c)));
        fv_kb_store(&z->c->b, z->score, &place, taken_with(z, load(z, z->score, place), value),
                    NULL);
        end(z);
    }
    end(z);
}

static void many_rows(const walk *z, fv_expr *count) {
    fv_expr *groups = bin(z, FV_X_SUB, z->of.starts->extent[0], z->one);
    fv_expr *k = loop(z, FV_SERIAL, "target", z->zero, groups);
    if (!z->of.first) {
        fv_expr *r = loop(z, FV_VECTOR, "r", z->zero, integer(z, ROWS));
        fv_kb_store(&z->c->b, z->score, &r, start_of(z), NULL);
        end(z);
    }
    fv_expr *from = entry_at(z, "from", z->of.starts, k),
            *to = entry_at(z, "to", z->of.starts, bin(z, FV_X_ADD, k, z->one));
    rows_through_tree(z, loop(z, FV_SERIAL, "tree", from, to), count);
    end(z);
    if (!z->of.first) {
        fv_expr *r = loop(z, FV_VECTOR, "r", z->zero, count),
                *index[2] = {bin(z, FV_X_ADD, z->row, r), k};
        fv_kb_store(&z->c->b, z->of.y, index, load(z, z->score, r), NULL);
        end(z);
    }
    end(z);
}

/* ---- few rows: lanes are trees ---- */

static void row_through_trees(const walk *z, fv_expr *row, fv_expr *tree, fv_expr *to,
                              fv_buf *score) {
    fv_expr *width = integer(z, FV_TREES_LANES),
            *last = let(z, "last", bin(z, FV_X_SUB, to, z->one));
    fv_expr *c = lanes(z, "c");
    fv_kb_store(&z->c->b, z->at, &c,
                entry_at(z, "root", z->of.roots, bin(z, FV_X_MIN, bin(z, FV_X_ADD, tree, c), last)),
                NULL);
    end(z);
    loop(z, FV_SERIAL, "step", z->zero, entry_at(z, "depth", z->of.together, tree));
    step(z, lanes(z, "c"), row);
    end(z);
    end(z);
    keep_leaves(z);
    fv_expr *i = loop(z, FV_SERIAL, "i", z->zero,
                      let(z, "here", bin(z, FV_X_MIN, width, bin(z, FV_X_SUB, to, tree))));
    if (z->of.first) {
        add_weights(z, i, row);
    } else {
        fv_expr *value = load(z, z->of.values, let(z, "leaf", load(z, z->leaf, i)));
        fv_kb_store(&z->c->b, score, NULL, taken_with(z, fv_x_load(z->a, score, NULL), value),
                    NULL);
    }
    end(z);
}

static void few_rows(const walk *z, fv_expr *count) {
    fv_expr *groups = bin(z, FV_X_SUB, z->of.starts->extent[0], z->one);
    fv_expr *row = let(z, "own", bin(z, FV_X_ADD, z->row, loop(z, FV_SERIAL, "r", z->zero, count)));
    fv_expr *k = loop(z, FV_SERIAL, "target", z->zero, groups);
    fv_buf *score = z->of.first ? NULL : fv_kb_tile(&z->c->b, "sum", z->e, 0, NULL, start_of(z));
    fv_expr *from = entry_at(z, "from", z->of.starts, k),
            *to = entry_at(z, "to", z->of.starts, bin(z, FV_X_ADD, k, z->one));
    fv_expr *tree = fv_kb_for(&z->c->b, FV_SERIAL, "tree", from, to, FV_TREES_LANES);
    row_through_trees(z, row, tree, to, score);
    end(z);
    if (!z->of.first)
        fv_kb_store(&z->c->b, z->of.y, (fv_expr *[]){row, k}, fv_x_load(z->a, score, NULL), NULL);
    end(z);
    end(z);
}

/* ---- the kernels ---- */

static void fill(fv_custom *c, walk *z, const fv_type *y) {
    fv_custom_begin(c, "trees_start");
    fv_buf *to = fv_custom_out(c, 0);
    fv_expr *index[2] = {fv_custom_for(c, FV_PARALLEL, "row", y->dims[0]),
                         fv_custom_for(c, FV_VECTOR, "target", y->dims[1])};
    fv_kb_store(&c->b, to, index, start_of(z), NULL);
    fv_kb_end(&c->b);
    fv_kb_end(&c->b);
    fv_custom_end(c);
}

static void bind(fv_custom *c, walk *z, fv_op *op) {
    z->of.x = fv_custom_in(c, FV_TREES_X);
    z->of.nodes = fv_custom_in(c, FV_TREES_NODES);
    z->of.values = fv_custom_in(c, FV_TREES_VALUES);
    z->of.roots = fv_custom_in(c, FV_TREES_ROOTS);
    z->of.depths = fv_custom_in(c, FV_TREES_DEPTHS);
    z->of.together = fv_custom_in(c, FV_TREES_TOGETHER);
    z->of.starts = fv_custom_in(c, FV_TREES_STARTS);
    z->missing = fv_in_type(op, FV_TREES_NODES)->dims[1]->value > least_words(z->e);
    z->of.first = fv_op_in(op, FV_TREES_FIRST) ? fv_custom_in(c, FV_TREES_FIRST) : NULL;
    if (z->of.first) {
        z->of.targets = fv_custom_in(c, FV_TREES_TARGETS);
        z->of.weights = fv_custom_in(c, FV_TREES_WEIGHTS);
    }
    z->of.y = z->of.first ? fv_custom_update(c, 0) : fv_custom_out(c, 0);
}

bool fv_kernel_trees(fv_custom *c, fv_op *op) {
    static const int64_t width[1] = {FV_TREES_LANES}, rows[1] = {ROWS};
    fv_arena *a = c->arena;
    const fv_type *x = fv_in_type(op, FV_TREES_X);
    walk z = {.c = c,
              .a = a,
              .e = x->elem,
              .aggregate = aggregate_of(op),
              .zero = fv_x_int(a, 0),
              .one = fv_x_int(a, 1)};
    if (fv_op_in(op, FV_TREES_FIRST))
        fill(c, &z, op->out[0]->type);
    fv_custom_begin(c, "trees");
    bind(c, &z, op);
    z.n = fv_custom_dim(c, x->dims[0]);
    fv_expr *block = fv_x_int(a, ROWS),
            *blocks = bin(&z, FV_X_FLOORDIV, bin(&z, FV_X_ADD, z.n, fv_x_int(a, ROWS - 1)), block);
    z.row = bin(&z, FV_X_MUL, loop(&z, FV_PARALLEL, "block", z.zero, blocks), block);
    fv_expr *count = let(&z, "count", bin(&z, FV_X_MIN, block, bin(&z, FV_X_SUB, z.n, z.row)));
    z.at = fv_kb_tile(&c->b, "at", FV_I64, 1, width, z.zero);
    z.leaf = fv_kb_tile(&c->b, "leaf", FV_I64, 1, width, z.zero);
    fv_kb_if(&c->b, bin(&z, FV_X_LT, z.n, fv_x_int(a, FV_TREES_LANES / 2)));
    few_rows(&z, count);
    fv_kb_else(&c->b);
    if (!z.of.first)
        z.score = fv_kb_tile(&c->b, "score", z.e, 1, rows, start_of(&z));
    many_rows(&z, count);
    fv_kb_end(&c->b);
    fv_kb_end(&c->b);
    fv_custom_end(c);
    return true;
}
