/* units.h - measures how many operations a core begins in each cycle. */
#ifndef FV_TOOLS_MEASURE_UNITS_H
#define FV_TOOLS_MEASURE_UNITS_H

#include "ir/target/machine.h"

/* Measures the clock, and how many multiply-adds, operations, loads, stores and instructions begin
 * in a cycle, and the cycles of a division and a square root; unknown stays what there is no loop
 * for on this machine. gflops: multiply-adds of one thread, in 10^9 operations per second.
 * tile_ghz: the clock in the loop of a tile, in GHz, which may be lower, since a core needs more
 * power the more it executes in a cycle; 0: there is no such loop. */
void fv_measure_units(double gflops, fv_measure out[FV_NMEASURES], double *tile_ghz);

#endif
