/* device.h - the memory and time that a model takes on a microcontroller, before it is written. */
#ifndef FV_TOOLS_MODEL_DEVICE_H
#define FV_TOOLS_MODEL_DEVICE_H

#include "ir/kernel/program.h"
#include "tools/command/command.h"

typedef struct fv_device {
    /* the C compiler whose object has these bytes of code, tables and stack; NULL: there is none
     * for the target, and they are estimates */
    const char *compiler;
    int64_t code, tables, weights; /* bytes in the flash; tables: constants besides the weights */
    int64_t workspace, stack;      /* bytes of RAM */
    double operations;             /* on floats, as fovea inspect counts them */
    double cycles;                 /* an estimate by the cost model; 0: not known */
} fv_device;

/* Finds the numbers of a program that was lowered and not expanded, for dims[p->symbols.n]; expands
 * the program. If the C compiler of the target is not installed, estimates stay; if it is, but
 * cannot be used, a note says so as well. False: the workspace for these dims is not known. */
bool fv_device_of(fv_context *c, fv_program *p, const int64_t *dims, fv_device *out) FV_MUST_USE;

#endif
