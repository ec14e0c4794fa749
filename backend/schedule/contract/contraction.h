/* contraction.h - the descriptions of a contraction, of its tile, and of the plan of the tile. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_CONTRACTION_H
#define FV_BACKEND_SCHEDULE_CONTRACT_CONTRACTION_H

#include "backend/axes/products.h"
#include "backend/schedule/common/emit.h"
#include "backend/schedule/contract/dot_plan.h"
#include "backend/schedule/contract/materialize.h"
#include "backend/schedule/contract/panels.h"

/* Factors that are computed before the contraction. */
typedef struct fv_computed_factors {
    bool b, a;
    /* whether columns of b's copy would be apart in memory, because the window moves by several
     * pixels at a time, so that only words can be read */
    bool strided;
    fv_dense of_b, of_a;
} fv_computed_factors;

/* A sum over blocks g, each term of which is computed from a sum of products within the block:
 *     sum g: f32(sum k: a[i, g, k] * b[j, g, k]) * s[j, g] */
typedef struct fv_contract_blocks {
    fv_expr *sum; /* the sum over blocks, as the definition has it; NULL: there are no blocks */
    /* part: the sum of products within a block, as the definition has it; term: the term that is
     * computed from it, in which, when the kernel is built, loads of panels replace constants of
     * the columns */
    fv_expr *part, *term;
    fv_expr *steps; /* a sum over the variables of the blocks and of the sum of products */
} fv_contract_blocks;

/* Rows that are lines of an image, along which the window of the factor with the columns slides
 * (window.h): b[.., row * stride + k, ..], for the first variable k of the sum. */
typedef struct fv_contract_lines {
    int64_t stride, taps; /* values of k; 0: the first factor depends on the row, and b does not */
} fv_contract_lines;

/* The border of zeros around the factor with the rows along one of its axes (border.h): elements
 * before `first` and from `end` on are 0. With each value of a variable of the sum its index grows
 * by `step`; 0: no steps are left out. */
typedef struct fv_contract_border {
    int axis;
    int64_t first, end, step;
} fv_contract_border;

/* A factor that is an image, over which a window slides. */
typedef struct fv_contract_image {
    fv_contract_lines lines;
    fv_contract_border border, side; /* for the first variable of the sum, and the second one */
} fv_contract_image;

/* How the result is stored, how often the kernel runs, and what is known of an image. */
typedef struct fv_contract_context {
    bool turned; /* whether rows are contiguous in the result, and not columns */
    bool often;  /* whether the kernel runs many times after b was packed once */
    /* the rows for which the caller computes the contraction at a time; 0: it decides that later */
    int64_t block;
    fv_contract_image image;
} fv_contract_context;

typedef struct fv_contraction {
    fv_expr *sum;   /* the sum of products (in a block), a REDUCE node */
    fv_expr *a, *b; /* its two factors: a depends on the row, b on the column */
    /* the number of sums with the same a, such as the gates of a recurrent layer; usually 1 */
    int nsums;
    /* each of the nsums sums, and its factor b, as expressions over the variables of `sum`; a
     * single sum is here as the definition has it */
    fv_expr *sums[FV_MAX_SUMS], *factors[FV_MAX_SUMS];
    /* axes of the definition that are rows and columns; row is -1 if there are no rows */
    int row, column;
    bool each; /* whether a depends on the column as well, as in a depthwise convolution */
    fv_computed_factors dense;
    bool packed; /* b is read from panels */
    /* how words are multiplied; then, when the kernel is built, `sum`, a and b are expressions of
     * words, and sums[0] is the sum as the definition has it */
    fv_dot dot;
    fv_contract_blocks blocks;
    fv_contract_context context;
    fv_panels panels;
} fv_contraction;

/* How tiles prefetch the weights that are read later; near and far 0: they do not. */
typedef struct fv_prefetch_plan {
    int64_t near, far; /* distances in bytes: of a panel that several tiles use, or one */
    int64_t alone;     /* `far` in a tile of one row, if a block may have several rows */
    int streams; /* places in the next panel that an incomplete tile prefetches in turn; 0: none */
    /* places in the next panel of which all tiles prefetch lines in turn; 0: one place */
    int shared_streams;
    /* the least number of tiles in a block of rows whose products of matrices prefetch the next
     * panel; 0: none do */
    int sharing;
    /* a load in a factor with the columns that has no panels, of which a tile prefetches what later
     * steps read (later_steps.h); NULL: it does not */
    const fv_expr *later;
    int64_t ahead; /* elements by which `later` is ahead of the current step */
} fv_prefetch_plan;

/* Where elements of b are computed, if there are several tiles of rows: in each tile, as it reads
 * them; before the tiles of a block, for all of them; or in the first tile of a block, between its
 * products, which stores them for the other ones. */
