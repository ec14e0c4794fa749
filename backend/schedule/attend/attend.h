/* attend.h - the plan of a kernel of attention, and the state while the kernel is emitted. */
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

/* The weights as definitions over [outer.., query, key], whose scores are loads from the memory of
 * a task. */
typedef struct fv_attend_weights {
    fv_definition all;    /* the weights of any row, computed with every key */
    fv_definition folded; /* the weights of a row that sees a key, computed without hidden keys;
                           * without body: no mask is folded */
    fv_definition open;   /* the weights of a row from which no key is hidden */
    /* the definition of the weights if they are a result of the kernel as well; NULL: they are
     * not */
    const fv_definition *kept;
    /* the members `where` and `seen` of fv_attention as expressions over the memory of a task;
     * NULL: no mask is folded */
    fv_expr *where, *seen;
} fv_attend_weights;

/* How the kernel is divided into tasks, and a task into blocks of queries. */
typedef struct fv_attend_tasks {
    /* variables of the axes of the result other than queries and features; heads that share keys
     * count as one group */
    fv_var *outer[FV_MAX_RANK];
    int nouter;
    fv_var *chunk; /* variable of the number of the chunk of queries */
    fv_var *local; /* variable of the number of the row within its block */
    int block;     /* number of queries in a block */
    /* number of tasks that should exist at least: if there are fewer heads, the queries are divided
     * into chunks */
    int least;
} fv_attend_tasks;

/* The memory of a task as buffers of definitions: [outer.., chunk, row, ..]. */
typedef struct fv_attend_memory {
    fv_buf *scores; /* [.., key]: the scores, which the weights overwrite */
    fv_buf *masks;  /* [.., key]: row i has the values of of_key[i] */
    /* [.., channel]: queries that are computed; NULL: queries are read where they are stored */
    fv_buf *queries;
    fv_expr *of_key[FV_MAX_KEY_MASKS]; /* the parts of the weights that depend on the key alone */
    int nmasks;
    /* the expression of a computed query; NULL: queries are read where they are stored */
    fv_expr *of_query;
} fv_attend_memory;

/* For tasks that share the keys of few queries: see attend_parts.c. */
typedef struct fv_attend_shared {
    const fv_dim *times; /* 1 if tasks share keys, otherwise 0; NULL: they never do */
    /* variable of the number of the part of the keys; there are no parts if keys are not shared */
    fv_var *part;
    fv_buf *sees_all; /* [outer..]: 1 if all queries see all keys, otherwise 0; NULL: they do */
    fv_buf *sums;     /* [outer.., part, row, feature]: the sums over each part of the keys */
} fv_attend_shared;

/* What a register tile stores for a score, as an expression of the score. */
typedef struct fv_attend_stored {
    fv_expr *x; /* NULL: the score */
    /* if rows are checked (fv_attend_weights.seen): what a tile stores where all masks of keys are
     * 0, and the condition that one of these masks is not 0; NULL: tiles always add the masks */
    fv_expr *unmasked, *masks;
} fv_attend_stored;

/* The plan of a kernel of attention, which emitting does not change. */
typedef struct fv_attend_plan {
    fv_lowerer *l;
    fv_attention at;
    const fv_definition *d; /* the definition of the result */
    fv_definition scores;   /* the definition of the scores, over [outer.., query, key] */
    fv_attend_product qk;   /* the product of queries and keys */
    fv_attend_product pv;   /* the product of weights and values, whose result is the kernel's */
    /* scores of few queries that are computed without panels; without sum: every score is computed
     * in a register tile */
    fv_single_scores single;
    fv_attend_weights weights;
    fv_attend_stored stored;
    fv_attend_weights tiled; /* the weights, computed from what tiles store */
    fv_attend_tasks tasks;
    fv_attend_memory memory;
    fv_attend_shared shared;
    fv_choosing chosen;
} fv_attend_plan;

