/* attention.h - `inspect --attention`, and what of it is fused. */
#ifndef FV_TOOLS_MODEL_ATTENTION_H
#define FV_TOOLS_MODEL_ATTENTION_H

#include "backend/lowering/why.h"
#include "passes/attention/attention.h"
#include "tools/model/model.h"

/* What became of an attention. */
typedef struct fv_attention_fate {
    const fv_attention_site *site;
    /* scores, weights and product are one kernel; of a gate: it lies nowhere as large as the map */
    bool fused;
    bool by_rows;            /* a query at a time, whose scores and weights lie in memory */
    bool keeps;              /* its weights lie in memory, since others read them */
    const fv_kernel *kernel; /* that makes the product; NULL: several, or none */
    const char *folded;      /* what lowering says of its mask; NULL: nothing */
    bool folds;              /* keys that it hides are left out */
    /* not fused: why, the name of the reason (backend/lowering/why.def) if it is one, and where
     * that showed */
    const char *why, *code;
    const char *stopped_at;
} fv_attention_fate;

/* What is asked for before a model is lowered, and told when it is. */
typedef struct fv_attention_query {
    fv_context *c;
    fv_attention_sites sites;
    fv_reasons *reasons;
    fv_ptrmap kernels; /* value -> the kernel that makes it */
    /* of all sites; attentions first, then gates, then what is no attention */
    fv_attention_fate *fates;
    int n, attentions, fused, softmaxes;
} fv_attention_query;

/* For people: the model's node, else the value; "causal, padding"; "8 heads (2 of keys and values)
 * of 64". */
const char *fv_attention_name(const fv_attention_site *s);
const char *fv_attention_masks_str(fv_arena *a, unsigned mask);
const char *fv_attention_heads_str(fv_arena *a, const fv_attention_site *s);

/* Sees to it in the options of a driver; other reasons that are recorded there are shared. */
void fv_attention_begin(fv_attention_query *q, fv_context *c, fv_driver_options *o);
/* After lowering; a program that was read as such has none. */
void fv_attention_judge(fv_attention_query *q);
/* "11 of 12"; NULL: there is none. */
const char *fv_attention_count(const fv_attention_query *q);
void fv_attention_print(const fv_attention_query *q, const fv_subject *m);
/* Sets "softmax_total", "softmax_fused" and "attention" of the document. */
void fv_attention_json(const fv_attention_query *q, const fv_subject *m, json_t *document);
/* --require-fused: false after a message for each attention that is not. */
bool fv_attention_require(const fv_attention_query *q) FV_MUST_USE;

#endif
