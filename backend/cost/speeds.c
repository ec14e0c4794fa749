/* speeds.c - see speeds.h. */
#include "backend/cost/speeds.h"

#include <math.h>

/* The part of the last-level cache that a program has: other programs and virtual machines use it
 * as well, and lines that are read once push out others. */
enum { SHARE = 2 };

/* Cycles by which a load delays multiplications: from the loop that loads eight times for
 * twelve multiplications (tile_multiplies of machine.def). The delay stands for all that makes
 * such a loop slower than its multiplications, such as a lower clock while all units are busy. */
static double load_delay(double multiplies, double in_tile) {
    const double loads = 8, multiplications = 12;
    double lost = in_tile > 0 ? multiplications / in_tile - multiplications / multiplies : 0;
    return lost > 0 ? lost / loads : 0;
}

/* The passes in which a unit executes a vector, compared with those of another vector. */
static double passes(int bytes, int than, int datapath) {
    double wide = fmax(bytes, datapath), other = fmax(than, datapath);
    return datapath > 0 && than > 0 ? wide / other : 1;
}

/* The speeds of vectors of the target: `more` times those of the widest vectors. */
static void set_units(fv_speeds *s, const fv_target *t, double more) {
    s->multiplies = more * fv_measure_of(t, FV_MEASURE_vector_multiplies);
    s->load_delay = load_delay(s->multiplies, more * fv_measure_of(t, FV_MEASURE_tile_multiplies));
    s->vectors = more * fv_measure_of(t, FV_MEASURE_vector_operations);
    s->loads = more * fv_measure_of(t, FV_MEASURE_vector_loads);
    s->stores = more * fv_measure_of(t, FV_MEASURE_vector_stores);
    s->divider.division = fv_measure_of(t, FV_MEASURE_division) / more;
    s->divider.root = fv_measure_of(t, FV_MEASURE_square_root) / more;
}

fv_speeds fv_speeds_of(const fv_target *t) {
    double lanes = t->vector_bits >= 64 ? t->vector_bits / 32.0 : 1;
    double ghz = fv_measure_of(t, FV_MEASURE_clock);
    int widest = (int)fv_measure_of(t, FV_MEASURE_vector_bytes);
    fv_speeds s = {.vector = {(int)(4 * lanes), (int)fv_measure_of(t, FV_MEASURE_datapath)},
                   .ghz = ghz};
    set_units(&s, t, passes(widest, s.vector.bytes, s.vector.datapath));
    s.instructions = fv_measure_of(t, FV_MEASURE_instructions);
    s.beyond[0] = fv_measure_of(t, FV_MEASURE_l2_rate) / ghz;
    s.beyond[1] = fv_measure_of(t, FV_MEASURE_l3_rate) / ghz;
    s.beyond[2] = fv_measure_of(t, FV_MEASURE_memory_rate) / ghz;
    s.latency[0] = fv_measure_of(t, FV_MEASURE_l2_latency) * ghz;
    s.latency[1] = fv_measure_of(t, FV_MEASURE_l3_latency) * ghz;
    s.latency[2] = fv_measure_of(t, FV_MEASURE_memory_latency) * ghz;
    s.misses = fv_measure_of(t, FV_MEASURE_misses);
    s.memory_all = fv_measure_of(t, FV_MEASURE_memory_rate_all) / ghz;
    s.capacity[0] = t->caches.l1_bytes;
    s.capacity[1] = t->caches.l2_bytes;
    double kept = fv_measure_of(t, FV_MEASURE_last_level);
    s.capacity[2] = kept > 0 ? kept : t->caches.l3_bytes / (double)SHARE;
    s.region = 1e3 * fv_measure_of(t, FV_MEASURE_region) * ghz;
    return s;
}

fv_speeds fv_speeds_at(const fv_speeds *s, double gflops, int lanes, double gbs) {
    fv_speeds at = *s;
    double multiplies = s->multiplies * passes(s->vector.bytes, 4 * lanes, s->vector.datapath);
    at.ghz = gflops / (2 * lanes * multiplies);
    double slower = s->ghz / at.ghz; /* a nanosecond has fewer cycles by this factor */
    double faster = gbs > 0 ? gbs / (s->beyond[2] * s->ghz) : 1;
    at.beyond[2] *= slower * faster;
    at.latency[2] /= slower;
    at.memory_all *= slower * faster;
    at.region /= slower;
    return at;
}
