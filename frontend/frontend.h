/* frontend.h - reads model files into graph IR. */
#ifndef FV_FRONTEND_FRONTEND_H
#define FV_FRONTEND_FRONTEND_H

#include "ir/graph/graph.h"

typedef struct fv_import_options {
    /* What is known about dims, in the syntax of the option --dim:
     *   "seq=128"       fixes the symbol
     *   "seq=1..512"    bounds it
     *   "INPUT:AXIS=N"  fixes a dim of one input; if that dim is a symbol, the symbol everywhere
     * A dim without a name in the model is called INPUT_AXIS ("x_0"). */
    const char *const *dims;
    int ndims;
    /* Whether departures from the standard whose meaning is unambiguous are errors; otherwise a few
     * warnings report them, and docs/cli.md lists them. */
    bool strict;
    /* Whether weights are not read, because the model is only inspected: the module's source_hash
     * is "", external data counts as having the required size, and no checksum is compared. */
    bool without_weights;
    /* Whether the module's source_hash is "", since computing it reads all weights once. */
    bool without_hash;
} fv_import_options;

/** Reads an ONNX model into graph IR.
 *   path     the model file; it is mapped as long as the module lives, large tensors point into it
 *            (and may then be less aligned than their elements, see frontend/tensor_proto.h)
 *   options  NULL: none
 *  Returns the module, whose first function is the model's graph at the newest opset: typed, model-
 *  local functions inlined, older operators upgraded, initializers and Constant nodes as constants.
 *  NULL after diagnostics, one for everything that is not supported.
 *
 *  An initializer that is listed as an input too (as IR versions below 4 require) is a constant.
 *  Later messages begin with `path` (fv_diag_file). External data is read from the model's folder
 *  only. Out of memory leaves by the session's door. */
fv_module *fv_onnx_import(fv_session *s, const char *path, const fv_import_options *options);

/** The same for a model in memory.
 *   data, size  the bytes, which must outlive the module: its tensors point into them
 *   folder      the folder of external data; NULL: a model with external data is refused
 *   name        the name of the module */
fv_module *fv_onnx_import_bytes(fv_session *s, const void *data, size_t size, const char *folder,
                                const char *name, const fv_import_options *options);

#endif
