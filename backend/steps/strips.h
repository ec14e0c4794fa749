/* strips.h - chains of values that are computed in strips of rows, so that the values within a
 * chain never exist as a whole. strips.c chooses the chains, strip.c changes the definitions. */
#ifndef FV_BACKEND_STEPS_STRIPS_H
#define FV_BACKEND_STEPS_STRIPS_H

#include "backend/lowering/lowering.h"

enum {
    FV_STRIPS_CHAIN = 6, /* greatest number of values of a chain */
    FV_STRIPS_MOST = 16  /* greatest number of strips */
};

/* How a definition reads rows of an operand: for rows a to b - 1 of n of its own, it reads rows
 * least + by * a to most - by * (n - b) of those that the operand has. */
typedef struct fv_strip_link {
    int axis; /* the axis of rows of the operand, in the order of memory */
    int64_t by, least, most;
} fv_strip_link;

/* Values of which each but the last is read by the next one only. */
typedef struct fv_strip_chain {
    int n;
    fv_storage *value[FV_STRIPS_CHAIN];
    int axis[FV_STRIPS_CHAIN];           /* the axis of rows of each, in the order of memory */
    int64_t rows[FV_STRIPS_CHAIN];       /* the extent of that axis */
    fv_strip_link link[FV_STRIPS_CHAIN]; /* link[i]: how value i reads value i - 1; from 1 on */
    int nstrips;                         /* of the last value; each is `height` rows, the last */
    int64_t height;                      /* one may be less */
    int64_t bytes;                       /* the most that strips of values but the last take */
} fv_strip_chain;

typedef struct fv_rows {
    int64_t first, end;
} fv_rows;

/* The rows of each value of the chain that strip number s needs, in rows[c->n]. */
void fv_strip_rows(const fv_strip_chain *c, int s, fv_rows *rows);
/* Finds how the definition of `reader`, whose rows are along `axis`, reads the value `from`. False:
 * not as rows next to each other. */
bool fv_strip_link_of(fv_lowerer *l, const fv_storage *reader, int axis, const fv_storage *from,
                      fv_strip_link *out) FV_MUST_USE;

/* Chooses chains whose strips need less memory; they have no values in common. *n: their number.
 * *before, *after: estimates of the bytes that are alive at once, without and with strips. */
fv_strip_chain *fv_strips_choose(fv_lowerer *l, int *n, int64_t *before, int64_t *after);

#endif
