/* processor.h - families of processors, which decide how kernels are made:
 * ir/target/processor.def. */
#ifndef FV_IR_TARGET_PROCESSOR_H
#define FV_IR_TARGET_PROCESSOR_H

#include "ir/base/arena.h"

typedef enum {
#define PROCESSOR(id, name, architecture, ...) FV_PROCESSOR_##id,
#include "ir/target/processor.def"
    FV_NPROCESSORS
} fv_processor_id;

typedef struct fv_processor {
    const char *name;
    const char *architecture; /* the first word of triples of targets that it can be; "": any */
    int l1_bytes, l2_bytes, l3_bytes; /* 0: those of the target */
    int line_bytes;                   /* that one prefetch asks for */
    /* that keep the multiply-adds busy: their latency times how many begin in a cycle */
    int sums_in_flight;
    /* that prefetches run ahead in panels: of several tiles, of a single one */
    int prefetch_bytes, prefetch_single_bytes;
    /* of a tile's loop, below which a call costs more than what it saves */
    int outline_steps;
    int block_tiles; /* of a block of rows at most, */
    /* whose factor takes so much of the second-level cache, two panels included, */
    int block_l2_eighths;
    /* and is copied a tile at a time where its rows share sets of the first-level cache */
    bool copies_rows;
    int score_tiles;      /* of a block of queries at most, */
    int score_l2_eighths; /* whose scores take so much of that cache */
    int attend_tasks;     /* of attention at least: memory for scores grows with them */
    int row_task;         /* elements that one task computes or sums, about: of rows, */
    int vector_task;      /* of a vector that is the only one */
} fv_processor;

const fv_processor *fv_processor_at(fv_processor_id id);
const char *const *fv_processor_names(void); /* NULL terminated */
/* By name; false: there is none. */
bool fv_processor_find(const char *name, fv_processor_id *out) FV_MUST_USE;
/* Of what a CPU says of itself; generic where it is none of those that are known. */
fv_processor_id fv_processor_of_model(const char *vendor, int family, int model);
fv_processor_id fv_processor_here(void);
/* "GenuineIntel family 6 model 85 stepping 7"; "unknown" where the CPU does not tell. */
const char *fv_cpu_str(fv_arena *a);
/* Rows and vectors of a register tile. */
void fv_processor_tile(int registers, int lanes, int *rows, int *vectors);

#endif
