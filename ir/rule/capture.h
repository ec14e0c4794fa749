/* capture.h - the meaning of a name in a matched pattern: a value, an attribute, or a list of
 * operands. */
#ifndef FV_IR_RULE_CAPTURE_H
#define FV_IR_RULE_CAPTURE_H

#include "ir/graph/graph.h"

typedef struct fv_capture {
    const char *name;
    fv_value *value;     /* the value; NULL: the name stands for an attribute or a list */
    const fv_attr *attr; /* the attribute; NULL: the name stands for another kind */
    int n;
    fv_value *const *values;
} fv_capture;

#endif
