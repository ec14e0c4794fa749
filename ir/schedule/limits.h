/* limits.h - what a schedule may be for one kernel: which parameters are a choice there, and
 * between which values. */
#ifndef FV_IR_SCHEDULE_LIMITS_H
#define FV_IR_SCHEDULE_LIMITS_H

#include "ir/schedule/schedule.h"

/* What a contraction has on the stack: sums of a block whose tiles do a part of the steps, and
 * copies of rows with so much between them that they do not lie a multiple of 4 kB apart. */
enum { FV_MOST_SUMS = 1 << 14, FV_SPACE = 16 };

typedef struct fv_schedule_limits {
    unsigned choices; /* bits of fv_parameter */
    struct {
        int64_t least, most, step; /* multiples of step */
    } of[FV_NPARAMETERS];
    int lanes, registers; /* that tiles are made of; lanes 1: of scalars */
    int sums;             /* that share a tile, each with these columns; 0 counts as 1 */
} fv_schedule_limits;

static inline bool fv_is_choice(const fv_schedule_limits *l, fv_parameter p) {
    return l->choices >> p & 1;
}
/* What is wrong with the value of a parameter in s, where those of lower number have been looked
 * at; NULL: nothing. Tiles must fit into the registers, and blocks be whole tiles. */
const char *fv_schedule_wrong(fv_arena *a, const fv_schedule_limits *l, const fv_schedule *s,
                              fv_parameter p);

#endif
