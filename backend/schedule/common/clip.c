/* clip.c - see clip.h. */
#include "backend/schedule/common/clip.h"

#include "backend/lowering/access.h"
#include "ir/expr/affine.h"
#include "ir/expr/rewrite.h"

typedef struct finder {
    fv_arena *arena;
    fv_dims *dims;
    fv_var *v;
    fv_clip *clips;
    int n;
} finder;

/* The condition without which x is `identity`; NULL: there is none. */
static const fv_expr *condition_of(fv_arena *a, const fv_expr *x, const fv_expr *identity) {
    const fv_expr *inner = x;
    while (inner->op == FV_X_CONVERT)
        inner = inner->arg[0];
    const int rank = inner->op == FV_X_GUARD ? inner->u.buf->rank : 0;
    if (inner->op != FV_X_GUARD && inner->op != FV_X_SELECT)
        return NULL;
    fv_expr *otherwise = inner->arg[inner->op == FV_X_GUARD ? rank + 1 : 2];
    otherwise = fv_x_as_stored(a, x, inner, otherwise);
    return otherwise->op == FV_X_CONST && fv_x_equal(otherwise, identity) ? inner->arg[rank] : NULL;
}

/* The factor of the variable in x, if it occurs in no other way; otherwise 0. */
static int64_t factor_in(const finder *z, const fv_expr *x) {
    const fv_affines s = {.dims = z->dims};
    fv_affine f = fv_affine_of(&s, x);
    int64_t by = 0;
    for (int i = 0; f.rest && i < f.n; i++) {
        const fv_expr *atom = f.term[i].x;
        if (atom->op == FV_X_VAR && atom->u.var == z->v && fv_dim_is_const(f.term[i].by))
            by = f.term[i].by->value;
        else if (fv_x_uses(atom, z->v))
            return 0;
    }
    return by == (int32_t)by ? by : 0;
}

static void add(finder *z, const fv_expr *x) {
    fv_arena *a = z->arena;
    const bool compares = (x->op == FV_X_LE || x->op == FV_X_LT) && x->arg[0]->type.elem == FV_I64;
    if (!compares || z->n == FV_MAX_CLIPS)
        return;
    fv_expr *d = fv_x_bin(a, FV_X_SUB, x->arg[1], x->arg[0]), *zero = fv_x_int(a, 0);
    d = fv_x_bin(a, FV_X_SUB, d, fv_x_int(a, x->op == FV_X_LT));
    const int64_t by = factor_in(z, d);
    if (by)
        z->clips[z->n++] = (fv_clip){x, fv_x_replace_vars(a, d, 1, &z->v, &zero), by};
}

static void find(finder *z, const fv_expr *x) {
    if (x->op == FV_X_AND) {
        find(z, x->arg[0]);
        find(z, x->arg[1]);
    } else if (fv_x_uses(x, z->v))
        add(z, x);
}

int fv_clips_of(fv_arena *a, fv_dims *dims, const fv_expr *r, int i, const fv_expr *identity,
                fv_clip *clips) {
    finder z = {.arena = a, .dims = dims, .v = r->u.red.vars[i], .clips = clips};
    /* a term with a check is evaluated in any case */
    const bool may = !fv_x_has(r->arg[0], FV_HAS_REQUIRE);
    const fv_expr *x = may ? condition_of(a, r->arg[0], identity) : NULL;
    if (x)
        find(&z, x);
    return z.n;
}
