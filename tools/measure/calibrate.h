/* calibrate.h - `fovea calibrate`: calibrate.c measures and reports, calibrate_search.c searches
 * the properties by the times of small models, settle.c decides whether they are kept. */
#ifndef FV_TOOLS_MEASURE_CALIBRATE_H
#define FV_TOOLS_MEASURE_CALIBRATE_H

#include "ir/target/machine.h"
#include "tools/command/command.h"
#include "tools/command/json.h"

typedef struct fv_calibration {
    fv_context *c;
    fv_machine found; /* what was found so far */
    int threads;
    double tile_ghz;         /* the clock in the loop of a tile; 0: unknown */
    double begin_ms, end_ms; /* on the clock of fv_now_ms; nothing new begins after end_ms */
    int tried, kept;         /* how many values of properties were tried, and kept */
    int untried;             /* number of properties for which no time was left */
    json_t *list;            /* one object for each value tried; NULL without --json */
} fv_calibration;

/* Searches values of the properties of the processor with which small models that depend on them
 * take less time; the properties and models are listed in calibrate_search.c (`choices`), the
 * others stay as they are. False after a message. */
bool fv_calibrate_properties(fv_calibration *t) FV_MUST_USE;

/* Gives the properties their values from before the search if the machine was disturbed meanwhile,
 * which a warning says. end: the speed of multiply-adds in registers after the search; t->found has
 * that before it. */
void fv_calibration_settle(fv_calibration *t, const fv_processor *before, fv_measure end);

#endif
