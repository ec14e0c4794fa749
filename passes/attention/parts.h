/* parts.h - shared by the files that search for attention. */
#ifndef FV_PASSES_ATTENTION_PARTS_H
#define FV_PASSES_ATTENTION_PARTS_H

#include "ir/base/limits.h"
#include "ir/definition/print.h"
#include "passes/attention/attention.h"
#include "passes/attention/elements.h"
#include "passes/attention/evaluate.h"

enum { FV_SOME_LOADS = 64, FV_MOST_LOOKED = 2000 };

typedef struct fv_finder {
    fv_arena *arena; /* memory of the results */
    fv_module *module;
    fv_elements e;
    fv_attention_sites *out;
    /* the number of values visited for the current softmax; at most FV_MOST_LOOKED are */
    int looked;
} fv_finder;

/* The product of weights and values: its factors over its indices and the variables of its sum. */
typedef struct fv_values_product {
    fv_expr *values, *weight;
    fv_var *summed;             /* the variable of the keys in that sum */
    const fv_expr *weight_load; /* the load of the weights in `weight` */
} fv_values_product;

/* What is known of a softmax during the search. */
typedef struct fv_scores {
    fv_expr *x; /* the operand of the softmax, over the indices `index` */
    fv_var *index[FV_MAX_RANK];
    int rank;
    fv_var *key, *query; /* query NULL: there is only one query */
    const fv_expr *load; /* the load of the score; NULL: the score is no product */
    /* the expression in x that takes the place of the score: the score itself, or a mixture of the
     * scores of several heads */
    const fv_expr *top;
    /* the factors of the score, over the indices of x and the variables of `terms` */
    fv_expr *q, *k;
    fv_expr *terms;             /* the sum of the score; NULL if `load` is */
    fv_var *mixed[FV_MAX_RANK]; /* the variables of sums that mix the scores of several heads */
    int nmixed;
    fv_values_product product;
} fv_scores;

/* Each fills in what its file finds out; false: s->why says why the softmax is not attention. */
bool fv_find_product(fv_finder *f, fv_attention_site *s, fv_scores *x) FV_MUST_USE; /* product.c */
bool fv_find_scores(fv_finder *f, fv_attention_site *s, fv_scores *x) FV_MUST_USE;  /* scores.c */
void fv_find_heads(fv_finder *f, fv_attention_site *s, const fv_scores *x);         /* heads.c */
/* heads.c: self or cross attention, with a past, merged */
void fv_find_origin(fv_finder *f, fv_attention_site *s, const fv_scores *x);
void fv_find_mask(fv_finder *f, fv_attention_site *s, const fv_scores *x);    /* mask.c */
bool fv_find_gate(fv_finder *f, fv_op *op, fv_attention_site *s) FV_MUST_USE; /* gate.c */
/* Is the value that is loaded a sum of products of two factors that both depend on data? */
bool fv_is_product(fv_finder *f, const fv_expr *load, fv_summed *out) FV_MUST_USE;
/* Records why the softmax is not attention, and returns false. */
bool fv_stops(fv_attention_site *s, const fv_op *op, const char *why) FV_MUST_USE;

#endif
