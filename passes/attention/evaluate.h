/* evaluate.h - the number that an element is at some place, where data is what one says. */
#ifndef FV_PASSES_ATTENTION_EVALUATE_H
#define FV_PASSES_ATTENTION_EVALUATE_H

#include "ir/base/limits.h"
#include "ir/definition/definition.h"

enum { FV_SAMPLE = 12, FV_SAMPLE_VARS = 3 * FV_MAX_RANK };

/* What data are: `of_data` everywhere, 0 at each second place, or the place itself. Sums are 1, or
 * `of_sum` at each second place. */
enum { FV_DATA_EVEN, FV_DATA_ALTERNATES, FV_DATA_RISES, FV_SUMS_ALTERNATE };

/* A small instance of the model: dims, variables, and what loads of data are. */
typedef struct fv_sample {
    fv_arena *arena;
    int64_t size; /* of symbols that nothing else says */
    /* symbol of a dim -> int64_t, of small ones that fit what the model assumes */
    fv_ptrmap symbols;
    int nvars;
    const fv_var *vars[FV_SAMPLE_VARS];
    int64_t at[FV_SAMPLE_VARS];
    const fv_value *score; /* loads of it are `of_score` */
    double of_score, of_data;
    int data;       /* FV_DATA_ */
    fv_ptrmap sums; /* values that are sums of products -> themselves */
    double of_sum;
    const fv_value *watched; /* loads of it are shown to `note` */
    void (*note)(void *user, const fv_expr *load);
    void *user;
    fv_ptrmap memo; /* node -> its number, for these variables */
} fv_sample;

fv_sample fv_sample_new(fv_arena *a, const fv_module *m, int64_t size);
/* Where d says that two dims are one or that one of them is 1, they are one. */
void fv_sample_fit(fv_sample *s, const fv_dim *d);
/* How large the dim is; at least 1. */
int64_t fv_sample_dim(fv_sample *s, const fv_dim *d);
/* v is n from now on. */
void fv_sample_set(fv_sample *s, const fv_var *v, int64_t n);
void fv_sample_forget(fv_sample *s); /* numbers of nodes, when what loads are has changed */
double fv_sample_number(fv_sample *s, const fv_expr *x);

#endif
