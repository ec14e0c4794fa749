/* body.h - expansions as text: definitions with parameters, in the files *.fvx of ops/.
 *
 *   # x in the range 0..1, and what it was divided by
 *   scaled(x[rows.., n], least) =>
 *       most = ReduceMax(x, [-1])
 *       by = Max(most, least)
 *       x / by, reshape(by, [rows])
 *
 * A definition begins at the start of a line, its further lines are indented. A parameter is a
 * value, a dim, a number, a text, a type or a list; `x[rows.., n]` also gives names to the dims of
 * its type, of which one name may take several, as a list. Then come names for expressions, and the
 * results, separated by commas. An expression is built when it is first needed, and once. Several
 * results get names by `a, b = TopK(x, k)`. An operand that is left out is `_`.
 *
 * The expressions are those of the right side of a rule (ir/rule/rule.h) and:
 *   + - * / == != < <= > >= & | !   of values: the ops Add, Sub, Mul, Div, Equal, Less, And, ...
 *                            of dims and numbers: computed when the expansion is built
 *   floordiv ceildiv mod min(a, b) max(a, b)   of dims
 *   a dim or a number as an operand   a constant, or fv.Ints, of the type that the op's other
 *                            operands determine; in a list: a vector
 *   [rows, n * 2]            a list of dims; a list in it is written out. l[i] is its entry i, or
 *                            with a list i the list of those entries
 *   f32(x), cast(x, t)       x as that type: a Cast, or a number or list of that type
 *   type(x), rank(x), dim(x, -1), shape(x), shape(x, first, n), product(l), count(l), fill(n, v)
 *   arith(x)                 the type in which elements of the type of x are computed
 *   axes(a, b)               the list a, a + 1, .. b - 1
 *   has(x)                   is the operand there?
 *   is_float(x)              is the value or type a float?
 *   select(c, a, b)          a or b, as the condition c is known when the expansion is built;
 *                            select(c, a, d, b, otherwise) has several conditions
 *   result_type(0), result_shape(0)   the type and dims of a result of the op that is expanded
 *   reshape(x, l), expand(x, l), transpose(x, l), flat(x)
 *   slice(x, axis, first, n) n elements of an axis
 *   bound(x, lo)             the integer x, at least lo, as a dim
 *   bind(x, d)               the dim d, which the integer x is: bound or checked at run time
 *   name(a, b)               the result of the definition of that name
 *
 * The meaning of an op: `.body` is the name of a definition. Its parameters are the operands in
 * their order, all attributes of the newest version are known by their names, and so are the
 * results of the op, which its names define; or the last line gives them in their order. What a
 * result needs that is not read is not built. C uses the definitions with fv_w_call. */
#ifndef FV_IR_RULE_BODY_H
#define FV_IR_RULE_BODY_H

#include "ir/graph/rewriter.h"
#include "ir/syntax/ast.h"

/* The texts that define bodies; the last one is NULL (ops/families.c). */
extern const char *const *const fv_body_texts[];

/* The beginning of the definition of that name in its text, which continues with other definitions
 * (fv_body_bytes); NULL: there is none. */
const char *fv_body_text(const char *name);
/* Does a call of that name in an expression refer to a definition? A name of a standard operator
 * refers to the operator. */
bool fv_body_is(const char *name) FV_MUST_USE;
/* The number of bytes of the definition that begins at `text`. */
size_t fv_body_bytes(const char *text);

enum { FV_MAX_BODY_NAMES = 96 };

typedef struct fv_body_let {
    int n; /* number of names, which are the results of one op or definition */
    const char *names[FV_MAX_OUT];
    fv_ast *value;
} fv_body_let;

typedef struct fv_body {
    const char *name;
    int nparams, nlets, nresults;
    fv_ast **params;
    fv_body_let *lets;
    fv_ast **results;
    struct fv_body *next; /* another definition for the same op */
} fv_body;

/* Parses a definition and resolves its names. def: the op whose meaning it is; NULL: none, or not
 * known. False after a diagnostic. */
bool fv_body_parse(fv_arena *a, const fv_opdef *def, const char *name, const char *text,
                   fv_body *out) FV_MUST_USE;
/* The definition of that name, which is parsed once in a session; NULL after a diagnostic. */
const fv_body *fv_body_find(fv_session *s, const fv_opdef *def, const char *name);

/* ---- build.c, expand.c ---- */

/* An argument of a definition: a value, which may be NULL, or another kind of argument, made by one
 * of the macros. */
typedef struct fv_arg {
    fv_value *value;
    const fv_dim *dim;
    const char *text;
    enum { FV_ARG_VALUE, FV_ARG_DIM, FV_ARG_INT, FV_ARG_FLOAT, FV_ARG_ELEM, FV_ARG_LIST } kind;
    int64_t i; /* for an INT the number, for an ELEM the element type, for a LIST the length */
    double f;
    const fv_dim *const *dims;
} fv_arg;
#define FV_DIM(d)     {.kind = FV_ARG_DIM, .dim = (d)}
#define FV_INT(n)     {.kind = FV_ARG_INT, .i = (n)}
#define FV_FLOAT(x)   {.kind = FV_ARG_FLOAT, .f = (x)}
#define FV_ELEM(e)    {.kind = FV_ARG_ELEM, .i = (e)}
#define FV_DIMS(n, l) {.kind = FV_ARG_LIST, .i = (n), .dims = (l)}

/* Builds the definition with these arguments and returns its first result; NULL after an error. */
fv_value *fv_w_call(fv_rewriter *w, const char *name, int n, const fv_arg *args);
/* fv_w_call for several results of the definition. */
void fv_w_call_n(fv_rewriter *w, const char *name, int n, const fv_arg *args, int nout,
                 fv_value **out);
#define FV_CALL(w, name, ...)                                                                      \
    fv_w_call((w), (name), (int)(sizeof((fv_arg[]){__VA_ARGS__}) / sizeof(fv_arg)),                \
              (fv_arg[]){__VA_ARGS__})
#define FV_CALL_N(w, nout, out, name, ...)                                                         \
    fv_w_call_n((w), (name), (int)(sizeof((fv_arg[]){__VA_ARGS__}) / sizeof(fv_arg)),              \
                (fv_arg[]){__VA_ARGS__}, (nout), (out))

/* Replaces the results of op by those of the definition that is its meaning. */
bool fv_body_expand(fv_rewriter *w, fv_op *op, const fv_body *body) FV_MUST_USE;
bool fv_body_expand_as(fv_rewriter *w, fv_op *op, const char *name) FV_MUST_USE;
/* fv_body_expand for a meaning whose text is a rule: `Mish(x) => Mul(x, Tanh(Softplus(x)))`. */
bool fv_rule_expand(fv_rewriter *w, fv_op *op, const char *text) FV_MUST_USE;

#endif
