/* ops.h - what the files of ir/ops share: the arrays of entries. */
#ifndef FV_IR_OPS_OPS_H
#define FV_IR_OPS_OPS_H

#include "ir/catalogue/op.h"

#define FAMILY(name) extern const fv_opdef fv_ops_##name[];
#include "ir/ops/families.def"
#undef FAMILY

#endif
