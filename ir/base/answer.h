/* answer.h - FV_MUST_USE, the mark of functions whose result must be used. */
#ifndef FV_IR_BASE_ANSWER_H
#define FV_IR_BASE_ANSWER_H

/* The compiler warns when a caller ignores the result of a function with this mark. Every function
 * with the result bool that a header declares has it, except inline functions and those that only
 * report something and always return the same value (tests/checks/house.sh checks this); so do
 * functions whose int is a status. */
#define FV_MUST_USE __attribute__((warn_unused_result))

#endif
