/* definitions_verify_over.h - verifies results that are stored in the memory of an input. */
#ifndef FV_IR_DEFINITION_DEFINITIONS_VERIFY_OVER_H
#define FV_IR_DEFINITION_DEFINITIONS_VERIFY_OVER_H

#include "ir/definition/definitions_verify_parts.h"

/* The number of the result that an fv.Extend stores in the memory of a parameter, or will store
 * there; -1: there is none. */
int fv_dv_result_over(const fv_verifier *v, const fv_value *param);
/* The result that is assembled in the memory of this parameter, so that its parts are stored
 * there; NULL: there is none. */
const fv_defined *fv_dv_assembled_over(const fv_verifier *v, const fv_value *x);
/* Is the value written by a custom kernel into the memory of an input? */
bool fv_dv_is_written(const fv_defined *d) FV_MUST_USE;
/* The number of elements along `axis` that may be read from a value: for a state with spare
 * capacity, the number that callers see, but fv.Extend itself may read all of the memory; for a
 * value with space between its rows, the number in a row. */
const fv_dim *fv_dv_readable(const fv_verifier *v, const fv_value *from, int axis);
/* Checks the results and inputs of which callers see a part. */
bool fv_dv_ports(fv_verifier *v, const fv_op *ret) FV_MUST_USE;
/* Checks a result assembled in the memory of an input: the input's elements and the parts are
 * together what callers see of the result; or a custom kernel updates the input, which nothing else
 * reads. */
bool fv_dv_over(fv_verifier *v) FV_MUST_USE;

#endif
