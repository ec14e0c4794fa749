/* upgrade.h - upgrades of ops from older versions to the newest that several families use. */
#ifndef FV_OPS_COMMON_UPGRADE_H
#define FV_OPS_COMMON_UPGRADE_H

#include "ir/graph/graph.h"

/* Replaces `broadcast` and `axis` of versions before opset 7. */
bool fv_upgrade_broadcast(fv_op *op, int version) FV_MUST_USE;
/* Converts an attribute that became operand `in` to a constant operand, of integers or of a
 * float. */
bool fv_upgrade_attr_to_ints(fv_op *op, const char *attr, int in) FV_MUST_USE;
/* For an upgrade that builds other ops: the op becomes an Identity of their result v. */
bool fv_upgrade_replace(fv_op *op, fv_value *v) FV_MUST_USE;
bool fv_upgrade_attr_to_float(fv_op *op, const char *attr, int in) FV_MUST_USE;

#endif
