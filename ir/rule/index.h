/* index.h - which of many rules can match at an op, told by what it is and what its operands
 * are. */
#ifndef FV_IR_RULE_INDEX_H
#define FV_IR_RULE_INDEX_H

#include "ir/rule/rule.h"

typedef struct fv_rule_index fv_rule_index;

/* Of these n rules, which must outlive it, in the arena. */
fv_rule_index *fv_rule_index_new(fv_arena *a, const fv_rule *rules, int n);
/* The first rule behind number `after` (-1: of all) that may match at op; -1: there is none. All
 * that match are among them. */
int fv_rule_index_next(const fv_rule_index *x, const fv_op *op, int after);

#endif
