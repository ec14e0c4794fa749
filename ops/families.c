/* families.c - the list of the families of operators, and of the texts of their expansions. */
#include "ir/rule/body.h"
#include "ops/ops.h"

const fv_opdef *const fv_op_families[] = {
#define FAMILY(name) fv_ops_##name,
#include "ops/families.def"
#undef FAMILY
    NULL};

#define BODIES(name) extern const char *const fv_bodies_##name;
#include "ops/bodies.def"
#undef BODIES

const char *const *const fv_body_texts[] = {
#define BODIES(name) &fv_bodies_##name,
#include "ops/bodies.def"
#undef BODIES
    NULL};
