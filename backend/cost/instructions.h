/* instructions.h - the instructions of a core that an expression or a statement of an expanded
 * kernel becomes, and the cycles that they take.
 *
 * Indices that are sums and products of variables are part of the address of a load; what does not
 * depend on the variable of the innermost loop is computed before that loop. */
#ifndef FV_BACKEND_COST_INSTRUCTIONS_H
#define FV_BACKEND_COST_INSTRUCTIONS_H

#include "backend/cost/speeds.h"
#include "ir/kernel/kernel.h"

/* Numbers of instructions of each kind. */
typedef struct fv_instructions {
    /* operations on vectors or floats: all of them, and those among them that multiply */
    double vectors, multiplies;
    double loads, stores; /* loads and stores of vectors or elements */
    /* those among them that access two cache lines, for which the unit is busy once more */
    double split_loads, split_stores;
    double integers;         /* operations on single integers, and branches */
    double divisions, roots; /* divisions and square roots, which are among `vectors`, too */
} fv_instructions;

/* A set of loops, the innermost one in the highest bit: on which of them a value depends. */
typedef uint64_t fv_loop_set;

typedef struct fv_instruction_counter {
    fv_arena *arena;
    const fv_target *target;
    /* the fraction of a vector that a unit processes at a time: a load of one element takes this
     * fraction of the time of a load of a vector */
    double least_part;
    fv_ptrmap loops;     /* fv_var -> fv_loop_set, of lets and loops */
    fv_ptrmap arrays;    /* tiles some index of which is not constant: they are in memory */
    fv_ptrmap loaded;    /* variables whose value is a load */
    fv_ptrmap latencies; /* fv_block -> fv_latency, of those that are known */
    fv_ptrmap repeats;   /* operations that are computed once (repeats.h) */
    fv_ptrmap stores;    /* fv_stmt, a loop -> the buffers that it stores */
    const fv_stmt *loop; /* the innermost loop around the current statement; NULL: not known */
    int depth; /* number of loops around the current statement, which are bits 0 .. depth - 1 */
} fv_instruction_counter;

fv_instruction_counter fv_instruction_counter_new(fv_arena *a, const fv_target *t,
                                                  const fv_kernel *k);
/* Records that the value of v depends on `loops`. */
void fv_instruction_bind(fv_instruction_counter *c, const fv_var *v, fv_loop_set loops);
fv_loop_set fv_loops_of(const fv_instruction_counter *c, const fv_expr *x);
/* Is the buffer a tile in registers? */
bool fv_is_in_registers(const fv_instruction_counter *c, const fv_buf *b) FV_MUST_USE;
/* Adds the instructions of the statement: to `inside` those that each iteration of the innermost
 * loop executes, to `before` those that are executed once before it. Does not count bodies. */
void fv_count_instructions(fv_instruction_counter *c, const fv_stmt *s, fv_instructions *inside,
                           fv_instructions *before);
/* The cycles that these instructions take if none of them waits for the result of another one. */
double fv_instruction_cycles(const fv_instructions *n, const fv_speeds *s);
/* The cycles of the longest chain of dependent operations from one iteration of a loop with this
 * body to the next one, through tiles that each iteration reads and writes, such as sums. */
double fv_chain_cycles(const fv_instruction_counter *c, const fv_block *body);
/* The cycles of the longest chain of dependent operations in the statements of a block, without
 * those of its loops. */
double fv_path_cycles(const fv_instruction_counter *c, const fv_block *body);

/* The time from the beginning of a block to its last result. */
typedef struct fv_latency {
    /* cycles of the longest chain of dependent operations and loads, those included that load what
     * the block has stored */
    double cycles;
    /* whether a load reads bytes of which a store before it wrote only a part: the load waits until
     * that store, and all instructions before it, have ended */
    bool stalls;
} fv_latency;

/* Does not count what loops and branches in the block take. */
fv_latency fv_latency_of(const fv_instruction_counter *c, const fv_block *body);
/* The number of instructions of all kinds. */
double fv_instruction_count(const fv_instructions *n);

#endif
