/* attention.h - finds the attention in a graph, for reports and for passes that rewrite it.
 *
 *     y = sum j: softmax_j(score(i, j), ..) * v[j]
 *
 * The walk begins at each softmax, whether it is one operator or exponentials divided by their sum.
 * Towards the outputs it looks for the product that sums the weights over the axis of the softmax;
 * towards the inputs, for scores that compare the key with something. Both compare the expressions
 * of elements (elements.h), in which reshapes, transposes, broadcasts and casts are only indices,
 * so it does not matter where an exporter put them. A gate, which has no softmax, is found at its
 * sigmoid. Whether attention is fused is decided by lowering, not here. */
#ifndef FV_PASSES_ATTENTION_H
#define FV_PASSES_ATTENTION_H

#include "ir/graph/graph.h"

typedef enum fv_attention_kind {
    FV_ATTENTION_NONE,     /* a softmax that is not attention */
    FV_ATTENTION_SELF,     /* queries and keys are computed from the same sequence */
    FV_ATTENTION_CROSS,    /* queries and keys are computed from two sequences */
    FV_ATTENTION_ADDITIVE, /* scores are not a product of queries and keys */
    FV_ATTENTION_POOLING,  /* scores depend on keys only */
    FV_ATTENTION_SPATIAL,  /* SELF between the positions of a feature map */
    FV_ATTENTION_CHANNEL   /* SELF between the channels of a feature map */
} fv_attention_kind;
const char *fv_attention_kind_name(fv_attention_kind kind); /* the name of a kind: "self" */

enum {                     /* bits that describe which keys a mask hides */
       FV_MASK_CAUSAL = 1, /* keys after the query are hidden */
       FV_MASK_WINDOW = 2, /* keys that are far before the query are hidden, too */
       /* input data decide which keys are hidden, the same keys for all queries */
       FV_MASK_PADDING = 4,
       /* numbers that vary along a row are added to the scores of visible keys */
       FV_MASK_BIAS = 8,
       FV_MASK_FORMULA = 16 /* another condition on query and key hides keys */
};
enum { FV_NMASKS = 5 };
const char *fv_mask_name(int bit); /* the name of bit number `bit`; 0: "causal" */

/* The products of an attention. */
typedef struct fv_attention_products {
    const fv_value *score; /* the product of queries and keys; NULL: there is no such product */
    const fv_value *q, *k; /* the operands of that product, if its operator has two */
    /* the product of weights and values; for a gate, of map and sigmoid; NULL: there is none */
    const fv_value *product;
    const fv_value *v;
} fv_attention_products;

/* Numbers of heads and sizes of an attention; 0: not known. */
typedef struct fv_attention_heads {
    int64_t query, kv; /* the numbers of heads */
    int64_t size;      /* number of terms in the sum of a score */
} fv_attention_heads;

/* Properties of an attention. */
typedef struct fv_attention_traits {
    unsigned mask; /* FV_MASK_ */
    bool sink;     /* each row of the softmax has one more weight, which is dropped */
    bool mixed;    /* scores or weights are sums over heads: talking heads */
    /* several softmaxes are combined to the factor of a value: differential attention */
    bool combined;
    bool past; /* the keys include those of earlier runs */
    /* queries, keys and values of one input are computed by one product */
    bool merged;
} fv_attention_traits;

/* One attention, or a softmax that is none (kind NONE). Its values and ops are those of the graph
 * that was searched. */
typedef struct fv_attention_site {
    fv_attention_kind kind;
    /* the attention is a gate: a feature map times a sigmoid of pooled values of the map; its kind
     * is SPATIAL or CHANNEL */
    bool gate;
    /* the op where the attention was found: the Softmax, the exponential, or the sigmoid of a
     * gate */
    const fv_op *softmax;
    const fv_value *weighted; /* the operand of the softmax; for a gate the feature map */
    /* the result of the softmax, or the exponentials if they are divided by their sum only after
     * the product with the values; for a gate the sigmoid */
    const fv_value *weights;
    int axis; /* the axis of the keys in `weighted` and `weights`; -1: the attention is a gate */
    /* the axis of the queries in `weighted` and `weights`; -1: there is one query, or no axis of
     * queries was found */
    int query_axis;
    fv_attention_products of;
    fv_attention_heads heads;
    /* constant factor of the scores, before anything is added to them; NAN: there is none, or it is
     * not known, as for masks with FV_MASK_WINDOW; 0 for kind NONE and for gates */
    double scale;
    fv_attention_traits traits;
    /* the operand of the softmax as an expression, for messages; NULL for a gate, and if nothing
     * sums weights times values */
    const char *formula;
    const fv_origin *nodes; /* the names of the model's nodes that compute the attention */
    const char *why;        /* for kind NONE: the reason why it is not attention */
    const fv_op *stopped;   /* the op at which the search found the reason */
} fv_attention_site;

typedef struct fv_attention_sites {
    int n, cap;
    fv_attention_site *all; /* the attentions and other softmaxes in the order of their ops */
} fv_attention_sites;

/* Finds the attentions of main, which `legalise` must have rewritten; a softmax that is not
 * attention is listed with kind NONE. A module of definitions has none. Memory is allocated in
 * `a`. */
void fv_attention_find(fv_arena *a, fv_module *m, fv_attention_sites *out);

#endif
