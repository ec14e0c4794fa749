/* attention.h - attention as a graph has it: for people, and for who writes it down as one
 * operator.
 *
 *     y = sum j: softmax_j(score(i, j), ..) * v[j]
 *
 * The walk begins at each softmax, whether it is an operator or exponentials over their sum.
 * Outwards it looks for the product that sums the weights over the softmax's axis; inwards for
 * scores that compare the key with something. Both go by what each element is (elements.h), so that
 * reshapes, transposes, broadcasts and casts are indices, however an exporter put them. A gate,
 * which has no softmax, is found at its sigmoid. What becomes of them is the lowering's affair. */
#ifndef FV_PASSES_ATTENTION_H
#define FV_PASSES_ATTENTION_H

#include "ir/graph/graph.h"

typedef enum fv_attention_kind {
    FV_ATTENTION_NONE,     /* a softmax that is no attention */
    FV_ATTENTION_SELF,     /* queries and keys come from one sequence */
    FV_ATTENTION_CROSS,    /* or from two */
    FV_ATTENTION_ADDITIVE, /* scores are no product of two */
    FV_ATTENTION_POOLING,  /* nothing but keys is in the scores */
    FV_ATTENTION_SPATIAL,  /* among places of a map */
    FV_ATTENTION_CHANNEL   /* among its channels */
} fv_attention_kind;
const char *fv_attention_kind_name(fv_attention_kind kind); /* "self" */

enum {                      /* of a mask */
       FV_MASK_CAUSAL = 1,  /* keys behind the query are hidden */
       FV_MASK_WINDOW = 2,  /* and keys that are far before it */
       FV_MASK_PADDING = 4, /* keys of which data say so, whatever the query */
       FV_MASK_BIAS = 8,    /* an addend that hides nothing */
       FV_MASK_FORMULA = 16 /* another condition on query and key */
};
enum { FV_NMASKS = 5 };
const char *fv_mask_name(int bit); /* 0: "causal" */

/* All values are of the graph that was walked, after its passes. */
typedef struct fv_attention_site {
    fv_attention_kind kind;
    /* a map times a sigmoid of what is pooled of it: SPATIAL or CHANNEL */
    bool gate;
    /* where it was found: the Softmax, the exponential, the sigmoid of a gate */
    const fv_op *softmax;
    const fv_value *weighted; /* what the softmax gets; of a gate the map */
    const fv_value *weights;  /* what it gives; of a gate the sigmoid */
    int axis;                 /* of both: the keys */
    int query_axis;           /* of both; -1: there is one query, or none is known */
    const fv_value *score;    /* the product of queries and keys; NULL: there is no such product */
    const fv_value *q, *k;    /* its operands, where its operator has two */
    /* weights times values; of a gate the product of both; NULL: there is none */
    const fv_value *product;
    const fv_value *v;
    int64_t query_heads, kv_heads; /* 0: not known */
    int64_t head_size;             /* terms of a score; 0: not known */
    /* of the scores, in front of everything that is added; NAN: none is constant */
    double scale;
    unsigned mask; /* FV_MASK_ */
    bool sink;     /* its rows have one more weight, which is dropped */
    bool mixed;    /* scores or weights are sums over heads: talking heads */
    /* several of its weights make the factor of a value: differential attention */
    bool combined;
    bool past; /* keys of earlier runs are among the keys */
    /* those of queries, keys and values that read one input come from one product */
    bool merged;
    const char *formula;    /* of what the softmax gets, for people */
    const fv_origin *nodes; /* of the model */
    const char *why;        /* NONE: why it is no attention */
    const fv_op *stopped;   /* and the op where that showed */
} fv_attention_site;

typedef struct fv_attention_sites {
    int n, cap;
    fv_attention_site *all; /* in the order of their operators */
} fv_attention_sites;

/* Finds all of main, which must have been through `legalise`; a module of definitions has none.
 * Memory is of `a`. */
void fv_attention_find(fv_arena *a, fv_module *m, fv_attention_sites *out);

#endif
