/* sizes.c - estimates of sizes for decisions. */
#include "backend/lowering/sizes.h"

#include "ir/expr/expr.h"

int64_t fv_nearest_size(const fv_dim *symbol, int64_t n) {
    return symbol->least > n ? symbol->least : symbol->most < n ? symbol->most : n;
}

static bool typical(void *ctx, const fv_dim *symbol, int64_t *out) {
    (void)ctx;
    *out = fv_nearest_size(symbol, FV_ASSUMED_SIZE);
    return true;
}

int64_t fv_typical_dim(const fv_dim *d) {
    int64_t n;
    if (!fv_dim_eval(d, typical, NULL, &n))
        return -1;
    /* the value of an extent may exceed what a program allows */
    return n < 0 ? 0 : n < FV_DIM_MAX ? n : FV_DIM_MAX;
}

double fv_typical_extent(const fv_dim *d) {
    int64_t n = fv_typical_dim(d);
    return n < 0 ? (double)FV_DIM_MAX : (double)n;
}

int64_t fv_typical_terms(const fv_expr *sum, int first) {
    int64_t n = 1;
    for (int i = first; i < sum->u.red.nvars && n < FV_MANY_TERMS; i++) {
        int64_t extent = fv_typical_dim(sum->u.red.vars[i]->dim);
        n = extent < 0 || extent > FV_MANY_TERMS ? FV_MANY_TERMS : n * extent;
    }
    return n > 0 ? n : 1;
}

double fv_typical_elements(const fv_type *t) {
    double n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= fv_typical_extent(t->dims[i]);
    return n;
}

int64_t fv_whole_number(double n) {
    return n < 1e18 ? (int64_t)n : -1;
}

int64_t fv_largest_bytes(const fv_type *t, int64_t unit) {
    int64_t n = fv_elem_storage_bytes(t->elem);
    for (int i = 0; i < t->rank; i++) {
        int64_t most = t->dims[i]->hi > 0 ? t->dims[i]->hi : 0;
        if (most >= FV_DIM_MAX || __builtin_mul_overflow(n, most, &n))
            return -1;
    }
    return n <= FV_LARGEST_SIZE ? (n + unit - 1) / unit * unit : -1;
}
