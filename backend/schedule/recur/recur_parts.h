/* recur_parts.h - what a step of a recurrence makes, in parts: each is done as a whole before the
 * next one. */
#ifndef FV_BACKEND_SCHEDULE_RECUR_RECUR_PARTS_H
#define FV_BACKEND_SCHEDULE_RECUR_RECUR_PARTS_H

#include "backend/schedule/contract/contract.h"
#include "ir/definition/recurrence.h"

/* A state's step, or an element that a step leaves behind. */
typedef struct fv_item {
    fv_state *state; /* or */
    fv_emission *element;
    fv_expr *x;
    int nvars;
    fv_var *vars[FV_MAX_RANK];
} fv_item;

enum { FV_MAX_ITEMS = FV_MAX_STATES + FV_MAX_OUT };
/* What one nest of loops makes: things over the same variables, that read of each other what is at
 * their own indices. */
typedef struct fv_part {
    int n;
    fv_item *items[FV_MAX_ITEMS];
    fv_definition *def; /* the first of them; its indices are those of the part */
    /* their sums are one contraction; NULL: there are none, or loops do them */
    fv_contract_plan *plan;
} fv_part;

typedef struct fv_parts {
    fv_lowerer *l;
    fv_recurrence *r;
    int n, nitems;
    fv_part all[FV_MAX_ITEMS];
    fv_item items[FV_MAX_ITEMS];
    bool own; /* no step reads of a state what is not at its own indices */
    /* of each variable of r: at each place along it, states are made of what is there */
    bool carried[FV_MAX_RANK];
    int64_t products; /* of a step and a row */
    /* In one kernel for all steps, states lie in memory: before and after a step, or what a step
     * makes. */
    fv_value *memory[FV_MAX_STATES];
    /* who reads it before a step has done so when it is made: it has one place */
    bool once[FV_MAX_STATES];
    bool around[FV_MAX_RANK]; /* of each variable of r: the memory is that of one place along it */
    fv_expr *taken;           /* how many steps are taken, where states are read behind them */
    /* the memory is that of a block along `column`, in which `local` counts; or NULL */
    fv_var *column, *local;
} fv_parts;

void fv_parts_of(fv_lowerer *l, fv_recurrence *r, fv_parts *p);
/* The contraction of each part that is one. */
void fv_parts_choose(fv_parts *p);
/* A state at its own indices, in this step or before it, as items load it. */
fv_expr *fv_own_load(const fv_parts *p, const fv_state *s, bool before);
/* What the items of a part are, where their variables and sums are known in e: stored, and named
 * for those below. */
void fv_part_put(fv_kemit *e, const fv_parts *p, const fv_part *part);
void fv_put_element(fv_kemit *e, const fv_emission *m, fv_expr *x);
/* Which axes the memory of a state has, but for that of places: their variables. Returns how
 * many. */
int fv_memory_axes(const fv_parts *p, const fv_state *s, fv_var **index);
/* Has it an axis of places: before a step, and after it? */
bool fv_has_places(const fv_parts *p, const fv_state *s) FV_MUST_USE;
/* An element of a state in its memory. */
fv_expr *fv_memory_load(const fv_parts *p, const fv_state *s, fv_expr *place,
                        fv_expr *const *index);
/* States that nobody reads as they were once they are made. */
void fv_parts_find_once(fv_parts *p);
/* States are loaded from memory of the kernel from here on. */
void fv_parts_in_memory(fv_parts *p);
/* A kernel is about to be made of the items of this part: what is used in several of them has a
 * name. */
void fv_part_use(fv_kemit *e, const fv_part *part);
/* The parameter for a value of the graph, or of the recurrence, which the kernel uses so. */
fv_buf *fv_recur_param(fv_kemit *e, const fv_value *v, fv_buf_role role);
/* The launch of the kernel: its formula says all that the items are. */
void fv_recur_finish(fv_kemit *e, const fv_parts *p, const fv_part *part, const fv_schedule *how);

#endif
