/* own.h - operators that a session has besides the catalogue's: entries that a script declares, and
 * everybody who looks for an operator by its name finds. */
#ifndef FV_IR_CATALOGUE_OWN_H
#define FV_IR_CATALOGUE_OWN_H

#include "ir/catalogue/op.h"

/* d lives as long as s, and what it is lent to. False after a diagnostic: there is an operator of
 * that name. */
bool fv_op_declare(fv_session *s, const fv_opdef *d) FV_MUST_USE;
/* What is declared in `from` by now is found in s, which does not outlive it. */
void fv_ops_lend(fv_session *s, const fv_session *from);
/* fv_op_find, of what s has declared too. */
const fv_opdef *fv_op_find_in(const fv_session *s, const char *domain, const char *name);
/* By the name that a text has: asserts that it is there. */
const fv_opdef *fv_op_get_in(const fv_session *s, const char *qualified);
/* fv_op_has_domain, the same. */
bool fv_op_has_domain_in(const fv_session *s, const char *domain) FV_MUST_USE;
/* in the order of their declaration; NULL behind the last */
const fv_opdef *fv_op_own(const fv_session *s, int i);

#endif