typedef enum fv_unpacking { FV_EACH_UNPACKS, FV_UNPACKED_BEFORE, FV_FIRST_UNPACKS } fv_unpacking;

/* The size of a register tile and the form of its loops. */
typedef struct fv_tile_plan {
    int mr, nr; /* rows of a tile; columns of each of its sums */
    int panel;  /* columns of a panel of b if it is packed; nr is a multiple */
    /* number of steps of the sum's first variable that all tiles of a block of rows compute before
     * the next steps; 0: all steps at once */
    int64_t depth;
    fv_prefetch_plan prefetch;
    int few; /* with dot.matrix: fewer rows than this use dot products of vectors */
    /* where b is computed, which is done for `depth` steps at a time unless each tile does it */
    fv_unpacking unpacks;
    int computing_rows; /* with `unpacks`: in blocks of at most so many rows each tile computes b */
    bool copies; /* whether the rows of a that a tile reads are first copied to contiguous memory */
    /* whether the products of a tile are followed by code that stores its results from registers;
     * otherwise loops over rows and columns store what tiles of any number of rows have left in
     * memory, which takes less code */
    bool stores;
    bool outlined; /* whether the loops may be compiled as a separate function */
    /* whether the results of a block of rows are stored after the products of all of its tiles,
     * which leave their sums in memory, as rows are contiguous in the result */
    bool together;
    /* whether another iteration may write what a row reads; then the first rows of smaller tiles
     * are bounded in a way that proves they do not overlap */
    bool within;
    /* number of rows of the last tile if it is not a complete one; 0: all tiles are complete; -1:
     * it is not known */
    int64_t rest;
    int64_t line; /* rows of a line of the image whose pixels are rows; 0: rows are no pixels */
} fv_tile_plan;

/* The shares of the tiles of a block of rows in the prefetches of the next panel, or of the next
 * steps of this one (prefetch.shared_streams), whose lines are numbered in the order in which they
 * are prefetched. */
typedef struct fv_tile_shares {
    fv_expr *rest; /* number of rows of the block that fill no complete tile; NULL: not shared */
    fv_expr *first, *rows; /* the first row of the block, and the number of its rows */
    /* the distance between the lines of the second half of those that a tile prefetches in a step:
     * the elements of a line if one tile prefetches all lines, otherwise 0 */
    fv_expr *apart;
    fv_expr *size; /* elements of a share */
    fv_expr *from; /* the offset of what is prefetched in the panels at `aim`, in elements */
    int64_t whole; /* elements of what is prefetched */
    /* lines are prefetched at 2 to the power of `shift` places in turn, each of which has `lines`
     * lines */
    fv_expr *shift, *lines;
} fv_tile_shares;

/* Addresses of a tile's prefetches, in elements of the panels. */
typedef struct fv_tile_prefetch {
    /* the panel after this one (after the last panel: the last one), and the last panel */
    fv_expr *next, *last;
    /* the number of complete tiles in the block of rows; NULL: there is at most one tile, or
     * nothing is prefetched */
    fv_expr *whole;
    fv_expr *tiles; /* if products of matrices prefetch: tiles in the block of rows; NULL: one */
    fv_expr *ahead; /* the distance of prefetches in this panel; NULL: there are none */
    /* the panel of which a complete tile prefetches a part, the offset of that part, and the stride
     * of its elements; part NULL: there are no such prefetches */
    fv_expr *aim, *part, *stride;
    fv_tile_shares shared;
} fv_tile_prefetch;

/* Where the sums of a tile are stored. */
typedef struct fv_tile_memory {
    /* the sums of the tile are stored in this buffer, [.., row, column], beginning at `at` */
    fv_buf *buf;
    fv_expr *at[FV_MAX_RANK];
    fv_buf *turned; /* the same sums as [column, row]; NULL: they are not there */
    /* what is stored in place of a sum, as an expression of the contraction's only sum; NULL: the
     * sum */
    const fv_expr *as;
} fv_tile_memory;

/* The quotients and remainders of the row by which the first factor is indexed, and their values
 * for the first row of the tile (lines.h). */
typedef struct fv_tile_line {
    const fv_expr *part[FV_MAX_RANK];
    fv_expr *first[FV_MAX_RANK];
    int n; /* 0: the tile may have rows of several lines */
} fv_tile_line;

/* What a tile prefetches of the rows of the next one (next_rows.h). */
typedef struct fv_tile_next {
    fv_expr *index[FV_MAX_RANK]; /* the indices of the first element */
    int64_t stride;              /* elements from step to step; 0: nothing is prefetched */
    int cache;                   /* the level of the cache into which they are prefetched */
} fv_tile_next;

/* The tap of a window along a line for which products are emitted now. */
typedef struct fv_tile_tap {
    bool is; /* whether the second variable of the sum is `tap`, and has no loop */
    int64_t tap;
    int from, to; /* the rows of the tile that have elements there: from `from` to `to` - 1 */
} fv_tile_tap;

