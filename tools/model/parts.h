/* parts.h - a model that was cut into parts: the folder with a model or a compiled library for each
 * rank and the file parts.json, which lists them; and runs of all ranks, each by a thread of this
 * process or by a process. */
#ifndef FV_TOOLS_MODEL_PARTS_H
#define FV_TOOLS_MODEL_PARTS_H

#include "tools/model/model.h"
#include "tools/model/processes.h"

/* An input or output of which a part has a share, or that only the parts of one stage have. The
 * ranks of a stage are counted from 0 on here: `sizes[r]` elements along the axis, from element
 * `firsts[r]` on, are those of rank r of each stage that has the port. Usually, the shares of all
 * ranks in their order are the input or output of the model; ranks may also have copies of the same
 * elements. */
typedef struct fv_parts_port {
    const char *name;
    bool is_output;
    int axis; /* -1: there are no shares */
    int64_t *sizes, *firsts;
    int stage; /* the stage that has the port; -1: all have it */
    /* of a port that one stage has: its number among the inputs or outputs of the model, and its
     * type and dims in the model */
    int number;
    fv_port_info info;
} fv_parts_port;

/* The content of parts.json. */
typedef struct fv_parts_manifest {
    int ranks;
    int stages; /* rank r belongs to stage r / (ranks / stages) */
    int nports;
    fv_parts_port *ports; /* all other inputs and outputs are whole in each part */
    const char **files;   /* for each rank, the name of its model in the folder */
    /* for each rank, the size and the checksum of its model and weights: other files are refused */
    int64_t *bytes;
    uint64_t *checksums;
    bool compiled; /* whether `fovea compile` has written the parts, not `fovea shard` */
} fv_parts_manifest;

/* The number of ranks of each stage. */
static inline int fv_parts_width(const fv_parts_manifest *parts) {
    return parts->ranks / parts->stages;
}
/* Does that rank have the port? */
static inline bool fv_parts_has(const fv_parts_manifest *parts, const fv_parts_port *port,
                                int rank) {
    return port->stage < 0 || port->stage == rank / fv_parts_width(parts);
}
/* Sets *out to a list of files rankN.onnx, whose sizes and checksums are not known yet. */
void fv_parts_list(fv_context *c, int ranks, int stages, fv_parts_manifest *out);
/* Sets the size and the checksum of a rank's model or library in the folder and of its file of
 * weights, if there is one. False after a message. */
bool fv_parts_measure(fv_context *c, const char *folder, int rank,
                      fv_parts_manifest *parts) FV_MUST_USE;
bool fv_parts_write(fv_context *c, const char *folder, const fv_parts_manifest *parts) FV_MUST_USE;
/* Removes parts.json, and the parts that it lists under names that fv_parts_name gives, with their
 * weights and headers, from the folder, before other parts are written. False after a message. */
bool fv_parts_forget(fv_context *c, const char *folder) FV_MUST_USE;
/* May `fovea compile` replace the parts in the folder: has it written the list there, or is there
 * none? False after a message: they may be parts that only `fovea shard` can make again. */
bool fv_parts_are_compiled(fv_context *c, const char *folder) FV_MUST_USE;
/* Removes a file in the place of the weights of a rank, which another command has left, before its
 * model or library is written: fv_parts_measure would count it. False after a message. */
bool fv_parts_forget_weights(fv_context *c, const char *folder, const fv_parts_manifest *parts,
                             int rank) FV_MUST_USE;
bool fv_parts_read(fv_context *c, const char *folder, fv_parts_manifest *out) FV_MUST_USE;
/* The path of a rank's model. */
const char *fv_parts_path(fv_context *c, const char *folder, const fv_parts_manifest *parts,
                          int rank);
/* Checks that the model of a rank has the size and the checksum that the list states. */
bool fv_parts_check(fv_context *c, const char *folder, const fv_parts_manifest *list,
                    int rank) FV_MUST_USE;
/* Sets the file of a rank to its name with that suffix, such as "rank1.so" for ".so". */
void fv_parts_name(fv_context *c, fv_parts_manifest *parts, int rank, const char *suffix);
/* The states of --state that the part of a rank has: those of all inputs but the ones that only
 * other stages have. NULL terminated. */
const char *const *fv_parts_states(fv_context *c, const fv_parts_manifest *list, int rank);
/* Sets *out to the settings of --dim as all parts take them, NULL terminated: where one names an
 * axis of an input that only some stages have, or whose size differs between ranks, by the symbol
 * that is the size of the axis in the model; that of an axis of this size already is left out.
 * False after a message: the axis has another size, or one that is no symbol. */
bool fv_parts_dims(fv_context *c, const char *folder, const fv_parts_manifest *list,
                   const char *const **out) FV_MUST_USE;
/* Is the path a folder with a file parts.json? */
bool fv_parts_are_in(fv_context *c, const char *path) FV_MUST_USE;

/* False after a message if the path is a folder, where one model is expected. */
bool fv_parts_are_not_in(fv_context *c, const char *path) FV_MUST_USE;

/* The models of the ranks, ready to run: of all ranks, or, where mpirun has started a process for
 * each, of the rank of this process. */
typedef struct fv_parts {
    fv_parts_manifest list;
    int ranks;       /* how many of `all` are open */
    fv_subject *all; /* the models */
    int here;        /* the rank whose inputs are read here: 0, or the rank of this process */
    /* the model as a whole: its inputs, dims and outputs. Its artifact is the one of `here`, which
     * has other dims where there are shares */
    fv_subject whole;
    fv_processes *processes; /* NULL: all ranks are in this process */
    bool has_run;            /* whether a run has succeeded */
} fv_parts;

/* Are the options of the command those that a run of parts takes? False after a usage message. */
bool fv_parts_options_fit(fv_context *c) FV_MUST_USE;

/* Opens the model at a path: fv_subject_open, or with more options. */
typedef bool fv_open_part(fv_context *c, const char *path, fv_backend_kind backend,
                          fv_subject *out);

/* Opens the parts in the folder, each by `open`. False after messages. *out must be closed, also
 * after a failure. */
bool fv_parts_open(fv_context *c, const char *folder, fv_backend_kind backend, fv_open_part *open,
                   fv_parts *out) FV_MUST_USE;

/* What a rank does while the others do the same, with these options for its runs. Returns FV_OK, or
 * a status after a message. */
typedef int fv_parts_work(void *user, int rank, const fv_run_options *o, fv_log *log);

/* Calls `work` for all ranks at the same time, each by a thread, the one of `here` by this one, and
 * returns when all have ended; or for the rank of this process. Each rank first gets its shares of
 * the inputs of `whole` that have data. Returns FV_OK, or the status of a rank after messages. */
int fv_parts_do(fv_context *c, fv_parts *p, fv_parts_work *work, void *user) FV_MUST_USE;
/* Runs all ranks, or the one of this process, once on the inputs of `whole`, which gets the
 * outputs. Returns the status of the run, after messages if it is not FV_OK. */
int fv_parts_run(fv_context *c, fv_parts *p) FV_MUST_USE;
/* Where mpirun has started several processes: if the last run of this one has failed, or it has not
 * run, prints the messages, ends all processes, and does not return; otherwise, only the process of
 * rank 0 keeps its messages. */
void fv_parts_close(fv_context *c, fv_parts *p);

#endif
