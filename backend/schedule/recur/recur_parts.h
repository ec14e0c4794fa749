/* recur_parts.h - the parts of a step of a recurrence. Each part is computed completely before the
 * next one begins. */
#ifndef FV_BACKEND_SCHEDULE_RECUR_RECUR_PARTS_H
#define FV_BACKEND_SCHEDULE_RECUR_RECUR_PARTS_H

#include "backend/schedule/contract/contract.h"
#include "ir/definition/recurrence.h"

/* What a step computes: the new value of a state, or an element of a result. Exactly one of `state`
 * and `element` is set. */
typedef struct fv_item {
    fv_state *state;
    fv_emission *element;
    fv_expr *x;
    int nvars;
    fv_var *vars[FV_MAX_RANK];
} fv_item;

enum { FV_MAX_ITEMS = FV_MAX_STATES + FV_MAX_OUT };
/* Items that one loop nest computes. They have the same variables, and read the new values of each
 * other's states at their own indices only. */
typedef struct fv_part {
    int n;
    fv_item *items[FV_MAX_ITEMS];
    /* a definition made from the first item; its variables are those of all items */
    fv_definition *def;
    /* how the sums of the items are computed as one contraction; NULL: there are no sums, or loops
     * compute them */
    fv_contract_plan *plan;
} fv_part;

typedef struct fv_parts {
    fv_lowerer *l;
    fv_recurrence *r;
    int n, nitems;
    fv_part all[FV_MAX_ITEMS];
    fv_item items[FV_MAX_ITEMS];
    bool own; /* there is one part, and items read states at their own indices only */
    /* for each variable of r: states are computed from states at the same index only */
    bool carried[FV_MAX_RANK];
    int64_t products; /* products that a step computes for each row */
    /* The memory of each state in a kernel that runs all steps: two buffers, of the state before
     * and after a step, or one. */
    fv_value *memory[FV_MAX_STATES];
    /* one buffer is enough: all reads of the old state precede the write of the new one */
    bool once[FV_MAX_STATES];
    /* for each variable of r: each of its values is in another task, so the memory has no axis for
     * it */
    bool around[FV_MAX_RANK];
    fv_expr *taken; /* the number of steps that are run */
    /* the variable of the columns, if tasks are blocks of columns, and the variable that counts
     * columns within a block, along which the memory of the states runs; or NULL */
    fv_var *column, *local;
} fv_parts;

void fv_parts_of(fv_lowerer *l, fv_recurrence *r, fv_parts *p);
/* Plans the contraction of each part that is one. */
void fv_parts_choose(fv_parts *p);
/* Returns a load of the state, of the step before or of this one, at its own indices, equal to that
 * in the items. */
fv_expr *fv_own_load(const fv_parts *p, const fv_state *s, bool before);
/* Emits the items of a part, whose variables are bound in e: stores them, and makes later loads of
 * a state use its value. */
void fv_part_put(fv_kemit *e, const fv_parts *p, const fv_part *part);
void fv_put_element(fv_kemit *e, const fv_emission *m, fv_expr *x);
/* Sets `index` to the variables along which the memory of a state has axes, but for the axis of its
 * two buffers. Returns their number. */
int fv_memory_axes(const fv_parts *p, const fv_state *s, fv_var **index);
/* Has the memory of the state two buffers, of which steps write one and read the other? */
bool fv_has_places(const fv_parts *p, const fv_state *s) FV_MUST_USE;
/* Returns a load of an element of a state from its memory; `place` is the number of the buffer, 0
 * or 1. */
fv_expr *fv_memory_load(const fv_parts *p, const fv_state *s, fv_expr *place,
                        fv_expr *const *index);
/* Finds the states that need one buffer only. */
void fv_parts_find_once(fv_parts *p);
/* Makes the items load states from the memory of the kernel. */
void fv_parts_in_memory(fv_parts *p);
/* Prepares e for the items of this part: expressions that several items use are computed once. */
void fv_part_use(fv_kemit *e, const fv_part *part);
/* Returns the kernel's parameter for a value of the graph or a state of the recurrence, and marks
 * it as used in that role. */
fv_buf *fv_recur_param(fv_kemit *e, const fv_value *v, fv_buf_role role);
/* Finishes the kernel of a part (NULL: of all parts) and adds its launch. The kernel's formula
 * lists the new values of the states that it computes. */
void fv_recur_finish(fv_kemit *e, const fv_parts *p, const fv_part *part, const fv_schedule *how);

#endif
