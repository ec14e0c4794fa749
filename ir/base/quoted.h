/* quoted.h - escapes for names and strings: how they are shown to people, how they are written in
 * our text formats, and the reader of that notation. Names come from untrusted files and may
 * contain any byte.
 *
 * Depends on libc only, since the library that runs models uses it, too. */
#ifndef FV_IR_BASE_QUOTED_H
#define FV_IR_BASE_QUOTED_H

#include <stdbool.h>
#include <stddef.h>

#include "ir/base/answer.h"

enum { FV_LONGEST_ESCAPE = 16 }; /* bytes of one escaped character: four times \xNN */

/* Length in bytes of the character at s, of which n > 0 bytes are readable. *shows is set to
 * whether a terminal or document shows the character itself: false for control characters, line
 * ends, invisible characters, characters that change the direction of text, and bytes that are not
 * UTF-8. */
size_t fv_char_bytes(const char *s, size_t n, bool *shows);

/* Are the n bytes valid UTF-8: shortest forms only, no surrogates? */
bool fv_is_utf8(const char *s, size_t n) FV_MUST_USE;

/* Writes the character at s, `bytes` long, to `out`; if it does not show (see fv_char_bytes), as \n
 * or as \xNN for each byte. The character `quote` and the backslash get a backslash in front. With
 * quote 0 the text is for people: backslashes are written as they are, so that a text which already
 * contains escapes is not escaped again. Returns the number of bytes written, at most
 * FV_LONGEST_ESCAPE. */
size_t fv_char_escape(char out[FV_LONGEST_ESCAPE], const char *s, size_t bytes, bool shows,
                      char quote);

/* Reads one escape; s points to the character after the backslash. Returns the number of bytes read
 * from s; 0: it is not a known escape. */
size_t fv_char_unescape(const char *s, char *out);

/* Reads the content of a quoted string; s points to the character after the opening quote. `out` is
 * NULL or has room for strlen(s) bytes; *n is set to the number of bytes written. Returns where
 * reading stopped: at the closing quote, or, if the text is malformed, at a line end, at the end of
 * the text, or at the backslash of an unknown escape. */
const char *fv_quoted_read(const char *s, char quote, char *out, size_t *n);
/* Is the content of the quoted string at s (after its opening quote) equal to `name`? Does not
 * allocate. */
bool fv_quoted_is(const char *s, char quote, const char *name) FV_MUST_USE;

#endif
