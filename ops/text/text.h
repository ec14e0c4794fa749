/* text.h - the tensors that represent a tensor of strings.
 *
 * Kernels have numbers only. So the bytes of strings are in one tensor, `text`, and another,
 * `spans`, has an integer for each string: the position where it begins, shifted left by
 * FV_SPAN_BITS, plus its number of bytes; 0 is the empty string. Ops that move strings move spans,
 * with the ops and kernels for integers, and share the text. Ops that compute strings make a new
 * text. An fv.Strings op joins the parts of a value where it is made; ops that read the value read
 * the parts.
 *
 * Text is UTF-8, without zeros at the ends of strings. Callers of a model pass and get `ends` in
 * place of spans: strings are concatenated, and this is the position at which each one ends. The
 * run checks what callers pass. */
#ifndef FV_OPS_TEXT_TEXT_H
#define FV_OPS_TEXT_TEXT_H

#include "ir/graph/rewriter.h"

/* number of bits for the size of a string, which is at most FV_MAX_STRING */
enum { FV_SPAN_BITS = 23 };
enum { FV_PART_TEXT, FV_PART_SPANS, FV_PART_ENDS = FV_PART_SPANS, FV_TEXT_PARTS };

extern const char *const fv_text_kernels; /* text.fvk */

typedef struct fv_strings {
    fv_value *text, *spans; /* u8 [bytes]; i64, with the dims of the strings */
} fv_strings;

/* The names of the parts of an input or output x: "x.text", "x.ends". */
const char *fv_text_part_name(fv_arena *a, const char *name, int part);
bool fv_type_is_strings(const fv_type *t) FV_MUST_USE; /* a tensor of strings */

/* Checks that the string is UTF-8 and not too long. False after a diagnostic, which calls it
 * `what`. */
bool fv_string_fits(const fv_op *op, const char *what, fv_string s) FV_MUST_USE;
/* The parts of v, a constant or a value that has been decomposed; false after a diagnostic about
 * op, which reads v. */
bool fv_strings_of(const fv_op *op, const fv_value *v, fv_strings *parts) FV_MUST_USE;
/* A value with these parts; NULL if one is NULL. */
fv_value *fv_w_strings(fv_rewriter *w, fv_strings parts);
/* Makes all of them use one text, the concatenation of their texts. */
void fv_w_share_text(fv_rewriter *w, int n, fv_strings *all);

/* Whether op moves, reads or makes tensors of strings, rather than sequences and optionals of
 * strings, which have expansions of their own. */
bool fv_op_has_strings(const fv_op *op) FV_MUST_USE;
/* Replaces such an op by ops on the parts. False after a diagnostic. */
bool fv_op_rewrite_strings(fv_op *op) FV_MUST_USE;

/* ---- for expansions ---- */

fv_value *fv_w_sizes(fv_rewriter *w, fv_value *spans); /* number of bytes of each */
/* spans from positions in a text */
fv_value *fv_w_spans(fv_rewriter *w, fv_value *starts, fv_value *sizes);
/* The text of these strings, concatenated; its number of bytes is bound to a symbol called `name`.
 * `sizes` is a vector. */
fv_value *fv_w_copy_text(fv_rewriter *w, fv_strings s, fv_value *sizes, const char *name);

/* Makes the run check that strings of these sizes, a vector, are allowed. */
void fv_w_limit_sizes(fv_rewriter *w, fv_value *sizes, const char *why);
/* Strings of type t, made by dividing the concatenation of all strings of s into new strings;
 * `sizes` is the vector of their numbers of bytes. */
fv_value *fv_w_new_strings(fv_rewriter *w, fv_strings s, fv_value *sizes, const fv_type *t);

/* The automaton of a regular expression (regex.h) as constants: classes of bytes, next states, and
 * accepting states. False after a diagnostic. */
bool fv_w_automaton(fv_rewriter *w, fv_string pattern, fv_value **tables) FV_MUST_USE;

/* ---- at the border of a model ---- */

/* The strings that a caller passes as text and ends; the run stops if these are invalid. */
fv_strings fv_w_strings_given(fv_rewriter *w, const char *name, fv_value *text, fv_value *ends);
/* Text and ends, to be returned to a caller. */
fv_strings fv_w_strings_returned(fv_rewriter *w, const char *name, fv_strings s);

#endif
