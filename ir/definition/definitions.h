/* definitions.h - a module between graph and kernels: which values are computed, the definition of
 * each, and where they are stored. Steps of lowering go from one such state to the next.
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
 * The text is graph IR (its grammar is at the top of ir/graph/parse.c) with these additions:
 *
 *   header    fovea-definitions 1 after "STEP"
 *   packed    packed input N: TYPE | packed output N: TYPE
 *             the type of a port for callers, who store several elements in a byte
 *   valid     valid input N: TYPE | valid output N: TYPE
 *             the part of a state's memory that callers see; the memory has room for more
 *   op        ... [loc(..)] [checks("NODE", ..)] [{ result ... }]
 *   group     %NAME, %NAME, ... = define(..) .. : TYPE, TYPE, ... { element ... element ... }
 *   result    element %NAME [VIEW] [NAME, ...] [last AXIS] {index NAME < DIM | let NAME = EXPR}
 *                 [at %NAME [VIEW] [EXPR, ...]] = EXPR [as FORM]
 *           | substituted %NAME[NAME, ...] {index .. | let ..} = EXPR
 *                 it has no memory
 *           | view %NAME[NAME, ...] {index .. | let ..} of VALUE = EXPR
 *                 it is stored in the memory of VALUE, in another shape
 *           | substituted %NAME | view %NAME of VALUE
 *                 the same, where no later step uses the definition
 *           | along NAME < DIM {index NAME < DIM} {state %NAME[NAME, ...]: ELEM [= EXPR]}
 *                 {step %NAME[NAME, ...] = EXPR}
 *                 {element %NAME[EXPR, ...] = EXPR | last %NAME[EXPR, ...] = EXPR}
 *                 a recurrence; before(%NAME[..]) is a state before the step
 *           | assembled %NAME [last AXIS] [over %PARAM]
 *                 its elements are those of the values that are stored `at` it
 *   view      (DIM, ...)
 *                 the axes with which the memory of a value is seen (ir/definition/view.h), also
 *                 in expressions: %x(n * 4)[i]; if it is left out they are its own
 *   form      map | row
 *           | transpose [rows NAME, ...] [columns NAME, ...]
 *           | contract [rows NAME, ...] [columns NAME, ... | each NAME] [over NAME, ...]
 *           | attention [queries NAME, ...] [features NAME, ...] [keys NAME, ...]
 *                 the kind of computation (ir/definition/form.h); it is derived if it is left out,
 *                 or if the caller gives bounds of dims
 *
 * The op `define` means its definition and nothing else; its operands are the values that the
 * definition loads, and `op` gives its kernel's name. In a definition %x[i, k] and @w[k, j] are
 * elements of values; plain names are index variables, lets and symbols of dims; dim(E) is a dim
 * given by an expression over symbols. A name of a reduction's variable means the same variable
 * wherever it occurs; `index` declares variables that a let uses before a reduction does. A let
 * only gives a name: equal expressions are computed once with or without it. A `define` with
 * several results is a group, which one kernel computes. Index variables that occur on the left of
 * all its elements are shared loops around the others; in these loops each element is computed
 * after those before it, and may load from them what has the same shared indices. Indices of a
 * result are written in the order of axes in memory, which is that of the type, except that the
 * axis given by `last` is innermost; loads of the value use the same order. `checks` lists the ONNX
 * nodes whose indices come from data. */
#ifndef FV_IR_DEFINITIONS_H
#define FV_IR_DEFINITIONS_H

#include "ir/definition/definition.h"

/* Where a value is stored. */
typedef enum fv_fate {
    FV_FATE_MEMORY,      /* in memory of its own, which a kernel writes */
    FV_FATE_SUBSTITUTED, /* not stored: every reader computes it */
    FV_FATE_VIEW,        /* in the memory of the value `of`, with another shape */
    FV_FATE_PART, /* in a part of the memory of the value `of`; the part is given by def->place */
    /* in its own memory, or in that of the input `of`: other values, its parts, are written there,
     * or a custom kernel updates the input's memory; otherwise it has no kernel */
    FV_FATE_ASSEMBLED
} fv_fate;

typedef struct fv_defined {
    fv_value *value;
    fv_fate fate;
    /* the definition; NULL for ASSEMBLED, and for VIEW and SUBSTITUTED if no later step uses the
     * definition */
    fv_definition *def;
    /* VIEW, PART: the value whose memory is used; ASSEMBLED: the input in whose memory it is
     * stored, or NULL */
    fv_value *of;
    /* whether later steps use the op of the value, so that a text contains the op unchanged */
    bool asked;
    int last; /* the axis that is innermost in memory instead of the last one; -1: none is moved */
    /* ONNX nodes of the op, and of all definitions that were substituted into this one */
    const fv_origin *origin;
    int nchecks; /* number of ONNX nodes whose indices come from data */
    const char *const *checks;
} fv_defined;

