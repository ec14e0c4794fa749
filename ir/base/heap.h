/* heap.h - the memory of malloc. */
#ifndef FV_IR_BASE_HEAP_H
#define FV_IR_BASE_HEAP_H

/* Returns the memory to the system that malloc keeps for later, in the whole process: only for
 * programs, not for a library, whose caller may not expect that it takes the time. */
void fv_heap_trim(void);

#endif
