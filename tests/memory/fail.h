/* fail.h - makes chosen allocations of this program fail. The linker redirects the calls of our own
 * objects here (--wrap); those of LLVM and of the C library are unchanged. */
#ifndef FV_TESTS_MEMORY_FAIL_H
#define FV_TESTS_MEMORY_FAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From now on the nth allocation fails, with `onwards` all after it, too; 0: none. Any thread's
 * count. */
void fail_at(int64_t nth, bool onwards);
int64_t fail_count(void); /* allocations since then */
bool fail_happened(void);
/* the number of blocks and mappings of memory that exist now */
int64_t fail_live(void);

#endif
