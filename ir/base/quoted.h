/* quoted.h - names and strings as text: what people see of them, and the form of our own texts,
 * with the one reader of that form. Names come from files that nobody vouches for: any byte may be
 * in them.
 *
 * Needs nothing but libc: the library that runs models reads the same texts. */
#ifndef FV_IR_BASE_QUOTED_H
#define FV_IR_BASE_QUOTED_H

#include <stdbool.h>
#include <stddef.h>

#include "ir/base/answer.h"

enum { FV_LONGEST_ESCAPE = 16 }; /* of one character: four bytes as \xNN */

/* Bytes of the character at s, of which n > 0 are there. *shows: does it stand for itself on a
 * terminal and in a document? Not controls, line ends, what cannot be seen or changes the direction
 * of what is around it, nor a byte that is no UTF-8. */
size_t fv_char_bytes(const char *s, size_t n, bool *shows);

/* Are these bytes UTF-8, the shortest form only, without surrogates? */
bool fv_is_utf8(const char *s, size_t n) FV_MUST_USE;

/* Writes the character at s, of `bytes`, with escapes where it does not show: \n, \xNN of each
 * byte. The `quote` and the backslash are escaped, too; quote 0: for people, the backslash stays,
 * and what has been escaped stays as it is. Returns the bytes written, at most
 * FV_LONGEST_ESCAPE. */
size_t fv_char_escape(char out[FV_LONGEST_ESCAPE], const char *s, size_t bytes, bool shows,
                      char quote);

/* Reads one escape, whose backslash stands before s. Returns its bytes without the backslash; 0:
 * none. */
size_t fv_char_unescape(const char *s, char *out);

/* Reads what stands between quotes: s is behind the first one, `out` has room for strlen(s) bytes,
 * or is NULL. Returns where it stopped: at the closing quote, else at a line end, the end of the
 * text or the backslash of an escape that is none. *n: bytes read. */
const char *fv_quoted_read(const char *s, char quote, char *out, size_t *n);
/* Is `name` what stands between the quotes? Allocates nothing. */
bool fv_quoted_is(const char *s, char quote, const char *name) FV_MUST_USE;

#endif
