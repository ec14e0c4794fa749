/* sequence.h - orders of launches, and the bytes of the workspace that are alive in them. */
#ifndef FV_BACKEND_MEMORY_SEQUENCE_H
#define FV_BACKEND_MEMORY_SEQUENCE_H

#include "ir/base/arena.h"

enum {
    /* number of launches above which their order is kept, because the searches take time in
     * proportion to the square of the number, and to the size of the sets of launches */
    FV_SEQUENCE_MOST = 768,
    FV_SEQUENCE_WORDS = FV_SEQUENCE_MOST / 64
};

/* A value that launches use. */
typedef struct fv_sequence_value {
    const void *home;   /* identifies the memory of the value */
    int64_t bytes;      /* 0 for memory of the caller and of weights */
    bool before, after; /* whether the value is alive before the first launch, after the last */
    bool outside;       /* whether the memory is not of the workspace */
    bool taken; /* whether a launch stores this value over an operand that is outside, too */
    uint64_t users[FV_SEQUENCE_WORDS];
} fv_sequence_value;

typedef struct fv_sequence_use {
    int value;
    bool writes;
} fv_sequence_use;

/* A result that may take the memory of an operand, both as indices of values. `own`: the operand is
 * another result of the same launch, which no other launch uses. */
typedef struct fv_sequence_pair {
    int operand, result;
    bool own;
} fv_sequence_pair;

typedef struct fv_sequence_launch {
    int nuses, npairs;
    bool collective;
    fv_sequence_use *uses;
    fv_sequence_pair *pairs;
    uint64_t needs[FV_SEQUENCE_WORDS]; /* the launches that must precede it */
    uint64_t hash;
} fv_sequence_launch;

/* The launches that are to be put into an order. */
typedef struct fv_sequence_problem {
    int n, nvalues;
    fv_sequence_launch *launches;
    fv_sequence_value *values;
} fv_sequence_problem;

/* The first n launches of an order. */
typedef struct fv_sequence {
    const struct fv_sequence *from; /* the order without the last launch */
    int last, n; /* the last launch, -1 if there is none; the number of launches */
    uint64_t done[FV_SEQUENCE_WORDS], hash;
    /* bytes that are alive after the last launch; the most that were alive during a launch */
    int64_t live, peak;
} fv_sequence;

static inline bool fv_set_has(const uint64_t *set, int i) {
    return set[i / 64] >> (i % 64) & 1;
}
static inline void fv_set_insert(uint64_t *set, int i) {
    set[i / 64] |= UINT64_C(1) << (i % 64);
}

fv_sequence fv_sequence_begin(const fv_sequence_problem *p); /* the order without launches */
/* Can launch i be the next one after those of o? */
bool fv_sequence_may_follow(const fv_sequence_problem *p, const fv_sequence *o, int i) FV_MUST_USE;
/* The order o followed by launch i; the result points to o. */
fv_sequence fv_sequence_extend(const fv_sequence_problem *p, const fv_sequence *o, int i);

/* Bytes that are alive during launch i in every order. */
int64_t fv_sequence_bytes_at(const fv_sequence_problem *p, int i) FV_MUST_USE;

/* Searches for an order whose peak is the least of all. `most`: a peak that is known to be
 * possible. Returns a number of bytes below which no order has its peak; it is at most `most`.
 * *best: an order of all launches with exactly that peak, in the arena; NULL: its peak is not below
 * `most`, or the search, whose work is limited, has not found it. */
int64_t fv_sequence_least(const fv_sequence_problem *p, fv_arena *a, int64_t most,
                          const fv_sequence **best);

#endif
