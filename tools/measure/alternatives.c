/* alternatives.c - schedules that are worth a try: near to what was chosen, or what other machines
 * would have. */
#include "tools/measure/alternatives.h"

typedef struct change {
    fv_parameter p;
    enum { TIMES, OVER, TO } how;
    int64_t by;
} change;
enum { THREADS = -1 };

/* One parameter at a time; a value that does not fit is none. */
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

/* A block is whole tiles. */
static void fit_block(const fv_choice *c, fv_schedule *s) {
    int64_t rows =
        s->value[s->kind == FV_SCHEDULE_attend ? FV_PARAMETER_score_rows : FV_PARAMETER_rows];
    int64_t *block = &s->value[FV_PARAMETER_block];
    if (fv_is_choice(&c->limits, FV_PARAMETER_block) && rows > 0)
        *block = *block < rows ? rows : *block / rows * rows;
}

/* As many rows as leave registers for a row of b and one of a, and one fewer vector of them: even
 * numbers of tiles for a few rows follow from the processor's own tile. */
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
    if (k->p == FV_PARAMETER_prefetch && !old != !value) /* both or none */
        s->value[FV_PARAMETER_prefetch_single] = value ? 128 << 10 : 0;
    return true;
}

int fv_alternative(fv_arena *a, const fv_choice *chosen, int threads, int i, fv_schedule *out) {
    bool attends = chosen->how.kind == FV_SCHEDULE_attend;
    int tiles = attends ? 2 * NTILES : NTILES;
    if (i >= tiles + NCHANGES)
        return -1;
    fv_schedule s = chosen->how;
    bool scores = i % 2 && attends; /* the two tiles in turn */
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
