/* attention.h - `inspect --attention`: lists the attentions of a model, and which of them are
 * fused. */
#ifndef FV_TOOLS_MODEL_ATTENTION_H
#define FV_TOOLS_MODEL_ATTENTION_H

#include "backend/lowering/why.h"
#include "passes/attention/attention.h"
#include "tools/model/model.h"

/* How an attention was lowered. */
typedef struct fv_attention_fate {
    const fv_attention_site *site;
    /* whether one kernel computes scores, weights and the product with values; for a gate: whether
     * no memory of the size of the feature map is needed */
    bool fused;
    /* whether the attention is computed one query at a time, with scores and weights in memory */
    bool by_rows;
    bool keeps; /* whether the weights are stored in memory, because other ops read them */
    /* the kernel that computes the product with values; NULL: several kernels do, or none */
    const fv_kernel *kernel;
    const char *folded; /* the recorded reason about the mask; NULL: there is none */
    bool folds;         /* whether hidden keys are skipped */
    /* if the attention is not fused: the explanation, the name of the reason
     * (backend/lowering/why.def) if it is one, and the node at which it was found */
    const char *why, *code;
    const char *stopped_at;
} fv_attention_fate;

/* The state of the query: collected before a model is lowered, and reported afterwards. */
typedef struct fv_attention_query {
    fv_context *c;
    fv_attention_sites sites;
    fv_reasons *reasons;
    fv_ptrmap kernels; /* value -> the kernel that computes it */
    /* one entry for each site; attentions first, then gates, then softmaxes that belong to no
     * attention */
    fv_attention_fate *fates;
    int n, attentions, fused, softmaxes;
} fv_attention_query;

/* Texts for messages: the node of the attention, or its value; its masks, "causal, padding"; its
 * heads, "8 heads (2 of keys and values) of 64". */
const char *fv_attention_name(const fv_attention_site *s);
const char *fv_attention_masks_str(fv_arena *a, unsigned mask);
const char *fv_attention_heads_str(fv_arena *a, const fv_attention_site *s);

/* Makes the driver record the reasons that the query needs; other users of these records are not
 * affected. */
void fv_attention_begin(fv_attention_query *q, fv_context *c, fv_driver_options *o);
/* Determines after lowering how each attention was lowered; a program that was read as text has no
 * attentions. */
void fv_attention_judge(fv_attention_query *q);
/* A text "11 of 12", the number of fused attentions and of all; NULL: there are no attentions. */
const char *fv_attention_count(const fv_attention_query *q);
void fv_attention_print(const fv_attention_query *q, const fv_subject *m);
/* Adds "softmax_total", "softmax_fused" and "attention" to the document. */
void fv_attention_json(const fv_attention_query *q, const fv_subject *m, json_t *document);
/* Checks --require-fused: returns false after a message for each attention that is not fused. */
bool fv_attention_require(const fv_attention_query *q) FV_MUST_USE;

#endif
