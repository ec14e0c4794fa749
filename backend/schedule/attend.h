/* attend.h - a kernel of attention: what is chosen for it, and what it is emitted from. */
#ifndef FV_BACKEND_SCHEDULE_ATTEND_H
#define FV_BACKEND_SCHEDULE_ATTEND_H

#include "backend/fuse/attention.h"
#include "backend/schedule/attend_single.h"
#include "backend/schedule/choice.h"
#include "backend/schedule/tile.h"

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
    fv_single_scores single;       /* no sum: each score is of a tile */
    fv_expr *group;                /* rows are heads from this one on, of a single query; NULL: they are queries */
    fv_tile t;
    fv_var *outer[FV_MAX_RANK];    /* axes of the result but queries and features; of heads that share keys their groups */
    int nouter;
    fv_var *chunk, *local;
    /* Of a task, in definitions: [outer.., chunk, row, ..] */
    fv_buf *memory;                /* by key: the scores, then the weights */
    fv_buf *masks;                 /* by key: what the weights have of the key alone */
    fv_buf *queries;               /* by channel: where q is computed; or NULL */
    fv_expr *of_key[FV_MAX_KEY_MASKS], *of_query;
    int nmasks;
    struct {
        int rows, columns;
    } scores_tile, result_tile;    /* of the two products */
    int block, tasks;              /* rows of a block; chunks of queries that there are at least */
    fv_expr *at_memory[FV_MAX_RANK]; /* its index so far: outer.., chunk */
    fv_expr *index[FV_MAX_RANK];   /* of the result */
    fv_choosing chosen;
} fv_attend;

/* All axes of the result but the features, then the keys. */
fv_definition fv_attend_over_keys(const fv_attend *a, fv_expr *body);
/* The score, or the weight, in the memory of a task. */
fv_expr *fv_attend_in_memory(fv_attend *a);
/* The loops of the kernel, in a->e, down to what is stored. */
void fv_attend_emit(fv_attend *a, fv_value *value);

#endif
