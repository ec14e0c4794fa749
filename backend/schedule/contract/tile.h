/* tile.h - the loops of a register tile of a contraction. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_TILE_H
#define FV_BACKEND_SCHEDULE_CONTRACT_TILE_H

#include "backend/axes/products.h"
#include "backend/schedule/common/emit.h"
#include "backend/schedule/contract/materialize.h"
#include "backend/schedule/contract/panels.h"

/* Factors that are computed before the contraction, and how. */
typedef struct fv_computed_factors {
    bool b, a;
    fv_dense of_b, of_a;
} fv_computed_factors;

typedef struct fv_contraction {
    fv_expr *sum;   /* the REDUCE, */
    fv_expr *a, *b; /* its factors: a goes with rows, b with columns */
    int nsums;      /* of the same a: the gates of a recurrent layer; one mostly */
    /* where there are several: they, and the b of each, over variables of `sum` */
    fv_expr *sums[FV_MAX_SUMS], *factors[FV_MAX_SUMS];
    int row, column; /* axes of the definition; row -1: none */
    bool each;       /* a runs along the columns as well: a depthwise convolution */
    bool turned;     /* the columns are not neighbours in the result; the rows are */
    fv_computed_factors dense;
    bool packed; /* b is read from panels */
    bool often;  /* the kernel runs many times for each time that b is laid out */
    fv_panels panels;
} fv_contraction;

/* The size of a register tile and the form of its loops. */
typedef struct fv_tile_plan {
    int mr, nr;        /* rows; columns, of each sum */
    int64_t depth;     /* steps that all tiles do before the next ones are done; 0: all */
    int64_t near, far; /* bytes that prefetches run ahead; both 0: there are none */
    /* b is computed once for all tiles of a block, for `depth` steps at a time, where there is more
     * than one tile of rows; else by each tile as it reads b */
    bool unpacks;
    bool copies;   /* a tile's rows of a are copied together before they are used */
    bool outlined; /* its loops may become a function */
    /* another iteration may write what a row reads: first rows of parts are in bounds that show
     * it */
    bool within;
    /* rows of the last tile, where that is known and they are no whole tile; -1 */
    int64_t rest;
} fv_tile_plan;

/* Prefetches of a tile, in elements of the panels. */
typedef struct fv_tile_prefetch {
    fv_expr *next, *last; /* the panel after this one, or the last; the last */
    /* how many whole tiles there are in the block of rows; NULL: no more than one tile */
    fv_expr *whole;
    fv_expr *ahead; /* the distance in this panel; NULL: there are no prefetches */
    /* in which panel, where in it, and by which steps the tile asks for its part */
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
    /* columns from here to there only, the first a multiple of nr; NULL: all */
    fv_expr *columns[2];
    fv_expr *steps[2]; /* the same of the steps of the sum */
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
    fv_expr *columns;         /* that are there, at most nr */
    fv_tile_memory sums;
    fv_tile_rows rows;
    fv_tile_columns block;
    fv_tile_only only;
    /* the first step of the sum in this block of `depth` steps; NULL: all steps are done at once */
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
/* Can what comes next of the factor with the columns be asked for? Its panels are a constant's. */
bool fv_can_prefetch(const fv_contraction *c) FV_MUST_USE;
/* Sets near, far and outlined of the plan for a tile of c to the target's defaults, in the kernel
 * of op. */
void fv_tile_defaults(const fv_lowerer *l, const fv_op *op, const fv_contraction *c,
                      fv_tile_plan *plan);
/* Loop over panels of columns: sets j0, panel, next and columns. */
void fv_open_panels(fv_tile *t, fv_loop_kind kind);
/* Loop over tiles of `rows` rows, the first of which is `first`: sets i0 and done; returns the rows
 * of the tile. */
fv_expr *fv_open_tiles(fv_tile *t, fv_expr *first, fv_expr *rows);
/* Sums of so many rows in the kernel: those of a tile, or of all tiles of a block of rows, which
 * begin as 0 then; of several, one behind the other in each row. */
void fv_tile_sums(fv_tile *t, int64_t rows);
/* Loop over blocks of `depth` steps of the sum, each of which all tiles go over: sets from. */
void fv_open_steps(fv_tile *t);
/* b of these steps and this panel, computed, for the tiles that follow. */
void fv_tile_unpack(fv_tile *t);
/* What follows is of row r and column c of the tile. */
void fv_tile_bind(fv_tile *t, fv_expr *r, fv_expr *c);
/* sums[at..] of `rows` rows; of these steps, added to what is there. */
void fv_tile_multiply(fv_tile *t, fv_expr *rows);
/* y = epilogue(sums) of that many rows, and of the columns that are there. */
void fv_tile_store(fv_tile *t, fv_value *value, fv_expr **index, fv_expr *rows);

#endif
