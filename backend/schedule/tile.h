/* tile.h - the loops of a register tile of a contraction. */
#ifndef FV_BACKEND_SCHEDULE_TILE_H
#define FV_BACKEND_SCHEDULE_TILE_H

#include "backend/schedule/emit.h"
#include "backend/schedule/materialize.h"
#include "backend/schedule/panels.h"

typedef struct fv_contraction {
    fv_expr *sum;    /* the REDUCE */
    fv_expr *a, *b;  /* its factors: a goes with rows, b with columns */
    int row, column; /* axes of the definition; row -1: none */
    bool each;       /* a runs along the columns as well: a depthwise convolution */
    bool dense, dense_a; /* b, or a, is computed beforehand: how */
    fv_dense copy, copy_a;
    bool packed;     /* b is read from panels */
    fv_panels panels;
} fv_contraction;

typedef struct fv_tile {
    fv_kemit *e;
    const fv_contraction *c;
    fv_expr *i0, *j0, *panel; /* i0: the first row of the tile */
    fv_expr *next, *last;     /* the panel after this one, or the last; the last */
    fv_expr *whole;           /* how many whole tiles there are in the block of rows; NULL: no more than one tile */
    fv_expr *columns;         /* that are there, at most nr */
    fv_buf *sums;             /* [.., row, column]: where sums go, those of the tile from `at` on */
    fv_expr *at[FV_MAX_RANK];
    const fv_var *local;      /* the row's number in a block of rows that begins `done` rows before i0; or NULL */
    fv_expr *done;
    fv_expr *ahead;           /* how far prefetches run ahead in the panels, in elements; NULL: there are none */
    fv_expr *aim, *part, *stride; /* in which panel, where in it, and by which steps the tile asks for its part */
    int mr, nr;
    int64_t near, far;        /* bytes that prefetches run ahead; both 0: there are none */
    bool outlined;            /* its loops may become a function */
    int64_t rest;             /* rows of the last tile, where that is known and they are no whole tile; -1 */
} fv_tile;

/* Can what comes next of the factor with the columns be asked for? Its panels are a constant's. */
bool fv_can_prefetch(const fv_contraction *c) FV_MUST_USE;
/* How far prefetches run ahead, and whether the loops are outlined, where nothing else is said. */
void fv_tile_defaults(const fv_lowerer *l, fv_tile *t);
/* Loop over panels of columns: sets j0, panel, next and columns. */
void fv_open_panels(fv_tile *t, fv_loop_kind kind);
/* Loop over tiles of `rows` rows, the first of which is `first`: sets i0 and done; returns the rows of the tile. */
fv_expr *fv_open_tiles(fv_tile *t, fv_expr *first, fv_expr *rows);
/* A tile of sums in the kernel. */
void fv_tile_sums(fv_tile *t);
/* sums[at..] of `rows` rows. */
void fv_tile_multiply(fv_tile *t, fv_expr *rows);
/* y = epilogue(sums) of that many rows, and of the columns that are there. */
void fv_tile_store(fv_tile *t, fv_value *value, fv_expr **index, fv_expr *rows);

#endif
