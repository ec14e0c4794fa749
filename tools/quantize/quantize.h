/* quantize.h - what the files of `fovea quantize` share.
 *
 * The model is read several times, each time into a session of its own: as it is, for references;
 * with some layers quantized, to measure errors; and at last to write it. Layers are identified by
 * their number in the list that fv_quant_layers makes, which is always the same. */
#ifndef FV_TOOLS_QUANTIZE_QUANTIZE_H
#define FV_TOOLS_QUANTIZE_QUANTIZE_H

#include "passes/quantize/quantize.h"
#include "tools/model/model.h"

/* The error of a value: the root of the sum of squared differences, over that of squared values.
 * Negative: not measured. */
#define FV_NOT_MEASURED (-1.0)

/* A value whose range is measured for --calibrate. */
typedef struct fv_quant_measured {
    const char *name; /* NULL: there is no such value, or it is in a branch */
    fv_quant_range range;
    bool has_range; /* whether the range is known */
} fv_quant_measured;

/* A layer, as the command remembers it between sessions. */
typedef struct fv_quant_item {
    const char *name, *op;
    const char *weight; /* type of the weight, as "f32[48, 144]" */
    const char *result; /* name of the result of the op; NULL: it is in a branch */
    /* the activation, without whose range only the weight is quantized; and the value of which it
     * is an average (fv_quant_averaged) */
    fv_quant_measured input, averaged;
    size_t bytes[FV_QUANT_TYPES];
    int bits; /* of an element of the weight, in the module that was quantized last */
    /* for --reduce-range: why the codes of that module have 8 bits; NULL: they have 7 */
    const char *keeps_range;
    const char *why_not; /* why the layer cannot be quantized; NULL: it can */
    /* for each type: the error of the model's outputs if only this layer has that type */
    double alone[FV_QUANT_TYPES];
    double here; /* error of the result of the op in the quantized model */
} fv_quant_item;

/* What the options ask for. */
typedef struct fv_quant_wanted {
    fv_quant_type types[FV_QUANT_TYPES]; /* the types of --to, from wide to narrow */
    int ntypes;
    int block; /* --block; 0: the default of each type */
    bool zero_points, reduced;
    fv_quant_input input;
    bool standard;
    double budget; /* largest error of the model; FV_NOT_MEASURED: any */
} fv_quant_wanted;

/* A type for each layer, and the error of the model with these types. */
typedef struct fv_quant_plan {
    fv_quant_type *types;
    double error; /* the error of the model's outputs */
} fv_quant_plan;

typedef struct fv_quantizing {
    fv_context *c;
    const char *path;
    fv_backend_kind backend; /* the backend of trials */
    fv_quant_wanted wanted;
    fv_quant_item *items;
    int n;
    const char **sets; /* folders of data sets; NULL: inputs are as in `fovea run` */
    int nsets;         /* number of runs in a trial, at least 1 */
    int noutputs;
    fv_tensor **outputs; /* references: for each run, the outputs of the model as it is */
    fv_quant_plan plan;  /* the types with which the model is written */
    int trials, most;    /* how many trials there were, and about how many there will be */
} fv_quantizing;

/* ---- trial.c ---- */

/* A trial: the model is compiled with its layers in the types `types`, and runs once on each data
 * set. */
typedef struct fv_quant_trial {
    const fv_quant_type *types; /* NULL: the model as it is */
    const char *const *shown;   /* names of values that become outputs after those of the model */
    int nshown;
    int nsets;        /* number of data sets on which it runs */
    const char *what; /* the purpose, for the display of progress */
    /* Gets the outputs of run `set`, the shown values last; they are valid during the call. False
     * after a diagnostic. */
    bool (*take)(void *user, int set, int n, const fv_tensor *outputs);
    void *user;
} fv_quant_trial;

bool fv_quant_try(fv_quantizing *q, const fv_quant_trial *t) FV_MUST_USE;
/* How the layer is quantized to a type. */
fv_quant_how fv_quant_how_of(const fv_quantizing *q, int item, fv_quant_type type);
/* Quantizes the layers of a module that was read and verified, and notes the bits of their weights.
 * False after diagnostics. */
bool fv_quant_apply(fv_quantizing *q, fv_module *m, const fv_quant_type *types) FV_MUST_USE;

/* ---- calibrate.c ---- */

/* Lists the data sets of --calibrate: the folder itself if it is one, otherwise those directly in
 * it. False after a message. */
bool fv_quant_find_sets(fv_quantizing *q, const char *folder) FV_MUST_USE;
/* Measures the ranges of activations on all data sets. False after a message: for instance an
 * activation contains a NaN. */
bool fv_quant_calibrate(fv_quantizing *q, const char *method, double percentile) FV_MUST_USE;

/* ---- range.c ---- */

/* Counts of elements in bins of equal width from lo to hi. */
enum { FV_QUANT_BINS = 2048 };
typedef struct fv_quant_counts {
    double lo, hi;
    uint64_t n, bins[FV_QUANT_BINS];
} fv_quant_counts;
void fv_quant_count(fv_quant_counts *h, const fv_tensor *t, bool magnitudes);
/* The range without the (100 - percent) / 2 percent of elements at each end. */
fv_quant_range fv_quant_percentile(const fv_quant_counts *h, double percent);
/* From counts of magnitudes: the largest magnitude that loses the least information by rounding to
 * `levels` levels (Kullback-Leibler divergence). */
double fv_quant_entropy(const fv_quant_counts *h, int levels);

/* ---- measure.c ---- */

/* Runs the model as it is, and keeps its outputs. False also if there is a budget, but no element
 * by which an error could be measured. */
bool fv_quant_reference(fv_quantizing *q) FV_MUST_USE;
/* The error of the outputs with layers of these types; FV_NOT_MEASURED: the outputs have no element
 * that is a number. */
bool fv_quant_error(fv_quantizing *q, const fv_quant_type *types, const char *what,
                    double *error) FV_MUST_USE;
/* Sets `here` of the layers, for the plan. */
bool fv_quant_measure_layers(fv_quantizing *q) FV_MUST_USE;
/* Sets `alone` of the layers, for all types that are wanted. */
bool fv_quant_measure_alone(fv_quantizing *q) FV_MUST_USE;

/* ---- search.c ---- */

/* Sets the plan to one within the budget: layers stay f32 whose error alone exceeds a threshold,
 * which is the largest that the budget allows. */
bool fv_quant_keep_sensitive(fv_quantizing *q) FV_MUST_USE;
/* Sets the plan to one in which no single layer can become narrower within the budget. */
bool fv_quant_search(fv_quantizing *q) FV_MUST_USE;

/* ---- report.c, chart.c ---- */

bool fv_quant_report(const fv_quantizing *q, const char *out) FV_MUST_USE;
/* Writes a chart of the layers' errors, as SVG. */
bool fv_quant_write_chart(const fv_quantizing *q, const char *path) FV_MUST_USE;
/* The error that the chart draws: that of the model's outputs by the layer alone, if it was
 * measured (--budget), otherwise that of the layer's result. Of a layer that stays f32, the former
 * is for the first type that was asked for. */
double fv_quant_shown_error(const fv_quantizing *q, int item);

#endif
