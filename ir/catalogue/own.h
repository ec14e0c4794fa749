/* own.h - operators that a session has in addition to the catalogue: scripts declare them. Lookups
 * that get the session find them, too. */
#ifndef FV_IR_CATALOGUE_OWN_H
#define FV_IR_CATALOGUE_OWN_H

#include "ir/catalogue/op.h"

/* Declares an operator; d must live as long as s and the sessions that borrow from it. False after
 * a diagnostic if the name is taken. */
bool fv_op_declare(fv_session *s, const fv_opdef *d) FV_MUST_USE;
/* Makes the operators that `from` has declared so far available in s, which must not outlive
 * `from`. */
void fv_ops_lend(fv_session *s, const fv_session *from);
/* Like fv_op_find, but also finds operators that s has declared. */
const fv_opdef *fv_op_find_in(const fv_session *s, const char *domain, const char *name);
/* Like fv_op_get, but also finds operators that s has declared. */
const fv_opdef *fv_op_get_in(const fv_session *s, const char *qualified);
/* Like fv_op_has_domain, but also looks at operators that s has declared. */
bool fv_op_has_domain_in(const fv_session *s, const char *domain) FV_MUST_USE;
/* Writes all operators, of the catalogue and of the session, in no order; out NULL: nothing is
 * written. Returns their number. */
int fv_op_all(const fv_session *s, const fv_opdef **out);

#endif
