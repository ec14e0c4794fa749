/* tile.h - the loops of a register tile of a contraction. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_TILE_H
#define FV_BACKEND_SCHEDULE_CONTRACT_TILE_H

#include "backend/axes/products.h"
#include "backend/schedule/common/emit.h"
#include "backend/schedule/contract/dot.h"
#include "backend/schedule/contract/materialize.h"
#include "backend/schedule/contract/panels.h"

/* Factors that are computed before the contraction, and how. */
typedef struct fv_computed_factors {
    bool b, a;
    fv_dense of_b, of_a;
} fv_computed_factors;

typedef struct fv_contraction {
    fv_expr *sum;   /* the REDUCE node */
    fv_expr *a, *b; /* its two factors: a depends on the row, b on the column */
    /* the number of sums with the same a, such as the gates of a recurrent layer; usually 1 */
    int nsums;
    /* if there are several sums: each of them, and its b, over the variables of `sum` */
    fv_expr *sums[FV_MAX_SUMS], *factors[FV_MAX_SUMS];
    int row, column; /* axes of the definition; row is -1 if there is none */
    bool each;       /* a depends on the column as well, as in a depthwise convolution */
    bool turned;     /* columns are not contiguous in the result, but rows are */
    fv_computed_factors dense;
    bool packed; /* b is read from panels */
    fv_dot
        dot; /* once placed, `sum`, a and b are over words, and `sums` as the definition has it */
    bool often; /* the kernel runs many times after b was packed once */
    fv_panels panels;
} fv_contraction;

/* The size of a register tile and the form of its loops. */
typedef struct fv_tile_plan {
    int mr, nr; /* rows of a tile; columns of each of its sums */
    /* steps of the sum that all tiles do before the next steps; 0: all steps at once */
    int64_t depth;
    int64_t near, far; /* the distance of prefetches in bytes; both 0: there are none */
    /* if there are several tiles of rows, b is computed once for all tiles of a block, `depth`
     * steps at a time; false: each tile computes b as it reads it */
    bool unpacks;
    bool copies;   /* the rows of a that a tile reads are first copied together */
    bool outlined; /* the loops may be compiled as a separate function */
    /* another iteration may write what a row reads, so the first rows of parts are bounded in a way
     * that proves they do not overlap */
    bool within;
    /* rows of the last tile, if that number is known and it is no whole tile; else -1 */
    int64_t rest;
} fv_tile_plan;

/* Prefetches of a tile, in elements of the panels. */
typedef struct fv_tile_prefetch {
    /* the panel after this one (after the last one, the last), and the last panel */
    fv_expr *next, *last;
    /* the number of whole tiles in the block of rows; NULL: there is at most one tile */
    fv_expr *whole;
    fv_expr *ahead; /* the distance in this panel; NULL: there are no prefetches */
    /* the panel of which the tile prefetches a part, the offset of that part, and the stride of its
     * elements */
    fv_expr *aim, *part, *stride;
} fv_tile_prefetch;

/* Where the sums of a tile are stored. */
typedef struct fv_tile_memory {
    fv_buf *buf; /* [.., row, column]: the sums of the tile are stored from `at` on */
    fv_expr *at[FV_MAX_RANK];
} fv_tile_memory;

/* The block of rows that a tile is in. */
typedef struct fv_tile_rows {
    const fv_var *local; /* the row's number in the block; NULL: nothing uses it */
    fv_expr *done;       /* rows of the block before i0 */
} fv_tile_rows;

/* The columns are a block of an axis. */
typedef struct fv_tile_columns {
    const fv_var *axis; /* NULL: they are all of it */
    fv_expr *left;      /* the first column of the block */
} fv_tile_columns;

/* A part of the contraction. */
typedef struct fv_tile_only {
    /* restricts columns to this range, whose first one is a multiple of nr; NULL: all */
    fv_expr *columns[2];
    fv_expr *steps[2]; /* restricts the steps of the sum to this range; NULL: all */
} fv_tile_only;

/* Stores what is made of the sums, which are named by then, at that index. */
typedef struct fv_tile_put {
    void (*store)(void *user, fv_expr *const *index); /* NULL: what the definition says is stored */
    void *user;
} fv_tile_put;

/* The state while a register tile is emitted. Schedules may change its plan for one kernel. */
typedef struct fv_tile {
    fv_kemit *e;
    const fv_contraction *c;
    fv_tile_plan plan;
    fv_expr *i0, *j0, *panel; /* i0: the first row of the tile */
    fv_expr *columns;         /* the number of columns that exist, at most nr */
    fv_tile_memory sums;
    fv_tile_rows rows;
    fv_tile_columns block;
    fv_tile_only only;
    /* the first step of this block of `depth` steps; NULL: all steps are done at once */
    fv_expr *from;
    fv_tile_prefetch prefetch;
    fv_buf *unpacked; /* [step, column]: what was computed of b; NULL: nothing */
    fv_tile_put put;
} fv_tile;

/* Columns of a tile for all sums: those of the first sum, then those of the second. */
static inline int fv_tile_plan_width(const fv_contraction *c, const fv_tile_plan *plan) {
    return plan->nr * c->nsums;
}
static inline int fv_tile_width(const fv_tile *t) {
    return fv_tile_plan_width(t->c, &t->plan);
}
/* Can the next part of the factor of columns be prefetched? It can if its panels are a constant. */
bool fv_can_prefetch(const fv_contraction *c) FV_MUST_USE;
/* Sets near, far and outlined of the plan for a tile of c to the target's defaults, in the kernel
 * of op. */
void fv_tile_defaults(const fv_lowerer *l, const fv_op *op, const fv_contraction *c,
                      fv_tile_plan *plan);
/* Opens a loop over panels of columns: sets j0, panel, next and columns. */
void fv_open_panels(fv_tile *t, fv_loop_kind kind);
/* Opens a loop over tiles of `rows` rows from `first` on: sets i0 and done. Returns the rows of the
 * tile. */
fv_expr *fv_open_tiles(fv_tile *t, fv_expr *first, fv_expr *rows);
/* Declares the tile with the sums of that many rows: of one tile, or of all tiles of a block of
 * rows, which are then set to 0. A row has the columns of all sums one after the other. */
void fv_tile_sums(fv_tile *t, int64_t rows);
/* Opens a loop over blocks of `depth` steps of the sum, each of which is performed for all tiles:
 * sets from. */
void fv_open_steps(fv_tile *t);
/* Computes b for these steps and this panel, for the tiles that follow. */
void fv_tile_unpack(fv_tile *t);
/* Emits for row r and column c of the tile from now on. */
void fv_tile_bind(fv_tile *t, fv_expr *r, fv_expr *c);
/* Computes sums[at..] of `rows` rows; with blocks of steps, adds to the sums. */
void fv_tile_multiply(fv_tile *t, fv_expr *rows);
/* Stores y = epilogue(sums) for that many rows, and for the columns that exist. */
void fv_tile_store(fv_tile *t, fv_value *value, fv_expr **index, fv_expr *rows);

#endif
