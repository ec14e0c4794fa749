/* regex.h - compiles regular expressions, in the syntax of RE2, to tables of a deterministic
 * automaton that reads bytes.
 *
 * A pattern is a constant of a model, so all of this happens when the model is compiled: text to a
 * tree, the tree to an automaton of bytes with empty transitions, and that to a deterministic one.
 * Matching takes one step for each byte, whatever the pattern is. Thompson: Regular expression
 * search algorithm, 1968; Cox: Regular expression matching in the wild, 2010. */
#ifndef FV_OPS_TEXT_REGEX_H
#define FV_OPS_TEXT_REGEX_H

#include "ir/base/arena.h"
#include "ir/type/tensor.h"

/* ---- the automaton with jumps ---- */

typedef enum {
    FV_AT_BEGIN,
    FV_AT_END,
    FV_AT_LINE_BEGIN,
    FV_AT_LINE_END,
    FV_AT_WORD_EDGE,
    FV_NOT_AT_WORD_EDGE
} fv_regex_place;
typedef enum { FV_NFA_BYTES, FV_NFA_EITHER, FV_NFA_PLACE, FV_NFA_MATCH, FV_NFA_FAIL } fv_nfa_kind;

typedef struct fv_nfa_node {
    fv_nfa_kind kind;
    uint8_t lo, hi;       /* BYTES: a byte from lo to hi leads to `next` */
    fv_regex_place place; /* PLACE: leads to `next` without a byte, at such a place in the text */
    int next, other;      /* EITHER: leads to both without a byte */
} fv_nfa_node;

typedef struct fv_nfa {
    fv_nfa_node *nodes;
    int n, cap, start;
} fv_nfa;

enum { FV_MAX_PATTERN = 50000, FV_MAX_NFA = 20000, FV_MAX_DFA = 4096, FV_MAX_DFA_WORK = 100000000 };

/* Parses a pattern that the whole of a text has to match. NULL, and *why: it is no valid pattern,
 * or has too many repetitions. */
const fv_nfa *fv_regex_parse(fv_arena *a, fv_string pattern, const char **why);

/* ---- the automaton without ---- */

typedef struct fv_dfa {
    int nstates, nclasses; /* the first state is the initial one */
    uint8_t class_of[256]; /* classes of bytes that all states treat alike */
    int32_t *next;         /* [nstates][nclasses] */
    bool *accepts;         /* [nstates]: whether a text may end there */
} fv_dfa;

/* The deterministic automaton. NULL, and *why: it would have more than FV_MAX_DFA states, or take
 * too long to make. */
const fv_dfa *fv_dfa_of(fv_arena *a, const fv_nfa *nfa, const char **why);

#endif
