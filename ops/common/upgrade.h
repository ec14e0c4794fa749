/* upgrade.h - older versions of ops to the newest: what families share. */
#ifndef FV_OPS_COMMON_UPGRADE_H
#define FV_OPS_COMMON_UPGRADE_H

#include "ir/graph/graph.h"

/* upgrades that families share */
/* `broadcast`, `axis` before opset 7 */
bool fv_upgrade_broadcast(fv_op *op, int version) FV_MUST_USE;
/* became operand `in` */
bool fv_upgrade_attr_to_ints(fv_op *op, const char *attr, int in) FV_MUST_USE;
/* The op becomes an Identity of v: an upgrade that needs other ops altogether. */
bool fv_upgrade_replace(fv_op *op, fv_value *v) FV_MUST_USE;
bool fv_upgrade_attr_to_float(fv_op *op, const char *attr, int in) FV_MUST_USE;

#endif
