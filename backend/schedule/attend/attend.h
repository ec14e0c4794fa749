/* attend.h - a kernel of attention: what is chosen for it, and what it is emitted from. */
#ifndef FV_BACKEND_SCHEDULE_ATTEND_ATTEND_H
#define FV_BACKEND_SCHEDULE_ATTEND_ATTEND_H

#include "backend/fuse/attention.h"
#include "backend/schedule/attend/attend_single.h"
#include "backend/schedule/common/choice.h"
#include "backend/schedule/contract/tile.h"

enum { FV_MAX_KEY_MASKS = 4 };

typedef struct fv_attend {
    fv_lowerer *l;
    fv_kemit e;
    fv_attention at;
    const fv_definition *d;        /* the definition of the result */
    fv_definition scores, weights; /* definitions over [outer.., query, key] */
    /* the weights of rows that see a key; without a body if no mask is folded */
    fv_definition folded;
    fv_definition open;        /* the weights of rows from which the mask hides no key */
    const fv_definition *kept; /* weights that are a result as well; NULL: nobody reads them */
    fv_expr *where, *seen;     /* as in `at` */
    fv_expr *keys[2]; /* only keys from keys[0] to before keys[1] are computed; NULL: all */
    fv_buf *sees;     /* for each row of the block: is the weight of every hidden key zero? */
    /* not 0 if some row has a hidden key whose weight is not zero, so that all keys are needed */
    fv_buf *again;
    fv_contraction qk, pv;
    /* computes the scores of a single query; without a sum if tiles compute all scores */
    fv_single_scores single;
    bool alone; /* rows are those of `single`, so keys are read in their own layout */
    /* the first row of the group of heads; NULL: there is one group, or the rows are queries of a
     * block */
    fv_expr *group;
    fv_tile t;
    /* axes of the result other than queries and features; if heads share keys, the axis of their
     * groups */
    fv_var *outer[FV_MAX_RANK];
    int nouter;
    fv_var *chunk, *local;
    /* Memory of a task, with axes [outer.., chunk, row, ..]. */
    fv_buf *memory;  /* along keys: the scores, later the weights */
    fv_buf *masks;   /* along keys: the part of the weights that depends on the key only */
    fv_buf *queries; /* along channels: computed queries; NULL: q is not computed here */
    fv_expr *of_key[FV_MAX_KEY_MASKS], *of_query;
    int nmasks;
    struct {
        int rows, columns;
    } scores_tile, result_tile; /* the tiles of the two products */
    int block, tasks;           /* rows of a block; the least number of chunks of queries */
    struct {                    /* how tasks share the keys of few queries: attend_parts.c */
        /* a dim that is 1 in runs in which they do, else 0; NULL: they never do */
        const fv_dim *times;
        fv_var *part; /* counts the parts of the keys; its extent is 0 if tasks do not share keys */
        /* [outer..]: not 0 if some query does not see all keys; NULL: all queries see all keys */
        fv_buf *hides;
        fv_buf *sums; /* [outer.., part, row, feature] */
    } shared;
    fv_expr *at_memory[FV_MAX_RANK]; /* the index in a task's memory so far: outer.., chunk */
    fv_expr *index[FV_MAX_RANK];     /* the index of the result */
    fv_choosing chosen;
} fv_attend;

/* Are the rows of few queries they themselves, rather than heads of one? */
static inline bool fv_attend_few(const fv_attend *a) {
    return a->single.row == a->d->index[a->at.row];
}

/* All axes of the result but the features, then the keys. */
fv_definition fv_attend_over_keys(const fv_attend *a, fv_expr *body);
/* An element of the memory of a task; the score, or the weight. */
fv_expr *fv_attend_of_task(fv_attend *a, fv_buf *b, fv_expr *row, fv_var *last);
fv_expr *fv_attend_in_memory(fv_attend *a);

/* ---- what kernels of one attention emit, each in a->e ---- */

/* Opens parallel loops over the outer axes, which have no iterations where `times` is 0 and is not
 * NULL, else 1; the result is the first row of `single`, NULL: it has one. The chunk is 0. */
fv_expr *fv_attend_outer(fv_attend *a, fv_expr *times);
void fv_attend_tile(fv_attend *a, const fv_definition *d, const fv_contraction *c, int rows,
                    int columns);
/* What weights have of the key alone; queries that are computed, from `first` on. */
void fv_attend_masks(fv_attend *a);
void fv_attend_queries(fv_attend *a, fv_expr *first, fv_expr *rows);
/* Sets `hides`, an i64 scalar of 0, to 1 where one of the few queries from that one on does not see
 * all keys. */
void fv_attend_find_hidden(fv_attend *a, fv_buf *hides, fv_expr *query);
/* Binds the query, and makes those from a->group on the rows of the product with values; the result
 * is what it was before. */
fv_contraction fv_attend_by_rows(fv_attend *a, fv_expr *query);
/* All features of v in one walk over the keys, as far as the registers of a tile go. */
int fv_attend_columns(const fv_attend *a, int rows);
/* The condition, over dims and what was found, that tasks share the keys of the query; NULL: they
 * never are shared. `within` them: only what was found, NULL where that is no question. */
fv_expr *fv_attend_is_shared(fv_attend *a, bool within);

/* The loops of the kernel, in a->e, down to what is stored. */
void fv_attend_emit(fv_attend *a, fv_value *value);

#endif
