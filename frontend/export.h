/* export.h - graph IR becomes an ONNX model.
 *
 * A model consists of the standard's operators and those of other domains: the pass `spell` makes
 * them of ours. It says the lowest opset that has what is used, so that most runtimes read it. What
 * an ONNX model cannot say is left out: bounds of symbols, what is assumed of them, and which
 * outputs are inputs of the next run. */
#ifndef FV_FRONTEND_EXPORT_H
#define FV_FRONTEND_EXPORT_H

#include <stdio.h>

#include "ir/graph/graph.h"

typedef enum {
    FV_EXPORT_AUTO, /* in a file next to the model if they are more than FV_EXPORT_LARGE bytes */
    FV_EXPORT_INSIDE,
    FV_EXPORT_EXTERNAL
} fv_export_weights;

#define FV_EXPORT_LARGE                                                                            \
    (UINT64_C(1) << 30) /* bytes of weights that lie in the model itself by default */
#define FV_EXPORT_MOST (UINT64_C(0x7fffffff)) /* bytes that a protobuf message may have */
#define FV_EXPORT_SMALL                                                                            \
    1024 /* bytes of a constant that always stays in the model, as those of shapes */

typedef struct fv_export_options {
    fv_export_weights weights;
    /* the name of the file of weights next to the model, without folder; NULL: such a file cannot
     * be written */
    const char *side;
} fv_export_options;

/* an ONNX model that can be written; tensors stay where the module has them */
typedef struct fv_export fv_export;

/** Makes an ONNX model of a graph.
 *  a  holds it; the module must outlive it
 *  m  of the standard's operators and those of other domains: after the passes `spell` and
 *     `remove-dead`
 *  Returns the model; NULL after a diagnostic: an op of ours, a name that is no UTF-8 or is there
 *     twice, more than 2 GiB
 *  in one file. Out of memory leaves by the session's door. */
fv_export *fv_onnx_export(fv_session *s, fv_arena *a, const fv_module *m,
                          const fv_export_options *options);

/* Are weights written to a separate file? */
bool fv_export_has_side(const fv_export *e) FV_MUST_USE;
/* Write the model, and the file of weights. False with errno set. */
bool fv_export_put(const fv_export *e, FILE *f) FV_MUST_USE;
bool fv_export_put_side(const fv_export *e, FILE *f) FV_MUST_USE;

/* The lowest version of a domain's operators ("": the standard's) that has what the module uses,
 * and the IR version that came with one of the standard's (export_opset.c). */
int fv_export_opset(const fv_module *m, const char *domain);
int fv_export_ir_version(int opset);
/* The last operand of the op, a constant, that is an attribute in this opset, and its name; -1:
 * none is. */
int fv_export_moved(const fv_op *op, int opset, const char **attribute);

#endif
