/* heap.c - see heap.h. */
#include "ir/base/heap.h"

#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "ir/base/session.h"

/* the key of a slot of the session, which has a value if the session owns the process */
static const char owner;

void fv_heap_own(fv_session *s) {
    *fv_session_slot(s, &owner) = s;
}

void fv_heap_trim(const fv_session *s) {
#ifdef __GLIBC__
    if (fv_ptrmap_get(&s->slots, &owner))
        malloc_trim(0);
#else
    (void)s;
#endif
}
