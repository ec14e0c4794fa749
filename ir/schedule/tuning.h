/* tuning.h - schedules for the kernels of a model, as a text: what `fovea tune` writes, and
 * --tuning reads.
 *
 *     fovea-tuning 1
 *     model "f0e1..."                                     hash of the model it was made for
 *     producer "fovea 0.1.0"
 *     target "native (x86-64-v4)"
 *     cpu "GenuineIntel family 6 model 85 stepping 7"     on which it was measured
 *     kernel "0123456789abcdef" contract {rows = 8, columns = 48}     # for people
 *     end
 *
 * A kernel is known by a hash of what it computes: of its definition, without names and
 * literals. */
#ifndef FV_IR_SCHEDULE_TUNING_H
#define FV_IR_SCHEDULE_TUNING_H

#include "ir/schedule/schedule.h"

enum { FV_TUNING_FORMAT = 1, FV_KERNEL_KEY = 16 /* characters */ };

typedef struct fv_tuned_kernel {
    const char *key; /* NULL: the kernels that `node` says */
    /* those that store a value of that name or come from that ONNX node, and have that schedule;
     * "": all that have it. Of scripts: in a text kernels have keys */
    const char *node;
    fv_schedule schedule;      /* naive: they are made of serial loops instead */
    const char *note;          /* for people, printed only; NULL: none */
    int line, column;          /* of the key; 0: it was not read */
    fv_schedule_places places; /* of the parameters */
} fv_tuned_kernel;

typedef struct fv_tuning {
    const char *path; /* that messages speak of; NULL: it was not read */
    const char *model, *producer, *target, *cpu;
    struct {
        int line, column;
    } at_model, at_producer, at_target, at_cpu;
    int n;
    fv_tuned_kernel *kernels; /* no key twice; of those with a node the last counts */
} fv_tuning;

/* NULL after a diagnostic with line and column; the session's file is the text's. */
fv_tuning *fv_tuning_parse(fv_session *s, fv_arena *a, const char *text);
void fv_tuning_print(fv_text *t, const fv_tuning *u);
/* What it says of the kernel with that key; NULL: nothing. */
const fv_tuned_kernel *fv_tuning_find(const fv_tuning *u, const char *key);

#endif
