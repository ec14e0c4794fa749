/* tuning.h - a tuning: schedules for the kernels of a model, as the text that `fovea tune` writes
 * and --tuning reads.
 *
 *     fovea-tuning 1
 *     model "f0e1..."                                     hash of the model that was tuned
 *     producer "fovea 0.1.0"
 *     target "native (x86-64-v4)"
 *     cpu "GenuineIntel family 6 model 85 stepping 7"     the CPU on which it was measured
 *     kernel "0123456789abcdef" contract {rows = 8, columns = 48}     # a note for people
 *     end
 *
 * The key of a kernel is a hash of its definition, without literals of floats and without names
 * other than those of symbols. */
#ifndef FV_IR_SCHEDULE_TUNING_H
#define FV_IR_SCHEDULE_TUNING_H

#include "ir/schedule/schedule.h"

enum {
    FV_TUNING_FORMAT = 1,
    FV_KERNEL_KEY = 16 /* FV_KERNEL_KEY: number of characters in the key of a kernel */
};

typedef struct fv_tuned_kernel {
    const char *key; /* the key that selects kernels; NULL: `node` selects them */
    /* selects the kernels with that schedule that compute the value of that name or come from the
     * ONNX node of that name; "": all kernels with that schedule. Only scripts set it; a tuning
     * file has keys */
    const char *node;
    /* further conditions, which only scripts set: the form of the definition that the kernel
     * computes (ir/definition/form.h), and the layout that its constant operand has to have; NULL:
     * any */
    const char *form;
    const struct fv_layout *layout;
    fv_schedule schedule; /* the schedule; naive: the selected kernels are built as serial loops */
    /* a note that is printed after the entry, for readers of the file; NULL: there is none */
    const char *note;
    int line, column; /* position of the key in the text; 0: the entry was not read from a text */
    fv_schedule_places places; /* positions of the parameters in the text */
} fv_tuned_kernel;

typedef struct fv_tuning {
    /* the path of the file, for messages; NULL: the tuning was not read from a file */
    const char *path;
    const char *model, *producer, *target, *cpu;
    struct {
        int line, column;
    } at_model, at_producer, at_target, at_cpu;
    int n;
    /* the entries; keys are unique, and of two entries with the same `node` the last one applies */
    fv_tuned_kernel *kernels;
} fv_tuning;

/* Parses a text, whose file is the current one of the session (fv_diag_file). NULL after a
 * diagnostic with line and column. */
fv_tuning *fv_tuning_parse(fv_session *s, fv_arena *a, const char *text);
void fv_tuning_print(fv_text *t, const fv_tuning *u);
/* The entry with that key; NULL: there is none. */
const fv_tuned_kernel *fv_tuning_find(const fv_tuning *u, const char *key);

#endif
