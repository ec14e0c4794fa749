/* verifier.h - between the files of the verifier. */
#ifndef FV_IR_KERNEL_VERIFIER_H
#define FV_IR_KERNEL_VERIFIER_H

#include "ir/base/ptrmap.h"
#include "ir/kernel/program.h"

typedef struct fv_kverifier {
    fv_session *session;
    fv_arena *a;             /* for the time of the verification */
    const fv_kernel *kernel; /* NULL: a host program's block */
    const fv_program *program;
    const char *where;     /* "plan", "run": in host programs */
    const fv_stmt *stmt;   /* that is being looked at */
    fv_ptrmap scope;       /* variables and tiles that are declared here */
    const void **declared; /* in order, to close scopes */
    int ndeclared, cap_declared;
    /* the program has statements of the protocol: arguments are looked at (program_protocol.c) */
    bool protocol;
    bool planned, has_memory; /* behind PLAN; MEMORY */
    const fv_expr **facts;    /* conditions that hold here */
    int nfacts, cap_facts;
    fv_ptrmap reads; /* variable -> its READ */
    bool exact;      /* index arithmetic may wrap (prove.h) */
    int outside;     /* in an outline: so many are declared outside of it; else -1 */
} fv_kverifier;

/* "kernel 'add': `C[i] = x`: ..."; false. Said once: callers return. */
bool fv_kv_illegal(fv_kverifier *v, const char *format, ...) __attribute__((format(printf, 2, 3)));

void fv_kv_declare(fv_kverifier *v, const void *what);

#endif
