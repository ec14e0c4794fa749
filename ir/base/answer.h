/* answer.h - answers that can refuse. */
#ifndef FV_IR_BASE_ANSWER_H
#define FV_IR_BASE_ANSWER_H

/* Whoever calls such a function acts on what it returns. In headers all that return a bool carry
 * it, but those that only say something (tests/checks/house.sh), and those whose int is a
 * status. */
#define FV_MUST_USE __attribute__((warn_unused_result))

#endif
