/* index.h - an index of rules by the operator that they match and by the operators of its
 * operands. */
#ifndef FV_IR_RULE_INDEX_H
#define FV_IR_RULE_INDEX_H

#include "ir/rule/rule.h"

typedef struct fv_rule_index fv_rule_index;

/* An index of n rules, which must outlive it. */
fv_rule_index *fv_rule_index_new(fv_arena *a, const fv_rule *rules, int n);
/* The first rule after number `after` (-1: the first of all) that may match at op; -1: there is
 * none. Rules that are skipped cannot match, except that a rule with a number as an operand is
 * skipped where that operand is a reshaped or transposed constant. */
int fv_rule_index_next(const fv_rule_index *x, const fv_op *op, int after);

#endif
