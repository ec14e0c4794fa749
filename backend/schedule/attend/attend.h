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
    const fv_definition *d;        /* of the result */
    fv_definition scores, weights; /* [outer.., query, key] */
    fv_definition folded;          /* weights of rows that see a key; no body: no mask is folded */
    fv_definition open;            /* of a row from which nothing is hidden */
    const fv_definition *kept;     /* weights that are a result as well; NULL: nobody reads them */
    fv_expr *where, *seen;         /* as in at */
    fv_expr *keys[2];              /* from here to there; NULL: all */
    fv_buf *sees;                  /* of each row of the block: is what it does not see nothing? */
    fv_buf *again;                 /* not 0: some row is not so */
    fv_contraction qk, pv;
    fv_single_scores single; /* no sum: each score is of a tile */
    bool alone;              /* rows are those of `single`, whose keys are read as they lie */
    /* the first of them; NULL: there is one, or they are queries of a block */
    fv_expr *group;
    fv_tile t;
    /* axes of the result but queries and features; of heads that share keys their groups */
    fv_var *outer[FV_MAX_RANK];
    int nouter;
    fv_var *chunk, *local;
    /* Of a task, in definitions: [outer.., chunk, row, ..] */
    fv_buf *memory;  /* by key: the scores, then the weights */
    fv_buf *masks;   /* by key: what the weights have of the key alone */
    fv_buf *queries; /* by channel: where q is computed; or NULL */
    fv_expr *of_key[FV_MAX_KEY_MASKS], *of_query;
    int nmasks;
    struct {
        int rows, columns;
    } scores_tile, result_tile; /* of the two products */
    int block, tasks;           /* rows of a block; chunks of queries that there are at least */
    struct {                    /* tasks that share the keys of few queries: attend_parts.c */
        const fv_dim *times;    /* 1 where it is so, else 0; NULL: it never is */
        fv_var *part;           /* parts of the keys; none where it is not so */
        /* [outer..]: not 0: some query does not see all keys; NULL: they do */
        fv_buf *hides;
        fv_buf *sums; /* [outer.., part, row, feature] */
    } shared;
    fv_expr *at_memory[FV_MAX_RANK]; /* its index so far: outer.., chunk */
    fv_expr *index[FV_MAX_RANK];     /* of the result */
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
