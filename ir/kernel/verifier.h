/* verifier.h - interface between the files of the verifier. */
#ifndef FV_IR_KERNEL_VERIFIER_H
#define FV_IR_KERNEL_VERIFIER_H

#include "ir/base/ptrmap.h"
#include "ir/kernel/program.h"

/* How far the statements of the protocol with the caller have been checked. */
typedef struct fv_protocol_seen {
    /* whether the program has statements of the protocol, so that uses of arguments are checked
     * (program_protocol.c) */
    bool used;
    bool planned, has_memory; /* whether PLAN, and MEMORY, have been checked */
} fv_protocol_seen;

/* Conditions that hold at the statement that is checked. */
typedef struct fv_known_conditions {
    const fv_expr **all;
    int n, cap;
} fv_known_conditions;

typedef struct fv_kverifier {
    fv_session *session;
    fv_arena *a;             /* an arena that is freed after the verification */
    const fv_kernel *kernel; /* the kernel; NULL: a block of a host program is verified */
    const fv_program *program;
    /* for a host program: "plan", "query", "run" or "program", for what concerns all parts */
    const char *where;
    const fv_stmt *stmt;   /* the statement that is checked */
    fv_ptrmap scope;       /* variables and tiles in scope */
    const void **declared; /* these variables and tiles in order of declaration, to close scopes */
    int ndeclared, cap_declared;
    fv_protocol_seen protocol;
    fv_known_conditions facts;
    fv_ptrmap reads; /* variable -> the READ that defined it */
    bool exact;      /* whether index arithmetic may wrap (prove.h) */
    int outside;     /* within an outline: number of declarations outside of it; otherwise -1 */
} fv_kverifier;

/* Reports "illegal kernel 'add': `C[i] = x`: ..." and returns false; callers stop at the first
 * error. */
bool fv_kv_illegal(fv_kverifier *v, const char *format, ...) __attribute__((format(printf, 2, 3)));

void fv_kv_declare(fv_kverifier *v, const void *what);

#endif