/* Names of the steps of lowering in their order (ir/definition/steps.def), NULL-terminated. */
const char *const *fv_lower_steps(void);
/* Does `step` come after the step called `after`? */
bool fv_step_comes(const char *after, const char *step) FV_MUST_USE;

/* The axis of the type that is axis i in memory, where axis `last` is innermost in memory. */
static inline int fv_memory_axis(int rank, int last, int i) {
    return last < 0 || i < last ? i : i == rank - 1 ? last : i + 1;
}

/* The values of main for which a text states how they are computed or stored, in order. Parameters,
 * constants and results of recurrences are not among them; results of custom kernels and of loops
 * are only if they are ASSEMBLED. */
typedef struct fv_definitions {
    const char *after; /* the last step of lowering that was done; an interned name */
    int n, cap;
    fv_defined *all;
    int nrecurrences, cap_recurrences;
    /* the recurrences, one per op; their results have no other definition */
    struct fv_recurrence **recurrences;
    /* the types of inputs and outputs as callers see them, where these are packed or are only a
     * part of the memory; NULL: as in main */
    const fv_type **in, **out;
} fv_definitions;

struct fv_layout;
/* A callback before each pass and each step of lowering, to show progress; NULL: none. */
typedef struct fv_step_progress {
    void *user;
    void (*begins)(void *user, const char *step);
} fv_step_progress;

/* Callbacks after each pass (d is NULL) and each step of lowering: `look` gets the module, `took`
 * the duration in milliseconds. `laid_out` gets the name and the layout of each constant that is
 * laid out for a kernel. Each may be NULL. */
typedef struct fv_watch {
    void *user;
    void (*look)(void *user, const char *step, const fv_module *m, const fv_definitions *d);
    void (*took)(void *user, const char *step, double ms);
    void (*laid_out)(void *user, const char *name, const struct fv_layout *layout);
    fv_step_progress progress; /* does not see results, so models may still come from the cache */
} fv_watch;

/* Does every symbol of data in the dims of `t` occur in the dims of `by`? Then code that knows
 * memory of type `by` knows the dims of t. */
bool fv_type_is_known_from(const fv_type *t, const fv_type *by) FV_MUST_USE;

/* the op of a value that has a definition; not in the catalogue */
extern const fv_opdef fv_define_def;
/* The op of values given by a recurrence (ir/definition/recurrence.h). */
extern const fv_opdef fv_recurrence_def;
/* Branches in the list of ops: ops between `if` and `else` run if the operand of `if` is true,
 * those between `else` and `endif` if not. The operands of `else` and of `endif` are the results of
 * the two branches; the results of `endif` are those of the branch that ran. The attribute
 * `symbols` of `endif` has symbols that are bound to its `dims`, or to those of `else`. Not in the
 * catalogue. */
extern const fv_opdef fv_if_def, fv_else_def, fv_endif_def;
/* A Loop in the list of ops: ops between `loop` and `endloop` run in each iteration, at most
 * `times` times if that is given, and as long as the condition is true if there is one: the first
 * operand of `loop` before the first iteration, that of `endloop` after each. The other operands
 * are the states. The results of `loop` are the states in an iteration, those of `endloop` the
 * states after the last one. The `symbols` of `loop`, the first of which is the number of the
 * iteration, are bound to the dims `first` in the first iteration and to `next` in later ones; the
 * `symbols` of `endloop` get the values that they would have in one more iteration. Not in the
 * catalogue. */
extern const fv_opdef fv_loop_def, fv_endloop_def;
/* 1 if op begins a branch or loop (if, loop), -1 if it ends one, else 0. */
int fv_mark_depth(const fv_op *op);
/* The `endloop` of a `loop`, the `loop` of an `endloop`; NULL: there is none. */
fv_op *fv_loop_end(const fv_op *op);
fv_op *fv_loop_begin(const fv_op *op);
/* Is op a group: a `define` with several results, which one kernel computes? */
bool fv_is_group(const fv_op *op) FV_MUST_USE;
/* Finds the index variables that all n definitions have, in the order of the first one; `shared`
 * has room for FV_MAX_RANK. Returns their number. */
int fv_group_shared(int n, fv_definition *const *all, fv_var **shared);
/* Does the op read its operands from memory, so that they cannot be substituted into it? */
bool fv_reads_memory(const fv_op *op) FV_MUST_USE;
/* The op of that name that occurs only in texts of definitions; NULL: there is none. */
const fv_opdef *fv_definitions_op(const char *name);
/* The `else` (or `endif`) of an `if`, the `endif` of an `else`; NULL: there is none. */
fv_op *fv_branch_next(const fv_op *op);
/* The stem of the name of the op's kernel: the name of the op, or for a `define` or `recurrence`
 * that of the op from which it was made. */
const char *fv_op_stem(const fv_op *op);

#endif
