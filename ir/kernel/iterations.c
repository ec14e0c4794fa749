/* iterations.c - see iterations.h. */
#include "ir/kernel/iterations.h"

#include "ir/expr/fold.h"
#include "ir/expr/visit.h"

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* a + b; INT64_MAX if a is, or if it is larger. */
static int64_t plus(int64_t a, int64_t b) {
    int64_t sum;
    return a == INT64_MAX || __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* The largest value of hi - lo, as far as their bounds tell. */
static int64_t distance_of_bounds(const fv_expr *hi, const fv_expr *lo) {
    int64_t least, most, other, n;
    fv_x_range(hi, &other, &most);
    fv_x_range(lo, &least, &other);
    bool known = most < INT64_MAX && least > INT64_MIN;
    return known && !__builtin_sub_overflow(most, least, &n) ? n : INT64_MAX;
}

/* The largest value of hi - lo, which may have equal terms. */
static int64_t distance(const fv_expr *hi, const fv_expr *lo) {
    int64_t by, n = distance_of_bounds(hi, lo);
    if (fv_x_equal(hi, lo))
        return 0;
    if (hi->op == FV_X_MIN)
        n = smaller(n, smaller(distance(hi->arg[0], lo), distance(hi->arg[1], lo)));
    if (lo->op == FV_X_MAX)
        n = smaller(n, smaller(distance(hi, lo->arg[0]), distance(hi, lo->arg[1])));
    if (hi->op == FV_X_ADD && fv_x_is_int(hi->arg[1], &by))
        n = smaller(n, plus(distance(hi->arg[0], lo), by));
    if (hi->op == FV_X_SUB && fv_x_is_int(hi->arg[1], &by) && by > INT64_MIN)
        n = smaller(n, plus(distance(hi->arg[0], lo), -by));
    return n;
}

int64_t fv_most_iterations(const fv_stmt *loop) {
    const int64_t n = distance(loop->loop.hi, loop->loop.lo), step = loop->loop.step;
    return n <= 0 ? 0 : n == INT64_MAX ? n : (n - 1) / step + 1;
}

/* Does x depend on no variables but those of loops among the statements? */
static bool is_of_loops(fv_arena *scratch, const fv_expr *root, int nopen, fv_stmt *const *open) {
    const fv_expr *x;
    bool is = true;
    for (fv_x_visitor v = fv_x_visit(scratch, root); is && (x = fv_x_next(&v));) {
        bool found = x->op != FV_X_VAR;
        for (int i = 0; i < nopen && !found; i++)
            found = open[i]->kind == FV_S_FOR && open[i]->var == x->u.var;
        is = found;
    }
    return is;
}

/* Does one of the expressions, or a bound of one of the `inside` loops, use the variable? */
static bool is_used(const fv_var *v, int n, fv_expr *const *x, int ninside,
                    fv_stmt *const *inside) {
    bool used = false;
    for (int i = 0; i < n && !used; i++)
        used = fv_x_uses(x[i], v);
    for (int i = 0; i < ninside && !used; i++)
        used = fv_x_uses(inside[i]->loop.lo, v) || fv_x_uses(inside[i]->loop.hi, v);
    return used;
}

int64_t fv_most_combinations(fv_arena *scratch, int nopen, fv_stmt *const *open, int n,
                             fv_expr *const *x) {
    fv_stmt **inside = FV_NEW(scratch, fv_stmt *, nopen + 1);
    int ninside = 0;
    int64_t all = 1;
    for (int i = 0; i < n; i++)
        if (!is_of_loops(scratch, x[i], nopen, open))
            return INT64_MAX;
    for (int i = nopen - 1; i >= 0; i--) {
        if (open[i]->kind != FV_S_FOR || !is_used(open[i]->var, n, x, ninside, inside))
            continue;
        const int64_t times = fv_most_iterations(open[i]);
        inside[ninside++] = open[i];
        if (times == INT64_MAX || __builtin_mul_overflow(all, times, &all))
            return INT64_MAX;
    }
    return all;
}