/* The block of rows that a tile is in. */
typedef struct fv_tile_rows {
    const fv_var *local; /* the variable of the row's number in the block; NULL: it is not used */
    fv_expr *done;       /* number of rows of the block before i0 */
    fv_expr *last;       /* the last row of the tile, which takes the place of later ones; NULL: all
                            rows of the tile exist */
    int together;        /* number of rows whose products are added in the loop over steps that is
                            being emitted; 0: it computes no products */
    fv_tile_line line;
    fv_tile_next next;
    /* the index along the axis of the border, for 0 as the first variable of the sum; NULL: no
     * steps are left out */
    fv_expr *border;
    /* whether the loop over steps leaves out the last one, which follows it (steps.h) */
    bool step_apart;
    /* the most steps over which the loops that were emitted so far iterate, all parts together */
    int64_t steps;
    fv_tile_tap now;
} fv_tile_rows;

/* The columns of the tile in the axis of columns, of which they may be a block. */
typedef struct fv_tile_columns {
    const fv_var *axis; /* the variable of the axis; NULL: the columns are the whole axis */
    fv_expr *left;      /* the first column of the block */
} fv_tile_columns;

/* Restricts the tile to a part of the contraction. */
typedef struct fv_tile_only {
    /* the columns [0] to [1] - 1 are computed if the contraction may have more than one tile of
     * columns; [0] is a multiple of nr; NULL: all columns */
    fv_expr *columns[2];
    fv_expr *steps[2]; /* the steps [0] to [1] - 1 of the sum are computed; NULL: all steps */
} fv_tile_only;

enum { FV_MAX_SHARED = 4 };

/* What is computed of the factors before the steps that use it. */
typedef struct fv_tile_made {
    /* [step, column]: elements of b that were computed in advance; NULL: there are none */
    fv_buf *unpacked;
    bool unpacking; /* whether the tile that is being emitted computes what is in `unpacked` */
    /* the subexpressions of b that all steps share, or all steps of a block; their elements for the
     * columns of the tile */
    const fv_expr *shared[FV_MAX_SHARED];
    fv_buf *of_columns[FV_MAX_SHARED];
    int n;
    /* [step, row, 2]: of each word of the rows, elements 0 and 2 as a pair of i16, and elements 1
     * and 3; NULL: rows are read as words of bytes */
    fv_buf *halves;
} fv_tile_made;

struct fv_tile;

/* Callbacks. `store` stores the result at `index`; when it is called, the epilogue can use the sums
 * (fv_kemit_expr). */
typedef struct fv_tile_put {
    /* NULL: the value of the definition is stored */
    void (*store)(void *user, fv_expr *const *index);
    void *user;
    /* emits what precedes the epilogue of row r, of `rows` rows of the tile; NULL: nothing */
    void (*row)(struct fv_tile *t, fv_expr *rows, fv_expr *r);
    /* where a tile that stores its results itself (plan.stores) does so: the arguments of
     * fv_tile_store */
    fv_value *value;
    fv_expr **index;
} fv_tile_put;

/* The state while a register tile is emitted. Schedules may change its plan for a kernel. */
typedef struct fv_tile {
    fv_kemit *e;
    const fv_contraction *c;
    fv_tile_plan plan;
    fv_expr *i0, *j0, *panel; /* first row; first column; number of the panel of the columns */
    fv_expr *columns;         /* the number of columns that exist, at most nr */
    fv_tile_memory sums;
    fv_tile_rows rows;
    fv_tile_columns block;
    fv_tile_only only;
    /* the first step of the current block of `depth` steps; NULL: all steps are computed at once */
    fv_expr *from;
    fv_tile_prefetch prefetch;
    fv_tile_made made;
    fv_tile_put put;
} fv_tile;

/* The number of columns of a tile for all sums: those of the first sum, followed by those of the
 * second, and so on. */
static inline int fv_tile_plan_width(const fv_contraction *c, const fv_tile_plan *plan) {
    return plan->nr * c->nsums;
}
static inline int fv_tile_width(const fv_tile *t) {
    return fv_tile_plan_width(t->c, &t->plan);
}
/* A sum over all terms of the contraction: over blocks, and in them. */
static inline const fv_expr *fv_all_steps(const fv_contraction *c) {
    return c->blocks.steps ? c->blocks.steps : c->sum;
}
/* Are the panels of the factor with the columns packed when the model is compiled? */
static inline bool fv_has_constant_columns(fv_lowerer *l, const fv_definition *d,
                                           const fv_contraction *c) {
    return fv_is_laid_out(l, d, fv_all_steps(c), c->b, c->column);
}
/* The type of the result of the sum. */
static inline fv_elem fv_sum_elem(const fv_contraction *c) {
    return (fv_elem)(c->blocks.sum ? c->blocks.sum : c->sum)->type.elem;
}

#endif
