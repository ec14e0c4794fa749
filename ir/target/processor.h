/* processor.h - families of processors, with the properties that decide how kernels are built; the
 * table is ir/target/processor.def. */
#ifndef FV_IR_TARGET_PROCESSOR_H
#define FV_IR_TARGET_PROCESSOR_H

#include "ir/base/arena.h"

typedef enum {
#define PROCESSOR(id, name, architecture, ...) FV_PROCESSOR_##id,
#include "ir/target/processor.def"
    FV_NPROCESSORS
} fv_processor_id;

/* Sizes of the caches in bytes. */
typedef struct fv_caches {
    int l1_bytes, l2_bytes, l3_bytes;
    int l1_ways; /* lines that a set of the first-level cache holds; 0: there are no sets */
} fv_caches;

/* Properties of prefetches of panels. */
typedef struct fv_prefetches {
    int line_bytes;          /* bytes that one prefetch loads */
    int bytes, single_bytes; /* distances in bytes, for several tiles per panel and for one */
    int narrow_bytes; /* single_bytes where the tile converts narrow floats for several rows */
    /* places in the next panel that a tile of few rows prefetches in turn, if weights come from
     * memory; 0: it uses the distances above */
    int streams;
    /* places in the next panel of which all tiles of a block of rows prefetch lines in turn, if
     * weights come from memory; 0: whole tiles prefetch one line after the other */
    int shared_streams;
} fv_prefetches;

/* The smallest products of bytes for which instructions that multiply matrices are faster than dot
 * products of vectors, if the target has both. */
typedef struct fv_matrix_limits {
    int rows;
    int cached_rows; /* the same as rows, where weights stay in the last-level cache between runs */
    int products;    /* number of products of two bytes: rows times columns times terms */
} fv_matrix_limits;

/* How the loop over the steps of a tile's sum is emitted. */
typedef struct fv_step_loops {
    /* number of iterations below which a call of an outlined function does not pay */
    int outline_steps;
    /* number of steps in one iteration, if the sum has a multiple of them and at least
     * outline_steps */
    int unrolled_steps;
    /* number of tiles of a block of rows up to which each converts its panel of narrow floats, if
     * that is one instruction; more tiles share a panel that is converted and stored once */
    int converting_tiles;
} fv_step_loops;

typedef struct fv_processor {
    const char *name;
    /* the first word of the target triples that the processor fits, or its beginning and a `*`; "":
     * all targets */
    const char *architecture;
    fv_caches caches; /* caches of the processor; a size of 0: that of the target */
    /* number of independent partial sums that keep the multiply-add units busy: latency in cycles
     * times the number of operations that begin in each cycle */
    int sums_in_flight;
    fv_prefetches prefetch;
    fv_step_loops loop;
    int block_tiles; /* largest number of register tiles in a block of rows */
    /* share of the second-level cache, in eighths, for the rows of a block and two panels */
    int block_l2_eighths;
    /* whether the rows of a tile are copied if their addresses compete for the same sets of the
     * first-level cache */
    bool copies_rows;
    fv_matrix_limits matrix;
    int score_tiles; /* largest number of register tiles in a block of queries */
    /* share of the second-level cache, in eighths, for the scores of a block */
    int score_l2_eighths;
    /* smallest number of tasks of an attention; each needs memory for its scores */
    int attend_tasks;
    int row_task;    /* number of elements that one task computes or sums, if the kernel has rows */
    int vector_task; /* number of elements of a task if the kernel computes a single vector */
} fv_processor;

const fv_processor *fv_processor_at(fv_processor_id id);
const char *const *fv_processor_names(void); /* the names of all processors, NULL-terminated */
/* Finds a processor by its name; false: there is none. */
bool fv_processor_find(const char *name, fv_processor_id *out) FV_MUST_USE;
/* The processor with these CPU identifiers; generic if they are not in the table. */
fv_processor_id fv_processor_of_model(const char *vendor, int family, int model);
/* A family of processors whose mark is among these features; generic if there is none. */
fv_processor_id fv_processor_of_features(uint64_t features);
/* The processor of this machine: by its model, or if that is not in the table, by its features. */
fv_processor_id fv_processor_here(void);
/* Text of this machine's CPU: "GenuineIntel family 6 model 85 stepping 7"; "unknown" if it does not
 * identify itself. */
const char *fv_cpu_str(fv_arena *a);
/* Tiles of sums of integers on targets with few registers, in place of a number of lanes: in core
 * registers, and in those of Helium, whose vectors have four sums. CORE_HALVES: factors of rows are
 * pairs of i16 (fv_dot.halves). _EACH: each column has rows of its own, as in a depthwise
 * convolution. CORE_SIXTEEN: factors are vectors of 16 bytes (FV_DOT16), and only the sums are in
 * core registers. */
enum {
    FV_TILE_CORE = 0,
    FV_TILE_CORE_HALVES = -1,
    FV_TILE_CORE_EACH = -2,
    FV_TILE_CORE_SIXTEEN = -3,
    FV_TILE_HELIUM = -4,
    FV_TILE_HELIUM_EACH = -5
};
/* The size of a register tile, in rows and vectors, for that number of vector registers and lanes
 * (or one of FV_TILE_). */
void fv_processor_tile(int registers, int lanes, int *rows, int *vectors);

#endif
