/* families.c - the families of operators, one file each. */
#include "ops/ops.h"

const fv_opdef *const fv_op_families[] = {
#define FAMILY(name) fv_ops_##name,
#include "ops/families.def"
#undef FAMILY
    NULL};
