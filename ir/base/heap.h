/* heap.h - the memory of malloc. */
#ifndef FV_IR_BASE_HEAP_H
#define FV_IR_BASE_HEAP_H

/* Returns the memory to the system that malloc keeps for later. */
void fv_heap_trim(void);

#endif
