/* parts.h - declarations shared by the files that search for attention. */
#ifndef FV_PASSES_ATTENTION_PARTS_H
#define FV_PASSES_ATTENTION_PARTS_H

#include "ir/base/limits.h"
#include "ir/definition/print.h"
#include "passes/attention/attention.h"
#include "passes/attention/elements.h"
#include "passes/attention/evaluate.h"

enum { FV_SOME_LOADS = 64, FV_MOST_LOOKED = 2000 };

typedef struct fv_finder {
    fv_arena *arena; /* the arena of the results */
    fv_module *module;
    fv_elements e;
    fv_attention_sites *out;
    /* number of values visited for the current softmax or sigmoid; when it has reached
     * FV_MOST_LOOKED, searches give up */
    int looked;
} fv_finder;

/* The product of weights and values: its two factors as expressions over its indices and the
 * variables of its sum. */
typedef struct fv_values_product {
    fv_expr *values, *weight;
    fv_var *summed;             /* the variable of that sum which runs over the keys */
    const fv_expr *weight_load; /* the load of the weights within `weight` */
} fv_values_product;

/* What the search knows about a softmax. */
typedef struct fv_scores {
    fv_expr *x; /* the operand of the softmax as an expression over the indices `index` */
    fv_var *index[FV_MAX_RANK];
    int rank;
    /* the index variables of key and query; query NULL: there is only one query, or no axis of
     * queries was found */
    fv_var *key, *query;
    const fv_expr *load; /* the load of the score; NULL: the score is not a product */
    /* the part of x that contains the scores: `load` itself, or a mixture of the scores of several
     * heads */
    const fv_expr *top;
    /* the factors of the score, as expressions over the indices of x and the variables of
     * `terms` */
    fv_expr *q, *k;
    fv_expr *terms;             /* the sum of the score; NULL if `load` is NULL */
    fv_var *mixed[FV_MAX_RANK]; /* the variables of sums that mix the scores of several heads */
    int nmixed;
    fv_values_product product;
} fv_scores;

/* Each of these functions fills in the members that its file determines. If fv_find_product or
 * fv_find_scores returns false, the softmax is not attention, and s->why has the reason. */
/* in product.c: finds the product of weights and values */
bool fv_find_product(fv_finder *f, fv_attention_site *s, fv_scores *x) FV_MUST_USE;
/* in scores.c: finds the product of queries and keys, or another comparison of them */
bool fv_find_scores(fv_finder *f, fv_attention_site *s, fv_scores *x) FV_MUST_USE;
/* in heads.c: finds the numbers of heads */
void fv_find_heads(fv_finder *f, fv_attention_site *s, const fv_scores *x);
/* in heads.c: determines whether queries and keys come from one sequence or from two, and over
 * which axes of a feature map attention runs; whether there is a past; whether projections are
 * merged */
void fv_find_origin(fv_finder *f, fv_attention_site *s, const fv_scores *x);
/* in mask.c: determines what the mask hides, and the scale of the scores */
void fv_find_mask(fv_finder *f, fv_attention_site *s, const fv_scores *x);
/* in gate.c: determines whether op is the sigmoid of a gate */
bool fv_find_gate(fv_finder *f, fv_op *op, fv_attention_site *s) FV_MUST_USE;
/* Is the value that is loaded a sum of products of two different factors that both depend on data?
 * *out becomes the sum, over the indices of the load. */
bool fv_is_product(fv_finder *f, const fv_expr *load, fv_summed *out) FV_MUST_USE;
/* Records why the softmax is not attention, unless a reason was recorded before, and returns
 * false. */
bool fv_stops(fv_attention_site *s, const fv_op *op, const char *why) FV_MUST_USE;

#endif
