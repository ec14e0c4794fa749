/* ops.h - declares the arrays of entries of the files of ops. */
#ifndef FV_OPS_OPS_H
#define FV_OPS_OPS_H

#include "ir/catalogue/op.h"

#define FAMILY(name) extern const fv_opdef fv_ops_##name[];
#include "ops/families.def"
#undef FAMILY

#endif
