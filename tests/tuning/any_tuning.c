/* any_tuning.c - see any_tuning.h. */
#include "tests/tuning/any_tuning.h"

#include "ir/base/text.h"

static uint64_t below(fv_random *r, uint64_t n) {
    uint64_t x = fv_random_next(r);
    return n ? x % n : 0;
}

/* Small values as often as large ones. */
static int64_t any_value(fv_random *r, int64_t least, int64_t most, int64_t step) {
    int64_t range = most / step - (least + step - 1) / step + 1, span = 1;
    for (uint64_t doublings = below(r, 1 + (uint64_t)(64 - __builtin_clzll((uint64_t)range)));
         doublings; doublings--)
        span *= 2;
    return ((least + step - 1) / step +
            (int64_t)below(r, (uint64_t)(span < range ? span : range))) *
           step;
}

bool any_tuning_is_legal(fv_arena *a, const fv_choice *c, const fv_schedule *s) {
    for (int p = 0; p < FV_NPARAMETERS; p++)
        if (fv_is_choice(&c->limits, (fv_parameter)p) &&
            fv_schedule_wrong(a, &c->limits, s, (fv_parameter)p))
            return false;
    return true;
}

/* What was chosen, with some parameters at random. A block is whole tiles, whatever these are. */
static bool any_schedule(fv_arena *a, fv_random *r, const fv_choice *c, fv_schedule *out) {
    fv_schedule s = c->how;
    *out = (fv_schedule){.kind = s.kind};
    for (int p = 0; p < FV_NPARAMETERS; p++) {
        if (!fv_is_choice(&c->limits, (fv_parameter)p) || below(r, 4) == 0)
            continue;
        s.value[p] =
            any_value(r, c->limits.of[p].least, c->limits.of[p].most, c->limits.of[p].step);
        if (p == FV_PARAMETER_size)
            s.value[p] = (int64_t)4 << below(r, 3);
        fv_schedule_set(out, (fv_parameter)p, s.value[p]);
    }
    int64_t rows =
        s.value[s.kind == FV_SCHEDULE_attend ? FV_PARAMETER_score_rows : FV_PARAMETER_rows];
    if (fv_is_choice(&c->limits, FV_PARAMETER_block)) {
        s.value[FV_PARAMETER_block] = rows * (1 + (int64_t)below(r, 6));
        fv_schedule_set(out, FV_PARAMETER_block, s.value[FV_PARAMETER_block]);
    }
    /* whether rows can be copied depends on the depth, whose default depends on the tile */
    if (fv_is_choice(&c->limits, FV_PARAMETER_copies))
        fv_schedule_set(out, FV_PARAMETER_depth, s.value[FV_PARAMETER_depth]);
    return any_tuning_is_legal(a, c, &s);
}

fv_tuning any_tuning(fv_arena *a, fv_random *r, const fv_choices *all) {
    fv_tuning u = {.path = "tuning", .kernels = FV_NEW(a, fv_tuned_kernel, all->n + 1)};
    for (int i = 0; i < all->n; i++) {
        fv_tuned_kernel k = {.key = all->at[i].key, .line = 1, .column = 1};
        if (fv_tuning_find(&u, k.key))
            continue;
        for (int tries = 0; tries < 200; tries++)
            if (any_schedule(a, r, &all->at[i], &k.schedule)) {
                u.kernels[u.n++] = k;
                break;
            }
    }
    return u;
}

const char *any_tuning_text(fv_arena *a, const fv_tuning *u) {
    fv_text t = {.arena = a};
    fv_text_put(&t, "");
    for (int i = 0; i < u->n; i++) {
        fv_schedule_print(&t, &u->kernels[i].schedule);
        fv_text_put(&t, "\n");
    }
    return t.s;
}
