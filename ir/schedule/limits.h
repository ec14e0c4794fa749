/* limits.h - the values that the parameters of a schedule may have for one kernel. */
#ifndef FV_IR_SCHEDULE_LIMITS_H
#define FV_IR_SCHEDULE_LIMITS_H

#include "ir/schedule/schedule.h"

/* Bounds of the arrays that a contraction keeps on the stack. FV_MOST_SUMS: largest number of
 * elements of the sums of a block whose tiles compute a part of the steps at a time, or of copied
 * rows. FV_SPACE: number of padding elements between copied rows, without which the starts of rows
 * of 1024 f32 would be a multiple of 4 kB apart. */
enum { FV_MOST_SUMS = 1 << 14, FV_SPACE = 16 };

typedef struct fv_schedule_limits {
    /* the parameters that can be chosen, as a set of bits with numbers of fv_parameter */
    unsigned choices;
    struct {
        int64_t least, most, step; /* legal values: the multiples of `step` in least..most */
    } of[FV_NPARAMETERS];
    /* lanes and number of vector registers of the target, for register tiles; lanes 1: tiles of
     * scalars */
    int lanes, registers;
    int sums; /* number of sums that share a tile, each with its own columns; 0 counts as 1 */
} fv_schedule_limits;

static inline bool fv_is_choice(const fv_schedule_limits *l, fv_parameter p) {
    return l->choices >> p & 1;
}
/* Checks the value of parameter p in s; parameters with lower numbers have been checked. Tiles must
 * fit into the registers, and blocks must be whole tiles. Returns NULL, or a text that says what is
 * wrong. */
const char *fv_schedule_wrong(fv_arena *a, const fv_schedule_limits *l, const fv_schedule *s,
                              fv_parameter p);

#endif
