/* speed.c - see speed.h. */
#include "backend/lowering/speed.h"

#include <string.h>

#include "ir/base/random.h"
#include "ir/target/machine.h"

const fv_speed fv_speed_usual = {
#define LIMIT(id, usual, least, most, what) .id = (usual),
#include "backend/lowering/speed.def"
#undef LIMIT
};

/* ---- random values ---- */

/* At least `least` and at most `most`, where each power of two of the distance is as likely. */
static int64_t between(fv_random *r, int64_t least, int64_t most) {
    int bits = 0;
    while ((most - least) >> bits)
        bits++;
    uint64_t mask = (UINT64_C(1) << fv_random_next(r) % (uint64_t)(bits + 1)) - 1;
    int64_t n = (int64_t)(fv_random_next(r) & mask);
    return least + (n > most - least ? most - least : n);
}

fv_speed fv_speed_random(uint64_t seed) {
    fv_speed s;
    fv_random r = {seed};
#define LIMIT(id, usual, least, most, what) s.id = between(&r, least, most);
#include "backend/lowering/speed.def"
#undef LIMIT
    return s;
}

static const fv_processor *random_processor(fv_arena *a, const fv_processor *of, uint64_t seed) {
    fv_processor *p = FV_NEW(a, fv_processor, 1);
    fv_random r = {seed};
    *p = *of;
    for (int i = 0; i < FV_NPROPERTIES; i++) {
        const fv_property_info *is = fv_property_at(i);
        if (!is->is_cache)
            fv_property_set(p, i, (int)between(&r, is->least, is->most));
    }
    return p;
}

const fv_target *fv_target_random(fv_arena *a, const fv_target *of, uint64_t seed) {
    fv_target *t = FV_NEW(a, fv_target, 1);
    *t = *of;
    t->own.properties = random_processor(a, fv_processor_of(of), seed ^ 1);
    fv_random r = {seed ^ 2};
    t->caches.l1_bytes = (int)between(&r, 4 << 10, 128 << 10);
    t->caches.l2_bytes = (int)between(&r, 16 << 10, 4096 << 10);
    t->caches.l3_bytes = (int)between(&r, 64 << 10, 65536 << 10);
    t->caches.l1_ways = (int)between(&r, 1, 64);
    fv_measure *speeds = FV_NEW(a, fv_measure, FV_NMEASURES);
    if (of->own.speeds)
        memcpy(speeds, of->own.speeds, FV_NMEASURES * sizeof *speeds);
    speeds[FV_MEASURE_last_level] = (fv_measure){.value = t->caches.l3_bytes, .known = true};
    t->own.speeds = speeds;
    return t;
}
