/* tile.h - the loops of a register tile of a contraction. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_TILE_H
#define FV_BACKEND_SCHEDULE_CONTRACT_TILE_H

#include "backend/axes/products.h"
#include "backend/schedule/common/emit.h"
#include "backend/schedule/contract/materialize.h"
#include "backend/schedule/contract/panels.h"

typedef struct fv_contraction {
    fv_expr *sum;   /* the REDUCE, */
    fv_expr *a, *b; /* its factors: a goes with rows, b with columns */
    int nsums;      /* of the same a: the gates of a recurrent layer; one mostly */
    /* where there are several: they, and the b of each, over variables of `sum` */
    fv_expr *sums[FV_MAX_SUMS], *factors[FV_MAX_SUMS];
    int row, column;     /* axes of the definition; row -1: none */
    bool each;           /* a runs along the columns as well: a depthwise convolution */
    bool turned;         /* the columns are not neighbours in the result; the rows are */
    bool dense, dense_a; /* b, or a, is computed beforehand: how */
    fv_dense copy, copy_a;
    bool packed; /* b is read from panels */
    bool often;  /* the kernel runs many times for each time that b is laid out */
    fv_panels panels;
} fv_contraction;

typedef struct fv_tile {
    fv_kemit *e;
    const fv_contraction *c;
    fv_expr *i0, *j0, *panel; /* i0: the first row of the tile */
    fv_expr *next, *last;     /* the panel after this one, or the last; the last */
    /* how many whole tiles there are in the block of rows; NULL: no more than one tile */
    fv_expr *whole;
    fv_expr *columns; /* that are there, at most nr */
    fv_buf *sums;     /* [.., row, column]: where sums go, those of the tile from `at` on */
    fv_expr *at[FV_MAX_RANK];
    /* the row's number in a block of rows that begins `done` rows before i0; or NULL */
    const fv_var *local;
    fv_expr *done;
    /* the axis of which the columns are a block from `left` on; NULL: they are all of it */
    const fv_var *column;
    fv_expr *left;
    /* the first step of the sum in this block of `depth` steps; NULL: all steps are done at once */
    fv_expr *from;
    /* columns from here to there only, the first a multiple of nr; NULL: all */
    fv_expr *columns_in[2];
    fv_expr *steps_in[2]; /* the same of the steps of the sum */
    /* how far prefetches run ahead in the panels, in elements; NULL: there are none */
    fv_expr *ahead;
    /* in which panel, where in it, and by which steps the tile asks for its part */
    fv_expr *aim, *part, *stride;
    int mr, nr;        /* rows; columns, of each sum */
    int64_t depth;     /* steps that all tiles do before the next ones are done; 0: all */
    int64_t near, far; /* bytes that prefetches run ahead; both 0: there are none */
    /* b is computed once for all tiles of a block, for `depth` steps at a time, where there is more
     * than one tile of rows; else by each tile as it reads b */
    bool unpacks;
    fv_buf *unpacked; /* [step, column]: what was computed; NULL: nothing */
    bool copies;      /* a tile's rows of a are copied together before they are used */
    bool outlined;    /* its loops may become a function */
    /* stores what is made of the sums there, by name; NULL: what the definition says */
    void (*put)(void *user, fv_expr *const *index);
    void *user;
    /* another iteration may write what a row reads: first rows of parts are in bounds that show
     * it */
    bool within;
    /* rows of the last tile, where that is known and they are no whole tile; -1 */
    int64_t rest;
} fv_tile;

/* The number of columns of all sums; those of each sum follow those of the previous one. */
static inline int fv_tile_width(const fv_tile *t) {
    return t->nr * t->c->nsums;
}
/* Can the next part of the factor of columns be prefetched? It can if its panels are a constant. */
bool fv_can_prefetch(const fv_contraction *c) FV_MUST_USE;
/* Sets how far prefetches are ahead, and whether loops are outlined, in the kernel of op, to the
 * defaults. */
void fv_tile_defaults(const fv_lowerer *l, const fv_op *op, fv_tile *t);
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
