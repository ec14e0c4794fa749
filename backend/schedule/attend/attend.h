/* attend.h - a kernel of attention: what is chosen for it, and what it is emitted from. */
#ifndef FV_BACKEND_SCHEDULE_ATTEND_ATTEND_H
#define FV_BACKEND_SCHEDULE_ATTEND_ATTEND_H

#include "backend/fuse/attention.h"
#include "backend/schedule/attend/attend_single.h"
#include "backend/schedule/common/choice.h"
#include "backend/schedule/contract/tile.h"

enum { FV_MAX_KEY_MASKS = 4 };

/* A product of the attention as a contraction, and the size of its register tile. */
typedef struct fv_attend_product {
    fv_contraction c;
    int rows, columns;
} fv_attend_product;

/* The weights as definitions over [outer.., query, key], whose scores are loads of the memory of a
 * task. */
typedef struct fv_attend_weights {
    fv_definition all;    /* of any row, with every key */
    fv_definition folded; /* of a row that sees a key, without hidden keys; no body: no mask is
                             folded */
    fv_definition open;   /* of a row from which no key is hidden */
    /* the weights are a result of the kernel as well, which is defined so; NULL: they are not */
    const fv_definition *kept;
    /* `where` and `seen` of fv_attention over the memory of a task; NULL: no mask is folded */
    fv_expr *where, *seen;
} fv_attend_weights;

/* How the kernel is divided into tasks, and a task into blocks of queries. */
typedef struct fv_attend_tasks {
    /* the axes of the result but queries and features; heads that share keys count as one group */
    fv_var *outer[FV_MAX_RANK];
    int nouter;
    fv_var *chunk; /* the number of the chunk of queries */
    fv_var *local; /* the number of the row within its block */
    int block;     /* queries of a block */
    int least;     /* tasks that are wanted: chunks are made where there are fewer heads */
} fv_attend_tasks;

/* The memory of a task, in definitions: [outer.., chunk, row, ..]. */
typedef struct fv_attend_memory {
    fv_buf *scores;  /* by key: the scores, which the weights overwrite */
    fv_buf *masks;   /* by key: row i has the values of of_key[i] */
    fv_buf *queries; /* by channel: computed queries; NULL: queries are read as they are */
    fv_expr *of_key[FV_MAX_KEY_MASKS]; /* the parts of the weights that depend on the key alone */
    int nmasks;
    fv_expr *of_query; /* the computed query; NULL: queries are read as they are */
} fv_attend_memory;

/* Tasks that share the keys of few queries: see attend_parts.c. */
typedef struct fv_attend_shared {
    const fv_dim *times; /* 1 where keys are shared, else 0; NULL: they never are */
    fv_var *part;        /* the parts of the keys; there are none where keys are not shared */
    fv_buf *hides;       /* [outer..]: not 0: a query does not see all keys; NULL: all do */
    fv_buf *sums;        /* [outer.., part, row, feature] */
} fv_attend_shared;

/* What is chosen for a kernel of attention. Emitting reads it and changes nothing in it. */
typedef struct fv_attend_plan {
    fv_lowerer *l;
    fv_attention at;
    const fv_definition *d;  /* the definition of the result */
    fv_definition scores;    /* over [outer.., query, key] */
    fv_attend_product qk;    /* scores: queries by keys */
    fv_attend_product pv;    /* the result: weights by values */
    fv_single_scores single; /* of few queries; no sum: every score is of a register tile */
    fv_attend_weights weights;
    fv_attend_tasks tasks;
    fv_attend_memory memory;
    fv_attend_shared shared;
    fv_choosing chosen;
} fv_attend_plan;

/* The state while kernels of one plan are emitted. */
typedef struct fv_attend {
    const fv_attend_plan *p;
    fv_kemit e; /* the kernel that is being emitted */
    fv_tile t;  /* the register tile that is being emitted */
    /* the condition that the hidden keys of a row have weight 0, for rows that are checked;
     * NULL: no row is checked */
    fv_expr *seen;
    fv_expr *keys[2]; /* the block computes the keys from keys[0] to before keys[1]; NULL: all */
    fv_buf *sees;     /* for each row of the block 1 if that holds, else 0 */
    fv_buf *again;    /* scalar: 1 if it does not hold for some row of the block */
    bool alone;       /* the rows are those of p->single, whose keys are read without panels */
    /* the first row of p->single; NULL: there is one, or the rows are queries of a block */
    fv_expr *group;
    fv_expr *at_memory[FV_MAX_RANK]; /* the first indices of a task's memory: outer.., chunk */
    fv_expr *index[FV_MAX_RANK];     /* the index of the result */
    fv_choosing chosen; /* the plan's, and what is chosen while the kernel is emitted */
} fv_attend;

/* Are the rows of few queries they themselves, rather than heads of one? */
static inline bool fv_attend_few(const fv_attend_plan *p) {
    return p->single.row == p->d->index[p->at.row];
}

/* All axes of the result but the features, then the keys. */
fv_definition fv_attend_over_keys(const fv_attend_plan *p, fv_expr *body);
/* An element of the memory of a task; the score, or the weight. */
fv_expr *fv_attend_of_task(const fv_attend_plan *p, fv_buf *b, fv_expr *row, fv_var *last);
fv_expr *fv_attend_in_memory(const fv_attend_plan *p);

/* ---- what kernels of one attention emit, each in a->e ---- */

/* Opens parallel loops over the outer axes, which have no iterations where `times` is 0 and is not
 * NULL, else 1; the result is the first row of `single`, NULL: it has one. The chunk is 0. */
fv_expr *fv_attend_outer(fv_attend *a, fv_expr *times);
/* Begins a register tile of the product, which is of the definition d. */
void fv_attend_tile(fv_attend *a, const fv_definition *d, const fv_attend_product *product);
/* What weights have of the key alone; queries that are computed, from `first` on. */
void fv_attend_masks(fv_attend *a);
void fv_attend_queries(fv_attend *a, fv_expr *first, fv_expr *rows);
/* Sets `hides`, an i64 scalar of 0, to 1 where one of the few queries from that one on does not see
 * all keys. */
void fv_attend_find_hidden(fv_attend *a, fv_buf *hides, fv_expr *query);
/* Binds the query. Returns the product with values; its rows are those from a->group on, if that is
 * not NULL. */
fv_contraction fv_attend_by_rows(fv_attend *a, fv_expr *query);
/* All features of v in one walk over the keys, as far as the registers of a tile go. */
int fv_attend_columns(const fv_attend_plan *p, int rows);
/* The condition, over dims and what was found, that tasks share the keys of the query; NULL: they
 * never are shared. `within` them: only what was found, NULL where that is no question. */
fv_expr *fv_attend_is_shared(fv_attend *a, bool within);

/* The loops of the kernel, in a->e, down to what is stored. */
void fv_attend_emit(fv_attend *a, fv_value *value);

#endif
