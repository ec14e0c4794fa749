/* stack.h - the stack on which a command works, whatever limit the shell has set (`ulimit -s`). */
#ifndef FV_TOOLS_COMMAND_STACK_H
#define FV_TOOLS_COMMAND_STACK_H

/* Returns work(argc, argv). If the limit of this process is below what commands are tested with, it
 * runs on a thread whose stack has that size, and so do threads that are created later. If there is
 * no memory for the stack, that is an error: FV_EXIT_MODEL after a message. */
int fv_with_stack(int (*work)(int argc, char **argv), int argc, char **argv);

#endif
