/* parts.h - what the files of the walk share. */
#ifndef FV_PASSES_ATTENTION_PARTS_H
#define FV_PASSES_ATTENTION_PARTS_H

#include "ir/base/limits.h"
#include "ir/definition/print.h"
#include "passes/attention/attention.h"
#include "passes/attention/elements.h"
#include "passes/attention/evaluate.h"

enum { FV_SOME_LOADS = 64, FV_MOST_LOOKED = 2000 };

typedef struct fv_finder {
    fv_arena *arena; /* of what is found */
    fv_module *module;
    fv_elements e;
    fv_attention_sites *out;
    int looked; /* values, for the site that is looked at; more than FV_MOST_LOOKED are not */
} fv_finder;

/* What is known of a site while it is looked at. */
typedef struct fv_scores {
    fv_expr *x; /* what the softmax gets, over these indices */
    fv_var *index[FV_MAX_RANK];
    int rank;
    fv_var *key, *query; /* query NULL: there is one */
    const fv_expr *load; /* of the score; NULL: it is no product */
    /* what stands for it in x: it, or what several heads are mixed to */
    const fv_expr *top;
    fv_expr *q, *k;             /* its factors: over the indices of x, and `terms` */
    fv_expr *terms;             /* the reduction of the score; NULL with `load` */
    fv_var *mixed[FV_MAX_RANK]; /* of sums that mix the scores of several heads */
    int nmixed;
    /* factors of the product, over its indices and the variables of its sum */
    fv_expr *values, *weight;
    fv_var *summed;             /* that of the keys there */
    const fv_expr *weight_load; /* of the weights in `weight` */
} fv_scores;

/* Fills in what it says; false: s->why says why not. */
bool fv_find_product(fv_finder *f, fv_attention_site *s, fv_scores *x) FV_MUST_USE; /* product.c */
bool fv_find_scores(fv_finder *f, fv_attention_site *s, fv_scores *x) FV_MUST_USE;  /* scores.c */
void fv_find_heads(fv_finder *f, fv_attention_site *s, const fv_scores *x);         /* heads.c */
/* heads.c: self or cross, past, merged */
void fv_find_origin(fv_finder *f, fv_attention_site *s, const fv_scores *x);
void fv_find_mask(fv_finder *f, fv_attention_site *s, const fv_scores *x);    /* mask.c */
bool fv_find_gate(fv_finder *f, fv_op *op, fv_attention_site *s) FV_MUST_USE; /* gate.c */
/* The sum that x loads is one of products of two things that data decide? */
bool fv_is_product(fv_finder *f, const fv_expr *load, fv_summed *out) FV_MUST_USE;
/* False. */
bool fv_stops(fv_attention_site *s, const fv_op *op, const char *why) FV_MUST_USE;

#endif
