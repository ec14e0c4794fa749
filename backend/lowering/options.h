/* options.h - how a module is lowered. */
#ifndef FV_BACKEND_LOWERING_OPTIONS_H
#define FV_BACKEND_LOWERING_OPTIONS_H

#include "ir/target/target.h"

typedef struct fv_lower_options {
    const fv_target *target;
    const char *name;   /* prefix of C names; NULL: from the module's name */
    bool naive;         /* --schedule=naive: each op alone, serial scalar loops */
    bool look;          /* the program is looked at: its constants have sizes, and no content that counts */
    bool verify;        /* definitions, after each step; always in debug builds */
    const struct fv_watch *watch; /* who looks at them then (ir/definition/definitions.h); NULL: nobody */
    struct fv_reasons *reasons;   /* out: what was decided, and why (why.h); it lives as long as the program. NULL: nobody asks */
} fv_lower_options;

#endif