/* The state while the kernels of one plan are emitted. */
typedef struct fv_attend {
    const fv_attend_plan *p;
    fv_kemit e; /* the kernel that is being emitted */
    fv_tile t;  /* the register tile that is being emitted */
    /* p->weights or p->tiled, by what the memory of scores holds */
    const fv_attend_weights *weights;
    /* the condition that the hidden keys of a row have weight 0, if rows are checked; NULL: no row
     * is checked */
    fv_expr *seen;
    fv_expr *keys[2]; /* the block uses the keys from keys[0] to before keys[1]; NULL: all keys */
    fv_buf *sees;     /* for each row of the block: 1 if the condition `seen` holds, otherwise 0 */
    /* scalar: 1 if the condition `seen` does not hold for some row of the block */
    fv_buf *again;
    bool unmasked; /* whether tiles store p->stored.unmasked, and not p->stored.x */
    bool alone;    /* whether the rows are those of p->single, whose keys are read without panels */
    /* the first row of p->single; NULL: there is one row, or the rows are queries of a block */
    fv_expr *group;
    fv_expr *at_memory[FV_MAX_RANK]; /* the first indices into a task's memory: outer.., chunk */
    fv_expr *index[FV_MAX_RANK];     /* the index of the current element of the result */
    fv_choosing chosen; /* choices that were made for the plan, and while the kernel is emitted */
} fv_attend;

/* Are the rows of p->single several queries, rather than heads of one query? */
static inline bool fv_attend_few(const fv_attend_plan *p) {
    return p->single.row == p->d->index[p->at.row];
}

/* A definition over all axes of the result but the features, followed by the keys. */
fv_definition fv_attend_over_keys(const fv_attend_plan *p, fv_expr *body);
/* The element [.., row, last] of the buffer b of a task's memory. fv_attend_in_memory: the score or
 * weight of the row p->tasks.local and the key. */
fv_expr *fv_attend_of_task(const fv_attend_plan *p, fv_buf *b, fv_expr *row, fv_var *last);
fv_expr *fv_attend_in_memory(const fv_attend_plan *p);

/* ---- what kernels of one attention emit, each in a->e ---- */

/* Opens parallel loops over the outer axes, which have no iterations if `times` is not NULL and 0.
 * The chunk is 0. Returns the first row of `single`; NULL: it has one row. */
fv_expr *fv_attend_outer(fv_attend *a, fv_expr *times);
/* Begins a register tile of the product, which is part of the definition d. */
void fv_attend_tile(fv_attend *a, const fv_definition *d, const fv_attend_product *product);
/* fv_attend_tile for the product of the weights of few queries with the values, in the definition
 * of the result. If the values are an input of the model, such as a decoder's cache, the tile
 * prefetches later rows of them. */
void fv_attend_tile_of_few(fv_attend *a, const fv_attend_product *by_rows);
/* Ends loops until `depth` of them are open, and forgets what was emitted since the mark. */
void fv_attend_close(fv_attend *a, int depth, fv_kmark m);
/* Emits the product of the weights of a block with the values, and the stores of the result. */
void fv_attend_result(fv_attend *a, fv_value *value, fv_expr *first, fv_expr *rows);
/* fv_attend_masks emits the parts of the weights that depend on the key alone; fv_attend_queries
 * emits the computed queries from `first` on. */
void fv_attend_masks(fv_attend *a);
void fv_attend_queries(fv_attend *a, fv_expr *first, fv_expr *rows);
/* Sets `hides`, an i64 scalar that is 0, to 1 if `where`, the condition that hides a key, holds for
 * one of the few queries beginning with `query` and some key. */
void fv_attend_find_hidden(fv_attend *a, fv_expr *where, fv_buf *hides, fv_expr *query);
/* Binds the query, and returns the product with values. If a->group is not NULL, its rows begin
 * there. */
fv_contraction fv_attend_by_rows(fv_attend *a, fv_expr *query);
/* The number of features of v that a tile of `rows` rows computes in one walk over the keys: those
 * of the tile of pv; if the number of all features is known and v is not packed, this is doubled as
 * often as the result divides that number and the registers of a tile suffice. */
int fv_attend_columns(const fv_attend_plan *p, int rows);
/* The condition, over dims and the result of a search, that tasks share the keys of the query;
 * NULL: they never do. `within` tasks that share keys: only the result of the search; NULL if it is
 * not needed. */
fv_expr *fv_attend_is_shared(fv_attend *a, bool within);

/* Emits all loops of the kernel into a->e, and the stores of the result. */
void fv_attend_emit(fv_attend *a, fv_value *value);

#endif
