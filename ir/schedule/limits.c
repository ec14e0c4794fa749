/* limits.c - which values of a schedule's parameters are legal for a kernel. */
#include "ir/schedule/limits.h"

#include "ir/base/divisor.h"

enum {
    SCALARS = 16, /* largest number of sums in a tile on targets without vectors */
    /* number of vector registers that a tile needs besides those of its sums: at least one for each
     * factor */
    OPERANDS = 2
};

/* The parameter for the rows of a tile, where p is the one for the columns or the block of the same
 * tile. */
static fv_parameter rows_of(const fv_schedule *s, fv_parameter p) {
    bool scores = p == FV_PARAMETER_score_columns ||
                  (p == FV_PARAMETER_block && s->kind == FV_SCHEDULE_attend);
    return scores ? FV_PARAMETER_score_rows : FV_PARAMETER_rows;
}

static const char *wrong_tile(fv_arena *a, const fv_schedule_limits *l, int64_t rows,
                              int64_t columns) {
    int64_t sums = rows * fv_div_up(columns, l->lanes) * (l->sums ? l->sums : 1),
            most = l->lanes > 1 ? l->registers - OPERANDS : SCALARS;
    if (sums <= most)
        return NULL;
    if (l->lanes > 1)
        return fv_printf(a,
                         "a tile of %lld x %lld sums takes %lld registers, expected at most %lld "
                         "of the %d that there are",
                         (long long)rows, (long long)columns, (long long)sums, (long long)most,
                         l->registers);
    return fv_printf(a, "a tile has %lld x %lld sums, expected at most %lld without vectors",
                     (long long)rows, (long long)columns, (long long)most);
}

/* Limits the sums of a block and the copies of rows, which are arrays on the stack. Returns what is
 * wrong, or NULL. */
static const char *wrong_steps(fv_arena *a, const fv_schedule_limits *l, const fv_schedule *s,
                               fv_parameter p) {
    int64_t depth = s->value[FV_PARAMETER_depth], all = l->of[FV_PARAMETER_depth].most,
            rows = s->value[FV_PARAMETER_rows];
    int64_t block = s->value[FV_PARAMETER_block],
            columns = s->value[FV_PARAMETER_columns] * (l->sums ? l->sums : 1);
    if (p == FV_PARAMETER_depth && depth < all && block > FV_MOST_SUMS / columns)
        return fv_printf(a,
                         "a block of %lld x %lld sums takes all %lld steps at once, expected at "
                         "most %d sums for fewer",
                         (long long)block, (long long)columns, (long long)all, FV_MOST_SUMS);
    if (p == FV_PARAMETER_copies && s->value[p] && depth == all)
        return fv_printf(a,
                         "rows are copied for a part of the steps, expected a 'depth' below %lld",
                         (long long)all);
    if (p == FV_PARAMETER_copies && s->value[p] && depth > FV_MOST_SUMS / rows - FV_SPACE)
        return fv_printf(a, "a copy of %lld rows has %lld steps, expected at most %lld",
                         (long long)rows, (long long)depth,
                         (long long)(FV_MOST_SUMS / rows - FV_SPACE));
    return NULL;
}

const char *fv_schedule_wrong(fv_arena *a, const fv_schedule_limits *l, const fv_schedule *s,
                              fv_parameter p) {
    const char *name = fv_parameter_name(p);
    int64_t value = s->value[p], least = l->of[p].least, most = l->of[p].most, step = l->of[p].step;
    if (!fv_is_choice(l, p))
        return fv_printf(a, "this kernel has no '%s' to choose", name);
    if (value < least || value > most)
        return least == most ? fv_printf(a, "'%s' is %lld, expected %lld for this kernel", name,
                                         (long long)value, (long long)least)
                             : fv_printf(a, "'%s' is %lld, expected %lld to %lld for this kernel",
                                         name, (long long)value, (long long)least, (long long)most);
    if (value % step)
        return fv_printf(a, "'%s' is %lld, expected a multiple of %lld", name, (long long)value,
                         (long long)step);
    if (p == FV_PARAMETER_size && value & (value - 1))
        return fv_printf(a, "'%s' is %lld, expected a power of 2", name, (long long)value);
    if (p == FV_PARAMETER_panel && value && s->value[FV_PARAMETER_columns] % value)
        return fv_printf(a, "'%s' is %lld, expected a divisor of %lld, the columns of a tile", name,
                         (long long)value, (long long)s->value[FV_PARAMETER_columns]);
    if (p == FV_PARAMETER_panel)
        return NULL;
    if (p == FV_PARAMETER_columns || p == FV_PARAMETER_score_columns)
        return wrong_tile(a, l, s->value[rows_of(s, p)], value);
    if (p == FV_PARAMETER_depth || p == FV_PARAMETER_copies)
        return wrong_steps(a, l, s, p);
    int64_t rows = s->value[rows_of(s, p)];
    if (p == FV_PARAMETER_block && value % rows)
        return fv_printf(a, "'%s' is %lld, expected a multiple of %lld, the rows of a tile", name,
                         (long long)value, (long long)rows);
    return NULL;
}
