/* speed.h - limits of decisions that affect speed only. They change no bit of a result: forms and
 * the constants of ir/definition/bits.h decide bits. */
#ifndef FV_BACKEND_LOWERING_SPEED_H
#define FV_BACKEND_LOWERING_SPEED_H

#include "ir/target/target.h"

typedef struct fv_speed {
#define LIMIT(id, usual, least, most, what) int64_t id;
#include "backend/lowering/speed.def"
#undef LIMIT
} fv_speed;

/* The limits in speed.def. */
extern const fv_speed fv_speed_usual;
/* Limits that are drawn at random: each between its least and its most value, powers of two being
 * as likely as one another. The same seed gives the same limits. */
fv_speed fv_speed_random(uint64_t seed);
/* `t` with caches of random sizes and random properties of the processor (processor.def). */
const fv_target *fv_target_random(fv_arena *a, const fv_target *t, uint64_t seed);

#endif
