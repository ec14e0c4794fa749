/* parts.h - a model that was cut into parts: the folder with an ONNX model for each rank and the
 * file parts.json, which lists them; and runs of all ranks in this process, each by a thread. */
#ifndef FV_TOOLS_MODEL_PARTS_H
#define FV_TOOLS_MODEL_PARTS_H

#include "tools/model/model.h"
#include "tools/model/processes.h"

/* The content of parts.json. */
typedef struct fv_parts_manifest {
    int ranks;
    const char **files; /* for each rank, the name of its model in the folder */
    /* for each rank, the size and the checksum of its model and weights: other files are refused */
    int64_t *bytes;
    uint64_t *checksums;
} fv_parts_manifest;

/* Sets *out to a list of files rankN.onnx, whose sizes and checksums are not known yet. */
void fv_parts_list(fv_context *c, int ranks, fv_parts_manifest *out);
/* Sets the size and the checksum of a rank's model in the folder and of its file of weights, if
 * there is one. False after a message. */
bool fv_parts_measure(fv_context *c, const char *folder, int rank,
                      fv_parts_manifest *parts) FV_MUST_USE;
bool fv_parts_write(fv_context *c, const char *folder, const fv_parts_manifest *parts) FV_MUST_USE;
/* Removes parts.json, and the parts that it lists under the names of fv_parts_list, from the
 * folder, before other parts are written. False after a message. */
bool fv_parts_forget(fv_context *c, const char *folder) FV_MUST_USE;
/* Is the path a folder with a file parts.json? */
bool fv_parts_are_in(fv_context *c, const char *path) FV_MUST_USE;

/* False after a message if the path is a folder, where one model is expected. */
bool fv_parts_are_not_in(fv_context *c, const char *path) FV_MUST_USE;

/* The models of the ranks, ready to run: of all ranks, or, where mpirun has started a process for
 * each, of the rank of this process. */
typedef struct fv_parts {
    int ranks;
    fv_subject *all; /* the models; all but the first one use the inputs of the first one */
    int here;        /* the rank whose inputs are read here: 0, or the rank of this process */
    fv_processes *processes; /* NULL: all ranks are in this process */
    bool has_run;            /* whether a run has succeeded */
} fv_parts;

/* Opens the parts in the folder. False after messages. *out must be closed, also after a
 * failure. */
bool fv_parts_open(fv_context *c, const char *folder, fv_backend_kind backend,
                   fv_parts *out) FV_MUST_USE;
/* Runs all ranks at the same time on the inputs of the first one, and returns when all have ended;
 * or runs the rank of this process, on its own inputs. Returns the status of the run, after
 * messages if it is not FV_OK. */
int fv_parts_run(fv_context *c, fv_parts *p) FV_MUST_USE;
/* Where mpirun has started several processes: if the last run of this one has failed, or it has not
 * run, prints the messages, ends all processes, and does not return; otherwise, only the process of
 * rank 0 keeps its messages. */
void fv_parts_close(fv_context *c, fv_parts *p);

#endif
