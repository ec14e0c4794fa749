/* capture.h - what a name of a pattern stands for. */
#ifndef FV_IR_RULE_CAPTURE_H
#define FV_IR_RULE_CAPTURE_H

#include "ir/graph/graph.h"

typedef struct fv_capture {
    const char *name;
    fv_value *value;     /* or: */
    const fv_attr *attr; /* or, of `name..`: */
    int n;
    fv_value *const *values;
} fv_capture;

#endif
