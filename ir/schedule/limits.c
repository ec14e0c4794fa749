/* limits.c - what a schedule may be for one kernel. */
#include "ir/schedule/limits.h"

enum { SCALARS = 16, /* sums of a tile without vectors */
       OPERANDS = 2 }; /* registers that a tile takes besides its sums: of each factor one, at least */

/* Rows of the tile that the columns, or the block, are of. */
static fv_parameter rows_of(const fv_schedule *s, fv_parameter p) {
    bool scores = p == FV_PARAMETER_score_columns || (p == FV_PARAMETER_block && s->kind == FV_SCHEDULE_attend);
    return scores ? FV_PARAMETER_score_rows : FV_PARAMETER_rows;
}

static const char *wrong_tile(fv_arena *a, const fv_schedule_limits *l, int64_t rows, int64_t columns) {
    int64_t sums = rows * ((columns + l->lanes - 1) / l->lanes), most = l->lanes > 1 ? l->registers - OPERANDS : SCALARS;
    if (sums <= most)
        return NULL;
    if (l->lanes > 1)
        return fv_printf(a, "a tile of %lld x %lld sums takes %lld registers, expected at most %lld of the %d that there are",
                         (long long)rows, (long long)columns, (long long)sums, (long long)most, l->registers);
    return fv_printf(a, "a tile has %lld x %lld sums, expected at most %lld without vectors", (long long)rows,
                     (long long)columns, (long long)most);
}

const char *fv_schedule_wrong(fv_arena *a, const fv_schedule_limits *l, const fv_schedule *s, fv_parameter p) {
    const char *name = fv_parameter_name(p);
    int64_t value = s->value[p], least = l->of[p].least, most = l->of[p].most, step = l->of[p].step;
    if (!fv_is_choice(l, p))
        return fv_printf(a, "this kernel has no '%s' to choose", name);
    if (value < least || value > most)
        return least == most ? fv_printf(a, "'%s' is %lld, expected %lld for this kernel", name, (long long)value, (long long)least)
                             : fv_printf(a, "'%s' is %lld, expected %lld to %lld for this kernel", name, (long long)value,
                                         (long long)least, (long long)most);
    if (value % step)
        return fv_printf(a, "'%s' is %lld, expected a multiple of %lld", name, (long long)value, (long long)step);
    if (p == FV_PARAMETER_size && value & (value - 1))
        return fv_printf(a, "'%s' is %lld, expected a power of 2", name, (long long)value);
    if (p == FV_PARAMETER_columns || p == FV_PARAMETER_score_columns)
        return wrong_tile(a, l, s->value[rows_of(s, p)], value);
    int64_t rows = s->value[rows_of(s, p)];
    if (p == FV_PARAMETER_block && value % rows)
        return fv_printf(a, "'%s' is %lld, expected a multiple of %lld, the rows of a tile", name, (long long)value,
                         (long long)rows);
    return NULL;
}
