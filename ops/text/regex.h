/* regex.h - regular expressions, in the syntax of RE2, as tables of a deterministic automaton that
 * reads bytes.
 *
 * A pattern is a constant of a model, so all of it is done when that is compiled: text to a tree,
 * tree to an automaton of bytes with jumps, that to one without. What matches takes one step a
 * byte, whatever the pattern. Thompson: Regular expression search algorithm, 1968; Cox: Regular
 * expression matching in the wild, 2010. */
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
    uint8_t lo, hi;       /* BYTES: one of these goes on to `next` */
    fv_regex_place place; /* PLACE: without a byte to `next`, there */
    int next, other;      /* EITHER: without a byte to both */
} fv_nfa_node;

typedef struct fv_nfa {
    fv_nfa_node *nodes;
    int n, cap, start;
} fv_nfa;

enum { FV_MAX_PATTERN = 50000, FV_MAX_NFA = 20000, FV_MAX_DFA = 4096, FV_MAX_DFA_WORK = 100000000 };

/* What the whole of a text has to be. NULL, *why: it is no such pattern, or one with too many
 * repetitions. */
const fv_nfa *fv_regex_parse(fv_arena *a, fv_string pattern, const char **why);

/* ---- the automaton without ---- */

typedef struct fv_dfa {
    int nstates, nclasses; /* the first state is where it starts */
    uint8_t class_of[256]; /* of bytes that no state tells apart */
    int32_t *next;         /* [nstates][nclasses] */
    bool *accepts;         /* [nstates], behind the last byte */
} fv_dfa;

/* NULL, *why: it would have more than FV_MAX_DFA states, or take too long to make. */
const fv_dfa *fv_dfa_of(fv_arena *a, const fv_nfa *nfa, const char **why);

#endif
