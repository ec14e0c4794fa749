/* alternatives.c - the schedules that `fovea tune` tries for a kernel: changes of the schedule that
 * was chosen, and tiles that the kernel would get on other processors. */
#include "tools/measure/alternatives.h"

typedef struct change {
    fv_parameter p;
    enum { TIMES, OVER, TO } how;
    int64_t by;
} change;
enum { THREADS = -1 };

/* Changes of the value of one parameter; a change that gives an illegal value is skipped. */
static const change changes[] = {
#define TRY(p, how, by) {FV_PARAMETER_##p, how, by},
#include "ir/schedule/schedules.def"
};
enum { NCHANGES = sizeof changes / sizeof *changes, MOST_VECTORS = 4, NTILES = 2 * MOST_VECTORS };

static bool is_legal(fv_arena *a, const fv_choice *c, const fv_schedule *s) {
    for (int p = 0; p < FV_NPARAMETERS; p++)
        if (fv_is_choice(&c->limits, (fv_parameter)p) &&
            fv_schedule_wrong(a, &c->limits, s, (fv_parameter)p))
            return false;
    return true;
}

/* Rounds the block down to a multiple of the tile's rows. */
static void fit_block(const fv_choice *c, fv_schedule *s) {
    int64_t rows =
        s->value[s->kind == FV_SCHEDULE_attend ? FV_PARAMETER_score_rows : FV_PARAMETER_rows];
    int64_t *block = &s->value[FV_PARAMETER_block];
    if (fv_is_choice(&c->limits, FV_PARAMETER_block) && rows > 0)
        *block = *block < rows ? rows : *block / rows * rows;
}

/* Sets the i-th tile. Tiles have 1, 2, ... vectors of columns, and as many rows as leave registers
 * for a row of the factor with the columns and an element of the other factor, or one row less.
 * False: the tile does not fit. */
static bool set_tile(const fv_choice *c, fv_parameter rows, fv_parameter columns, int i,
                     fv_schedule *s) {
    int vectors = i / 2 + 1, registers = c->limits.registers;
    if (!fv_is_choice(&c->limits, rows) || c->limits.lanes < 2)
        return false;
    int64_t most = c->limits.of[rows].most,
            wide = (int64_t)vectors * (c->limits.sums ? c->limits.sums : 1),
            n = (registers - 1 - wide) / wide;
    n = i % 2 ? n - 1 : n;
    s->value[rows] = n > most ? most : n;
    s->value[columns] = (int64_t)vectors * c->limits.lanes;
    return n > 0;
}

static bool change_one(const fv_choice *c, const change *k, int threads, fv_schedule *s) {
    int64_t old = s->value[k->p], to = k->by == THREADS ? threads : k->by;
    int64_t value = k->how == TIMES ? old * k->by : k->how == OVER ? old / k->by : to;
    if (!fv_is_choice(&c->limits, k->p) || (old == 0 && k->how != TO))
        return false;
    s->value[k->p] = value;
    /* both kinds of prefetches are switched on or off together */
    if (k->p == FV_PARAMETER_prefetch && !old != !value)
        s->value[FV_PARAMETER_prefetch_single] = value ? 128 << 10 : 0;
    return true;
}

int fv_alternative(fv_arena *a, const fv_choice *chosen, int threads, int i, fv_schedule *out) {
    bool attends = chosen->how.kind == FV_SCHEDULE_attend;
    int tiles = attends ? 2 * NTILES : NTILES;
    if (i >= tiles + NCHANGES)
        return -1;
    fv_schedule s = chosen->how;
    bool scores = i % 2 && attends; /* alternates between tiles of products and tiles of scores */
    int tile = attends ? i / 2 : i;
    bool made =
        i >= tiles ? change_one(chosen, &changes[i - tiles], threads, &s)
        : scores   ? set_tile(chosen, FV_PARAMETER_score_rows, FV_PARAMETER_score_columns, tile, &s)
                   : set_tile(chosen, FV_PARAMETER_rows, FV_PARAMETER_columns, tile, &s);
    if (!made)
        return 0;
    fit_block(chosen, &s);
    out->kind = s.kind;
    out->stated = 0;
    for (int p = 0; p < FV_NPARAMETERS; p++)
        if (fv_is_choice(&chosen->limits, (fv_parameter)p) && s.value[p] != chosen->how.value[p])
            fv_schedule_set(out, (fv_parameter)p, s.value[p]);
    return out->stated && is_legal(a, chosen, &s);
}

bool fv_alternative_both(fv_arena *a, const fv_choice *chosen, const fv_schedule *first,
                         const fv_schedule *second, fv_schedule *out) {
    fv_schedule s = chosen->how;
    if (first->stated & second->stated)
        return false;
    *out = *first;
    for (int p = 0; p < FV_NPARAMETERS; p++) {
        if (fv_schedule_states(second, (fv_parameter)p))
            fv_schedule_set(out, (fv_parameter)p, second->value[p]);
        if (fv_schedule_states(out, (fv_parameter)p))
            s.value[p] = out->value[p];
    }
    return is_legal(a, chosen, &s);
}
