/* library.h - library functions that kernels may call, for operations that no formula can express
 * and for which good external libraries exist.
 *
 * A collective is such a function, too: one of the caller's communicator (fv_communicator), by
 * which all ranks of a run, some of them, or two of them exchange data. A kernel that calls one
 * contains nothing else, and the host program makes the call where it launches the kernel. Instead
 * of being called, a collective may be started by one kernel and waited for by another one.
 *
 * Kernels know names and parameters only. The functions are in backend/library/library.h; a build
 * may omit some. */
#ifndef FV_IR_KERNEL_LIBRARY_H
#define FV_IR_KERNEL_LIBRARY_H

#include "ir/type/type.h"

enum { FV_LIBRARY_PARAMS = 4, FV_LIBRARY_ANY = -1 };
enum { FV_MAX_CALL_RANKS = 65536 }; /* ranks of a run */

typedef struct fv_library_param {
    fv_elem elem;
    int rank;     /* FV_LIBRARY_ANY: any element type and rank */
    bool written; /* whether the parameter is only written; otherwise it is only read */
} fv_library_param;

typedef struct fv_library_fn {
    const char *name, *doc;
    /* whether it is a function of the communicator. Its parameters are what is sent and what is
     * received; if it has both, the latter has an axis 0 with an element for each rank */
    bool collective;
    /* whether a call states a rank and the number of ranks: that of a collective to which not all
     * ranks belong */
    bool addressed;
    int nparams;
    fv_library_param params[FV_LIBRARY_PARAMS];
} fv_library_fn;

typedef enum {
#define LIBRARY(name, ...)    FV_LIBRARY_##name,
#define COLLECTIVE(name, doc) FV_LIBRARY_##name,
#define ADDRESSED(name, ...)  FV_LIBRARY_##name,
#include "ir/kernel/library.def"
#undef ADDRESSED
#undef COLLECTIVE
#undef LIBRARY
    FV_LIBRARY_FNS
} fv_library_id;

extern const char *const fv_call_mode_names[]; /* "call", "start", "wait": of an fv_call_mode */
const fv_library_fn *fv_library_fn_of(fv_library_id id);
/* the function of that name; NULL: there is none */
const fv_library_fn *fv_library_fn_called(const char *name);
fv_library_id fv_library_id_of(const fv_library_fn *fn);

#endif
