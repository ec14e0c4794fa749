/* words.h - words of several elements of the rows, whose products with those of the columns are
 * summed by one instruction (dot.h). */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_WORDS_H
#define FV_BACKEND_SCHEDULE_CONTRACT_WORDS_H

#include "backend/schedule/contract/dot_plan.h"
#include "backend/schedule/contract/materialize.h"

struct fv_contraction;

/* The number of words with `group` steps each that have all steps of k. */
int64_t fv_words_of(const fv_var *k, int group);
/* The number of steps of these words, of which the last word may leave some unused. */
int64_t fv_steps_of_words(const fv_var *k, int group);
/* The load of the factor with the rows, of which elements or words are multiplied; NULL: it is
 * something else. */
const fv_expr *fv_load_of_rows(const struct fv_contraction *c);
/* The load of the word of which `rows` is the element for step k, as a copy of words has it;
 * NULL: `rows` is something else. */
const fv_expr *fv_word_with(const fv_expr *rows, const fv_var *k);
/* Are rows read as words along dot->k where they are stored? */
bool fv_words_are_direct(fv_lowerer *l, const fv_expr *rows, const fv_dot *dot) FV_MUST_USE;
/* Chooses a copy of rows that has words along k. Where no window slides along k, the last word of
 * each row is completed with 0. Words of 16 may also be formed of each window apart. False: there
 * is no such copy. */
bool fv_choose_words(fv_lowerer *l, const fv_definition *d, const struct fv_contraction *c,
                     fv_expr *rows, const fv_dot *dot, const fv_var *k, fv_dense *copy) FV_MUST_USE;
/* The variable of the sum along which the steps of a word are consecutive: one along which rows are
 * consecutive in memory, or else the one that leaves the smallest part of its words unused. NULL:
 * each variable would leave half of its words or more unused, or cannot form words, or an extent of
 * the sum is not known. */
const fv_var *fv_variable_of_words(fv_lowerer *l, const fv_definition *d,
                                   const struct fv_contraction *c, fv_expr *rows,
                                   const fv_dot *dot);

#endif
