/* formula_parts.h - declarations shared by the files that evaluate formulas. */
#ifndef FV_IR_DEFINITION_FORMULA_PARTS_H
#define FV_IR_DEFINITION_FORMULA_PARTS_H

#include "ir/base/limits.h"
#include "ir/catalogue/op.h"
#include "ir/definition/formula.h"
#include "ir/syntax/ast.h"

/* The value of a subexpression. A weak value (a literal or attribute) takes the type of the operand
 * that it is combined with. */
typedef struct fv_fvalue {
    fv_expr *x;
    bool weak, weak_int;
    double f;  /* the number, if the value is weak */
    int64_t i; /* the integer, if the value is weak and an integer */
} fv_fvalue;

/* An index group: several axes under one name. */
typedef struct fv_fgroup {
    const char *name;
    int rank;
    fv_expr *index[FV_MAX_RANK];
    fv_var *var[FV_MAX_RANK];
    bool ranked;
} fv_fgroup;

typedef struct fv_fname { /* an index, or a scalar that a statement names */
    const char *name;
    fv_var *var;
    fv_ast *ast;
    fv_fvalue memo;
    bool known, busy;
} fv_fname;

enum { FV_F_MAX_NAMES = 64 };

typedef struct fv_fenv {
    fv_definer *d;
    fv_op *op;
    fv_arena *arena;
    fv_session *session;
    const fv_definition *result; /* the definition that is being made */
    fv_fgroup groups[FV_F_MAX_NAMES];
    fv_fname names[FV_F_MAX_NAMES];
    int ngroups, nnames;
    bool failed;
} fv_fenv;

/* ---- formula_index.c: errors ---- */

/* Reports "formula of OP: ..." with a position in the formula; later errors are suppressed. Returns
 * false. */
bool fv_f_error(fv_fenv *e, const fv_ast *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
fv_fvalue fv_f_none(fv_fenv *e); /* a dummy value after an error */
#define FV_F_FAIL(e, ...) (fv_f_error((e), __VA_ARGS__), fv_f_none(e))

/* ---- formula_expr.c: scalars ---- */

fv_fvalue fv_f_eval(fv_fenv *e, fv_ast *a);
fv_fvalue fv_f_binary(fv_fenv *e, fv_ast *a, fv_fvalue x, fv_fvalue y);
/* Evaluates an expression whose value is known as a dim, such as an extent or a rank. False after a
 * diagnostic. */
bool fv_f_dim(fv_fenv *e, fv_ast *a, const fv_dim **out) FV_MUST_USE;
static inline fv_fvalue fv_f_strong(fv_expr *x) {
    return (fv_fvalue){.x = x};
}
/* v as an expression: of type t if it is weak, otherwise of its own type. */
fv_expr *fv_f_give(fv_fenv *e, fv_fvalue v, fv_elem t);
/* v as an expression; a weak integer gets the type i64, another weak number the arithmetic type of
 * the first operand if that is a float, otherwise f32. */
fv_expr *fv_f_settle(fv_fenv *e, fv_fvalue v);

/* ---- formula_index.c: names, indices, reductions ---- */

/* index of the operand with that name; -1: there is none */
int fv_f_operand(const fv_operand_def *defs, int max, const char *name);
/* type of the operand or result with that name; NULL: there is none */
const fv_type *fv_f_tensor(fv_fenv *e, const char *name);
fv_fgroup *fv_f_find_group(fv_fenv *e, const char *name);
fv_fgroup *fv_f_add_group(fv_fenv *e, const fv_ast *at, const char *name);
fv_fname *fv_f_find_name(fv_fenv *e, const char *name);
fv_fname *fv_f_add_name(fv_fenv *e, const fv_ast *at, const char *name);
const fv_attr_def *fv_f_attr(fv_fenv *e, const char *name);
/* The first axis and the number of axes that item `item` of an index list indexes in a tensor of
 * that rank; false: not known. */
bool fv_f_axes(fv_fenv *e, const fv_ast *index, int item, int rank, int *axis,
               int *count) FV_MUST_USE;
fv_fvalue fv_f_index(fv_fenv *e, fv_ast *a);
fv_fvalue fv_f_reduce(fv_fenv *e, fv_ast *a);

#endif
