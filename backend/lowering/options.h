/* options.h - options of lowering a module. */
#ifndef FV_BACKEND_LOWERING_OPTIONS_H
#define FV_BACKEND_LOWERING_OPTIONS_H

#include "ir/base/arena.h"
#include "ir/schedule/limits.h"
#include "ir/schedule/tuning.h"
#include "ir/target/target.h"

/* The schedule that was chosen for a kernel, and the limits of its parameters. */
typedef struct fv_choice {
    /* the key of the kernel, as in fv_tuned_kernel.key; equal layers have the same key */
    const char *key;
    fv_schedule how;
    fv_schedule_limits limits;
    int before; /* 1 + the number of another choice for the same kernel; 0: there is none */
    const struct fv_kernel *kernel; /* after lowering, the kernel in the program */
} fv_choice;

typedef struct fv_choices {
    /* the choices, one for each kernel that was built, before equal ones became one; in the
     * program's arena */
    fv_choice *at;
    int n, cap;
} fv_choices;

/* Departures from what operators say that a user may allow, as bits. Each makes other definitions,
 * which are again computed with the same bits everywhere. */
typedef enum fv_relax {
    /* f16 and bf16: a value that is substituted into its reader is not rounded */
    FV_RELAX_F16_INTERMEDIATES = 1,
    /* products of bf16 with constants are summed in pairs (FV_ORDER_PAIRS) */
    FV_RELAX_BF16_PRODUCTS = 2,
    /* f32: convolutions with filters of 3 x 3 are computed by Winograd's algorithm where that pays
     * (ir/definition/winograd.h) */
    FV_RELAX_WINOGRAD = 4,
    /* products of bf16 with constants are summed in tiles (FV_ORDER_TILES). Takes the place of
     * FV_RELAX_BF16_PRODUCTS where both are set */
    FV_RELAX_BF16_TILES = 8
} fv_relax;

/* The departures that `list` names, as bits of fv_relax; the names are separated by commas, and a
 * `list` that is NULL has none. *wrong: the first name that is not one of a departure; NULL: all
 * names are. */
unsigned fv_relax_read(fv_arena *a, const char *list, const char **wrong) FV_MUST_USE;
const char *const *fv_relax_names(void); /* the names of all departures, NULL terminated */

/* What the program needs of the contents of constants. */
typedef enum {
    FV_WEIGHTS_ALIGNED, /* each is at an address that its elements need */
    /* those of at least FV_LARGE_CONSTANT bytes may be at any address: they are read where a mapped
     * file has them, without a copy.
     * The consumer must emit such loads */
    FV_WEIGHTS_ANYWHERE,
    FV_WEIGHTS_LEFT_OUT /* nothing, because the program will not run */
} fv_lower_weights;

/* What is saved at the price of time. No bit of a result depends on it. */
typedef enum {
    /* launches are put into an order that needs less memory (backend/memory/arrange.h), and kernels
     * take less of it */
    FV_SAVES_MEMORY = 1 << 0,
    FV_SAVES_CODE = 1 << 1,      /* code of kernels is small */
    FV_SAVES_BY_STRIPS = 1 << 2, /* values are computed in strips of rows (backend/steps/strip.c) */
    /* of the compiler: the program is copied to memory of its own, and that in which it was made is
     * freed, which is several times as much. Not together with choices, reasons and watch, whose
     * results are in the latter */
    FV_SAVES_LOWERING = 1 << 3
} fv_saving;

typedef struct fv_lower_options {
    const fv_target *target;
    const char *name; /* prefix of C names; NULL: derived from the name of the module */
    bool naive;       /* --schedule=naive: each op alone, serial scalar loops */
    unsigned relax;   /* the departures that are allowed, bits of fv_relax */
    /* ids of steps that are left out, NULL terminated (ir/definition/step_names.h); NULL: no step
     * is left out */
    const char *const *without;
    /* whether panels of constants have a width that tiles of every level of an architecture can
     * read, so that libraries for several levels contain them once (common_panel in
     * backend/schedule/contract/parameters.c) */
    bool common_panels;
    fv_lower_weights weights;
    /* schedules for kernels, found by tuning or requested by a script; NULL: none */
    const fv_tuning *tuning;
    fv_choices *choices; /* result: the schedules that were chosen; NULL: not needed */
    /* called before each step that is not part of naive lowering, before the schedule of each
     * kernel, and before memory is shared (ir/graph/gate.h); NULL: all is allowed */
    const struct fv_gate *gate;
    /* seed of random limits of speed and random properties of the processor, which change no bit of
     * a result (speed.h); 0: those of the tables */
    uint64_t random_limits;
    unsigned saves; /* bits of fv_saving */
    bool verify;    /* whether definitions are verified after each step; debug builds always do */
    /* callbacks after each step and for each constant that is laid out
     * (ir/definition/definitions.h); NULL: there are none */
    const struct fv_watch *watch;
    /* result: the decisions and their reasons (why.h), which live as long as the program; NULL: not
     * needed */
    struct fv_reasons *reasons;
} fv_lower_options;

/* Does the program save something at the price of its own time? */
static inline bool fv_saves_in_run(const fv_lower_options *o) {
    return o->saves & (FV_SAVES_MEMORY | FV_SAVES_CODE | FV_SAVES_BY_STRIPS);
}
/* Is the program small code (-Os) for a microcontroller without vectors? Loops then stay loops. */
bool fv_is_small_code(const fv_lower_options *o) FV_MUST_USE;
/* bytes of a constant from which on small code, too, computes products of floats in tiles: a tile
 * takes some hundred bytes more than a loop, and a third to a half of the time */
enum { FV_SMALL_CONSTANT = 16 << 10 };
/* Is the step left out by these options? */
bool fv_is_left_out(const fv_lower_options *o, const char *step) FV_MUST_USE;

#endif
