/* settle.c - what a calibration keeps of the properties that it found. */
#include "ir/base/diag.h"
#include "tools/measure/calibrate.h"

/* A machine was disturbed if repeated measurements of arithmetic in registers deviate by more than
 * QUIET, or if it is slower at the end than at the beginning by more than THROTTLE. */
#define QUIET    0.05
#define THROTTLE 0.05

/* Did other programs, or heat, slow the machine down while it was measured? Then a warning says so,
 * which ends with `kept`. */
static bool was_disturbed(fv_session *s, fv_measure begin, fv_measure end, const char *kept) {
    const double deviation = begin.deviation > end.deviation ? begin.deviation : end.deviation;
    if (end.value < (1 - THROTTLE) * begin.value)
        fv_warning(s,
                   "the machine became slower while it was measured: %.1f GFLOP/s at the end, %.1f "
                   "at the beginning%s",
                   end.value, begin.value, kept);
    else if (deviation > QUIET)
        fv_warning(s,
                   "other programs used the machine: measurements of arithmetic in registers "
                   "differ by %.0f %%%s",
                   1e2 * deviation, kept);
    else
        return false;
    return true;
}

void fv_calibration_settle(fv_calibration *t, const fv_processor *before, fv_measure end) {
    const char *kept = t->kept ? "; no property is changed" : "";
    size_t i;
    json_t *tried;
    if (!was_disturbed(t->c->session, t->found.measures[FV_MEASURE_multiply_add], end, kept))
        return;
    t->found.processor = *before;
    t->kept = 0;
    json_array_foreach(t->list, i, tried) {
        json_object_set_new(tried, "kept", json_false());
    }
}
