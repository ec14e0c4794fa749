/* narrow.h - conversions of vectors of integers to fewer bits, by instructions of x86. */
#ifndef FV_BACKEND_C_NARROW_H
#define FV_BACKEND_C_NARROW_H

#include "backend/c/internal.h"

/* The expression of `lanes` lanes of type `to` with the low bits of the integers $a of type `from`;
 * NULL: the compiler's own conversion is used. */
const char *fv_c_narrowing(fv_cg *g, fv_elem from, fv_elem to, int lanes);

#endif
