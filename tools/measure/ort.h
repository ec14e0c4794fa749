/* ort.h - runs a model in ONNX Runtime, for comparison. The library is loaded when it is needed;
 * Fovea is not linked with it.
 *
 *   fv_ort *o = fv_ort_open(c, "libonnxruntime.so", "model.onnx", 2);
 *   fv_ort_bind(o, table, inputs) && fv_ort_run(o) ... fv_ort_output(o, 0, &array)
 *   fv_ort_close(o) */
#ifndef FV_TOOLS_MEASURE_ORT_H
#define FV_TOOLS_MEASURE_ORT_H

#include "tools/command/command.h"

typedef struct fv_ort fv_ort;

/* Opens the library, and the model in it. NULL after a message: the library does not exist, is not
 * ONNX Runtime, or refuses the model. */
fv_ort *fv_ort_open(fv_context *c, const char *library, const char *model, int threads);
void fv_ort_close(fv_ort *o); /* does nothing if o is NULL */
/* name and version of the library, "onnxruntime 1.30.0" */
const char *fv_ort_name(const fv_ort *o);
double fv_ort_load_ms(const fv_ort *o); /* milliseconds of opening the model */

/* Binds inputs and outputs by the names in Fovea's table of the model; the arrays must stay valid.
 * False after a message. */
bool fv_ort_bind(fv_ort *o, const fv_model *table, const fv_array *inputs) FV_MUST_USE;
/* Runs the model once; overwrites the outputs of the previous run. False after a message. */
bool fv_ort_run(fv_ort *o) FV_MUST_USE;
/* Gets an output of the last run, which owns the data. False after a message. */
bool fv_ort_output(fv_ort *o, int i, fv_array *out) FV_MUST_USE;

#endif
