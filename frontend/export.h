/* export.h - converts graph IR to an ONNX model.
 *
 * The graph must consist of operators of the standard and of other domains than `fv`; the pass
 * `spell` replaces those of `fv`. The model requires the lowest opset that has all operators used,
 * so that most runtimes can read it. What ONNX cannot express is left out: bounds of symbols,
 * assumptions about them, and which outputs are inputs of the next run. */
#ifndef FV_FRONTEND_EXPORT_H
#define FV_FRONTEND_EXPORT_H

#include <stdio.h>

#include "frontend/sharding.h"
#include "ir/graph/graph.h"

typedef enum {
    FV_EXPORT_AUTO, /* in a file next to the model if they are more than FV_EXPORT_LARGE bytes */
    FV_EXPORT_INSIDE,
    FV_EXPORT_EXTERNAL
} fv_export_weights;

/* if weights have more bytes than this, they are stored in a separate file by default */
#define FV_EXPORT_LARGE (UINT64_C(1) << 30)
#define FV_EXPORT_MOST  (UINT64_C(0x7fffffff)) /* size limit in bytes of a protobuf message */
/* constants of at most that many bytes stay in the model in any case, for instance shapes */
#define FV_EXPORT_SMALL 1024

typedef struct fv_export_options {
    fv_export_weights weights;
    /* the name of the file of weights next to the model, without folder; NULL: no such file can be
     * written */
    const char *side;
    const fv_shardings *shardings; /* NULL, or how tensors are shared among devices */
} fv_export_options;

/* an ONNX model ready to be written; its tensors point into the module */
typedef struct fv_export fv_export;

/** Makes an ONNX model of a graph.
 *   a  the arena of the result; the module must outlive it
 *   m  the module, of operators of the standard and of other domains than `fv`: after the passes
 *      `spell` and `remove-dead`
 *  Returns the model; NULL after a diagnostic: an operator of `fv`, a name that is not UTF-8 or
 *  occurs twice, or more than 2 GiB in one file. Out of memory leaves by the session's door. */
fv_export *fv_onnx_export(fv_session *s, fv_arena *a, const fv_module *m,
                          const fv_export_options *options);

/* Are weights written to a separate file? */
bool fv_export_has_side(const fv_export *e) FV_MUST_USE;
/* Write the model, and the file of weights. False with errno set. */
bool fv_export_put(const fv_export *e, FILE *f) FV_MUST_USE;
bool fv_export_put_side(const fv_export *e, FILE *f) FV_MUST_USE;

/* The lowest version of a domain's operators ("" for the standard) that has what the module uses,
 * and the IR version that was released with an opset of the standard (export_opset.c). */
int fv_export_opset(const fv_module *m, const char *domain);
int fv_export_ir_version(int opset);
/* The index of the op's last operand that is a constant and an attribute in this opset, and the
 * name of that attribute; -1 if there is none. */
int fv_export_moved(const fv_op *op, int opset, const char **attribute);

#endif
