/* definitions.h - a module between graph and kernels: which values are made, what each element of
 * them is, and what becomes of their memory. Steps of lowering go from one such state to the next.
 *
 *   fovea-definitions 1 after "layout"
 *   module "dense"
 *   symbol n 0..1024
 *   const @w: f32[4, 16] = file "dense.bin" 0 256
 *   func @main(%x: f32[n, 4]) -> (%y) {
 *     %y = define(%x, @w) {op = "Relu"} : f32[n, 16]    loc("fc", "relu") {
 *       element %y[i0, i1] = max(sum k < 4: %x[i0, k] * @w[k, i1], 0.0)
 *     }
 *     return %y
 *   }
 *
 * The text is graph IR (its grammar is in the head of ir/graph/parse.c) with these besides:
 *
 *   header    fovea-definitions 1 after "STEP"
 *   packed    packed input N: TYPE | packed output N: TYPE
 *             what a port is for who calls: its elements lie several in a byte there
 *   valid     valid input N: TYPE | valid output N: TYPE
 *             what callers see of the memory of a state, which has room for more
 *   op        ... [loc(..)] [checks("NODE", ..)] [{ result ... }]
 *   group     %NAME, %NAME, ... = define(..) .. : TYPE, TYPE, ... { element ... element ... }
 *   result    element %NAME[NAME, ...] [last AXIS] {index NAME < DIM | let NAME = EXPR}
 *                 [at %NAME[EXPR, ...]] = EXPR [as FORM]
 *           | substituted %NAME[NAME, ...] {index .. | let ..} = EXPR
 *                 it has no memory
 *           | view %NAME[NAME, ...] {index .. | let ..} of VALUE = EXPR
 *                 it shares the memory of that value, in another shape
 *           | substituted %NAME | view %NAME of VALUE
 *                 the same, where no step to come asks what it is
 *           | along NAME < DIM {index NAME < DIM} {state %NAME[NAME, ...]: ELEM [= EXPR]}
 *                 {step %NAME[NAME, ...] = EXPR}
 *                 {element %NAME[EXPR, ...] = EXPR | last %NAME[EXPR, ...] = EXPR}
 *                 a recurrence; before(%NAME[..]) is a state before the step
 *           | assembled %NAME [last AXIS] [over %PARAM]
 *                 its elements are those of the values that are stored `at` it
 *   form      map | row
 *           | contract [rows NAME, ...] columns NAME, ... | each NAME [over NAME, ...]
 *           | attention [queries NAME, ...] [features NAME, ...] [keys NAME, ...]
 *                 what kind of computation it is (ir/definition/form.h); left out, it is found
 *
 * The op `define` has no other meaning than its definition, and its operands are values that it
 * loads; `op` is what its kernel is called after. In a definition %x[i, k] and @w[k, j] are
 * elements of values, bare names index variables, lets, and symbols of dims; dim(E) is a dim that
 * is an expression of symbols. A reduction's variable is one variable wherever its name stands;
 * `index` declares those that a let uses before a reduction does. A let is a name: what is equal is
 * computed once, with a name or without. A `define` with several results is a group, which one
 * kernel computes: variables that all of its elements are called by on the left are the same, and
 * run around what is each one's own; there, each is made behind those above it, of which it loads
 * what has the same shared indices. The result's indices stand in the order in which its memory has
 * the axes: as its type has them, but for the axis behind `last`, which is the last there; so do
 * those of whoever loads it. `checks` names nodes whose indices come from data. */
#ifndef FV_IR_DEFINITIONS_H
#define FV_IR_DEFINITIONS_H

#include "ir/definition/definition.h"

/* What becomes of a value. */
typedef enum fv_fate {
    FV_FATE_MEMORY,      /* memory of its own, and a kernel that writes it */
    FV_FATE_SUBSTITUTED, /* none: whoever uses it computes it */
    FV_FATE_VIEW,        /* the memory of `of`, in another shape */
    FV_FATE_PART,        /* a part of the memory of `of`: where, def->place says */
    /* memory of its own, which its parts write, or that of the input `of`, where they are added; no
     * kernel */
    FV_FATE_ASSEMBLED
} fv_fate;

