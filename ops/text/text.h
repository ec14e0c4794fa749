/* text.h - what a tensor of strings is made of, once it is taken apart.
 *
 * Kernels know numbers alone. So the bytes of strings lie in one tensor, `text`, and another,
 * `spans`, has the place of each string: where it begins, FV_SPAN_BITS further up, and how many
 * bytes it has; 0 is the empty string. Who moves strings moves spans, with the ops and kernels that
 * move integers, and shares the text. Who makes new text makes a new one. A fv.Strings stands for
 * the value where it is made; who reads the value reads its parts.
 *
 * Text is UTF-8, without zeros at the ends of strings. What callers of a model give and get has no
 * spans but `ends`: strings lie one behind the other, and this is where each one ends. The run
 * checks what they give. */
#ifndef FV_OPS_TEXT_TEXT_H
#define FV_OPS_TEXT_TEXT_H

#include "ir/graph/rewriter.h"

enum { FV_SPAN_BITS = 23 }; /* of a size: FV_MAX_STRING is the largest */
enum { FV_PART_TEXT, FV_PART_SPANS, FV_PART_ENDS = FV_PART_SPANS, FV_TEXT_PARTS };

extern const char *const fv_text_kernels; /* text.fvk */

typedef struct fv_strings {
    fv_value *text, *spans; /* u8[bytes], i64[of the dims of the strings] */
} fv_strings;

/* "x.text", "x.ends": what the parts of an input or output x are called. */
const char *fv_text_part_name(fv_arena *a, const char *name, int part);
bool fv_type_is_strings(const fv_type *t) FV_MUST_USE; /* a tensor of them */

/* Is it UTF-8, and not too long? False after a diagnostic, which says what it is. */
bool fv_string_fits(const fv_op *op, const char *what, fv_string s) FV_MUST_USE;
/* The parts of v, a constant or what is taken apart; false after a diagnostic about op, which reads
 * it. */
bool fv_strings_of(const fv_op *op, const fv_value *v, fv_strings *parts) FV_MUST_USE;
/* A value that has these parts; NULL where one is. */
fv_value *fv_w_strings(fv_rewriter *w, fv_strings parts);
/* All of them get one text, which has the text of each. */
void fv_w_share_text(fv_rewriter *w, int n, fv_strings *all);

/* Does op move tensors of strings, or read or make them? Those of sequences and optionals are the
 * matter of their expansions. */
bool fv_op_has_strings(const fv_op *op) FV_MUST_USE;
/* Replaces such an op by work on the parts. False after a diagnostic. */
bool fv_op_rewrite_strings(fv_op *op) FV_MUST_USE;

/* ---- for expansions ---- */

fv_value *fv_w_sizes(fv_rewriter *w, fv_value *spans);                   /* bytes of each */
fv_value *fv_w_spans(fv_rewriter *w, fv_value *starts, fv_value *sizes); /* of places in a text */
/* The text of these strings, one behind the other; `bytes` of it are bound to that name. `sizes` is
 * a vector. */
fv_value *fv_w_copy_text(fv_rewriter *w, fv_strings s, fv_value *sizes, const char *name);

/* The run checks that strings of these sizes, a vector, may be. */
void fv_w_limit_sizes(fv_rewriter *w, fv_value *sizes, const char *why);
/* Strings of type t, each of the bytes of as many of s as there are for each of them, one behind
 * the other; `sizes` is a vector. */
fv_value *fv_w_new_strings(fv_rewriter *w, fv_strings s, fv_value *sizes, const fv_type *t);

/* The automaton of a regular expression (regex.h) as constants: classes of bytes, next states, and
 * which of them accept. False after a diagnostic. */
bool fv_w_automaton(fv_rewriter *w, fv_string pattern, fv_value **tables) FV_MUST_USE;

/* ---- at the border of a model ---- */

/* Strings from what a caller gives: text and ends. What is none ends the run. */
fv_strings fv_w_strings_given(fv_rewriter *w, const char *name, fv_value *text, fv_value *ends);
/* Text and ends, for a caller. */
fv_strings fv_w_strings_returned(fv_rewriter *w, const char *name, fv_strings s);

#endif
