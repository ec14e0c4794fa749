/* evaluate.h - evaluates an element at given indices, with chosen values for data that are not
 * known before run time. */
#ifndef FV_PASSES_ATTENTION_EVALUATE_H
#define FV_PASSES_ATTENTION_EVALUATE_H

#include "ir/base/limits.h"
#include "ir/definition/definition.h"

enum { FV_SAMPLE = 12, FV_SAMPLE_VARS = 3 * FV_MAX_RANK };

/* The values that loads of data get: EVEN: `of_data` everywhere; ALTERNATES: 0 at every second
 * position, `of_data` at the others; RISES: the position itself. A position is the sum of the
 * indices of the load. Sums (see fv_sample.sums) are 1; SUMS_ALTERNATE: they are `of_sum` at every
 * second position, and other data are `of_data`. */
enum { FV_DATA_EVEN, FV_DATA_ALTERNATES, FV_DATA_RISES, FV_SUMS_ALTERNATE };

/* The value whose loads are reported. */
typedef struct fv_load_watch {
    const fv_value *value; /* the value; NULL: there is none */
    void (*note)(void *user, const fv_expr *load);
    void *user;
} fv_load_watch;

/* A small instance of the model: values of dims, of variables and of loaded data. */
typedef struct fv_sample {
    fv_arena *arena;
    int64_t size; /* the value, within their bounds, of symbols that no relation determines */
    /* symbol of a dim -> int64_t, a small value that fits the relations of the model */
    fv_ptrmap symbols;
    int nvars;
    const fv_var *vars[FV_SAMPLE_VARS];
    int64_t at[FV_SAMPLE_VARS];
    const fv_value *score; /* loads of this value are `of_score` */
    double of_score, of_data;
    int data;       /* FV_DATA_ */
    fv_ptrmap sums; /* the set of values that are sums of products or of floats */
    double of_sum;
    fv_load_watch watch;
    fv_ptrmap memo; /* node -> its value for the current values of variables */
} fv_sample;

fv_sample fv_sample_new(fv_arena *a, const fv_module *m, int64_t size);
/* For each broadcast in d, gives a symbol on one side of the broadcast the value of the other
 * side. */
void fv_sample_fit(fv_sample *s, const fv_dim *d);
/* The value of dim d in the sample; at least 1. */
int64_t fv_sample_dim(fv_sample *s, const fv_dim *d);
/* Sets the variable v to n. */
void fv_sample_set(fv_sample *s, const fv_var *v, int64_t n);
/* forgets the values of nodes; must be called after the values of loads have changed */
void fv_sample_forget(fv_sample *s);
double fv_sample_number(fv_sample *s, const fv_expr *x);

#endif