typedef struct fv_defined {
    fv_value *value;
    fv_fate fate;
    /* NULL: ASSEMBLED, and VIEW and SUBSTITUTED where no step to come asks for it */
    fv_definition *def;
    fv_value *of;            /* VIEW, PART; ASSEMBLED in the memory of an input: that */
    bool asked;              /* its op is asked by steps to come: the text has it as what it is */
    int last;                /* the axis that is moved to the end in memory; -1: none */
    const fv_origin *origin; /* of all that was substituted into it, too */
    int nchecks;             /* nodes of it whose indices come from data */
    const char *const *checks;
} fv_defined;

/* Names of the steps of lowering (ir/definition/steps.def), in their order; NULL terminated. */
const char *const *fv_lower_steps(void);
/* Is that step behind the one called `after`? */
bool fv_step_comes(const char *after, const char *step) FV_MUST_USE;

/* The axis of the type that is the i-th in memory. */
static inline int fv_memory_axis(int rank, int last, int i) {
    return last < 0 || i < last ? i : i == rank - 1 ? last : i + 1;
}

/* The values of main that have a definition, in order; parameters, constants, and results of ops
 * with a kernel of their own are none. */
typedef struct fv_definitions {
    const char *after; /* the step of lowering that is done; interned */
    int n, cap;
    fv_defined *all;
    int nrecurrences, cap_recurrences;
    /* of ops that are one: their results have no other definition */
    struct fv_recurrence **recurrences;
    /* types that ports have for who calls, where they are packed, or a part of what is in memory;
     * NULL: as in main */
    const fv_type **in, **out;
} fv_definitions;

/* Who looks at a module after each pass (d is NULL), and at its definitions after each step of
 * lowering; and who is told how many milliseconds it took. Either may be NULL. */
typedef struct fv_watch {
    void *user;
    void (*look)(void *user, const char *step, const fv_module *m, const fv_definitions *d);
    void (*took)(void *user, const char *step, double ms);
} fv_watch;

/* Are all dims of `t` that depend on data in the type `by` as well? Who has memory of that type
 * knows them. */
bool fv_type_is_told(const fv_type *t, const fv_type *by) FV_MUST_USE;

/* The op of a value that is its definition; not in the catalogue. */
extern const fv_opdef fv_define_def;
/* The op of values that are made step by step, as its recurrence says
 * (ir/definition/recurrence.h). */
extern const fv_opdef fv_recurrence_def;
/* Branches, in one line of ops: what stands between `if` and `else` runs where the operand of `if`
 * holds, what stands between `else` and `endif` where not. The operands of `else` and of `endif`
 * are the results of the two, one of which the results of `endif` are; `symbols` of `endif` are
 * then equal to its `dims`, or to those of `else`. Not in the catalogue. */
extern const fv_opdef fv_if_def, fv_else_def, fv_endif_def;
/* A Loop, in the same line of ops: what stands between `loop` and `endloop` runs as often as
 * `times` says, if it does, and as long as the first operand holds, if there is one: that of `loop`
 * before the first turn, that of `endloop` behind each. The other operands are the states; a turn
 * sees the results of `loop`, what is behind the last one are those of `endloop`. The `symbols` of
 * `loop`, of which the first is the number of the turn, are equal to the dims `first`, then to
 * `next`; what they would be in a turn behind the last one, the `symbols` of `endloop` are. Not in
 * the catalogue. */
extern const fv_opdef fv_loop_def, fv_endloop_def;
/* 1 where something begins that has an end, if or loop; -1 at such an end; else 0. */
int fv_mark_depth(const fv_op *op);
/* The `endloop` of a `loop`, and the `loop` of an `endloop`; NULL: there is none. */
fv_op *fv_loop_end(const fv_op *op);
fv_op *fv_loop_begin(const fv_op *op);
/* Is it one with several results: a group, whose first axes are shared? */
bool fv_is_group(const fv_op *op) FV_MUST_USE;
/* The variables that index all of these n results, as the first one has them; room for FV_MAX_RANK.
 * Returns how many. */
int fv_group_shared(int n, fv_definition *const *all, fv_var **shared);
/* Does the op read its operands in memory, knowing no definitions? */
bool fv_reads_memory(const fv_op *op) FV_MUST_USE;
/* The op among those that stands in texts of definitions only; NULL: none is called so. */
const fv_opdef *fv_definitions_op(const char *name);
/* The `else` (or `endif`) of an `if`, the `endif` of an `else`; NULL: there is none. */
fv_op *fv_branch_next(const fv_op *op);
/* What a kernel of it is called after: its name, or for one that is defined what it was. */
const char *fv_op_stem(const fv_op *op);

#endif
