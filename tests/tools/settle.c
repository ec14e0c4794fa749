/* settle.c - a calibration keeps properties only if the machine was not disturbed. */
#include <criterion/criterion.h>
#include <string.h>

#include "ir/base/diag.h"
#include "ir/base/session.h"
#include "tools/measure/calibrate.h"

/* Settles a calibration that changed block_tiles from 12 to 6, with these speeds of arithmetic
 * before and after, in GFLOP/s. warning: what it warns of; NULL: of nothing, and 6 is kept. */
static void settles(fv_measure begin, fv_measure end, int kept, const char *warning) {
    fv_session *s = fv_session_new();
    fv_door door;
    cr_assert(s && !FV_DOOR_OPEN(s, &door));
    fv_context c = {.session = s};
    const fv_processor before = {.block_tiles = 12};
    fv_calibration t = {.c = &c, .kept = kept, .tried = 2, .list = json_array()};
    t.found.processor.block_tiles = 6;
    t.found.measures[FV_MEASURE_multiply_add] = begin;
    json_array_append_new(t.list, json_pack("{s:b}", "kept", 1));
    fv_calibration_settle(&t, &before, end);
    const fv_message *m = fv_messages(s);
    cr_expect_eq(t.found.processor.block_tiles, warning ? 12 : 6);
    cr_expect_eq(t.kept, warning ? 0 : kept);
    cr_expect_eq(t.tried, 2);
    cr_expect_eq(json_is_true(json_object_get(json_array_get(t.list, 0), "kept")), !warning);
    if (warning)
        cr_expect(m && !strcmp(m->text, warning), "%s", m ? m->text : "no warning");
    else
        cr_expect_null(m);
    json_decref(t.list);
    fv_door_close(s, &door);
    fv_session_free(s);
}

Test(settle, quiet) {
    settles((fv_measure){100, 0.01, true}, (fv_measure){99, 0.04, true}, 1, NULL);
    settles((fv_measure){100, 0.04, true}, (fv_measure){120, 0.01, true}, 2, NULL);
}

Test(settle, slower_at_the_end) {
    settles(
        (fv_measure){100, 0.01, true}, (fv_measure){90, 0.01, true}, 1,
        "the machine became slower while it was measured: 90.0 GFLOP/s at the end, 100.0 at the "
        "beginning; no property is changed");
}

Test(settle, other_programs) {
    settles((fv_measure){100, 0.08, true}, (fv_measure){100, 0.01, true}, 1,
            "other programs used the machine: measurements of arithmetic in registers differ by 8 "
            "%; no property is changed");
    settles((fv_measure){100, 0.01, true}, (fv_measure){100, 0.12, true}, 0,
            "other programs used the machine: measurements of arithmetic in registers differ by 12 "
            "%");
}
