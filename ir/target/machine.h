/* machine.h - the profile of a machine, which `fovea calibrate` measures and writes: the properties
 * of its processor, which decide how kernels are built, and its speeds, each with the deviation
 * among its measurements.
 *
 *     fovea-processor 1
 *     base "zen3"                                         the family in processor.def
 *     cpu "AuthenticAMD family 25 model 1 stepping 1"     the CPU on which it was measured
 *     measured "2026-11-25"
 *     caches.l1_bytes = 32768
 *     block_tiles = 12
 *     l1_latency = 1.16 +- 0.01                           in the unit that machine.def says
 *     end
 *
 * The lines between `measured` and `end` may be in any order and may be absent: properties then are
 * those of the family, and speeds are unknown. No line changes a bit of a result. */
#ifndef FV_IR_TARGET_MACHINE_H
#define FV_IR_TARGET_MACHINE_H

#include "ir/target/target.h"

enum { FV_MACHINE_FORMAT = 1 };

typedef enum {
#define MEASURE(id, unit, what) FV_MEASURE_##id,
#include "ir/target/machine.def"
    FV_NMEASURES
} fv_measure_id;

/* A measured speed or size: the best of several measurements, since other programs only make a
 * machine slower. `deviation`: the distance of their median from `value`, divided by `value`. */
typedef struct fv_measure {
    double value, deviation;
    bool known;
} fv_measure;

typedef struct fv_measure_info {
    const char *name, *unit, *what;
} fv_measure_info;
const fv_measure_info *fv_measure_at(fv_measure_id id);

/* A property of processors that a profile states. */
typedef struct fv_property_info {
    const char *name, *what;
    int least, most;
    bool is_cache;
} fv_property_info;
enum {
#define CACHE(id, least, most, what)    +1
#define PROPERTY(id, least, most, what) +1
    FV_NPROPERTIES = 0
#include "ir/target/machine.def"
};
/* The property of number i < FV_NPROPERTIES, in the order of machine.def. */
const fv_property_info *fv_property_at(int i);
int fv_property_get(const fv_processor *p, int i);
/* Sets the property; `value` must be in its range. */
void fv_property_set(fv_processor *p, int i, int value);

typedef struct fv_machine {
    fv_processor_id base;
    const char *cpu, *date;
    fv_processor processor;
    fv_measure measures[FV_NMEASURES];
} fv_machine;

/* Parses a profile. NULL after a diagnostic with line and column: the text is damaged, or states
 * what cannot be, such as a cache of 0 bytes. */
const fv_machine *fv_machine_parse(fv_session *s, fv_arena *a, const char *text);
void fv_machine_print(fv_text *t, const fv_machine *p);
/* A speed of the target's processor: that of its profile, otherwise that of its family, of the
 * family `generic` if processor.def has none for its family; 0: nor for `generic`. */
double fv_measure_of(const fv_target *t, fv_measure_id id);
/* A copy of t for the processor of the profile, with its caches; NULL: the processor has another
 * architecture. */
const fv_target *fv_target_with_machine(fv_arena *a, const fv_target *t, const fv_machine *p);

#endif
