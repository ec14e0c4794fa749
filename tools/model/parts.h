/* parts.h - a model that was cut into parts: the folder with an ONNX model for each rank and the
 * file parts.json, which lists them; and runs of all ranks in this process, each by a thread. */
#ifndef FV_TOOLS_MODEL_PARTS_H
#define FV_TOOLS_MODEL_PARTS_H

#include "tools/model/model.h"

/* The content of parts.json. */
typedef struct fv_parts_manifest {
    int ranks;
    const char **files; /* of each rank the name of its model in the folder */
    int64_t *bytes;     /* the sizes of these files and of their weights, to notice other parts */
} fv_parts_manifest;

/* The size of a model's file and of its file of weights, if there is one. False after a message. */
bool fv_parts_measure(fv_context *c, const char *path, int64_t *bytes) FV_MUST_USE;
bool fv_parts_write(fv_context *c, const char *folder, const fv_parts_manifest *parts) FV_MUST_USE;
/* Removes the file from the folder, so that it does not list parts that are being replaced. False
 * after a message. */
bool fv_parts_forget(fv_context *c, const char *folder) FV_MUST_USE;
/* Is the path a folder with a file parts.json? */
bool fv_parts_are_in(fv_context *c, const char *path) FV_MUST_USE;

/* The models of all ranks, ready to run. */
typedef struct fv_parts {
    int ranks;
    fv_subject *all; /* those after the first one have its inputs */
} fv_parts;

/* False after messages. Must be closed, also after a failure. */
bool fv_parts_open(fv_context *c, const char *folder, fv_backend_kind backend,
                   fv_parts *out) FV_MUST_USE;
/* Runs all ranks at the same time on the inputs of the first one, and returns when all have ended.
 * Returns the status of the run, after messages if it is not FV_OK. */
int fv_parts_run(fv_context *c, fv_parts *p) FV_MUST_USE;
void fv_parts_close(fv_parts *p);

#endif
