/* parts.h - declarations shared by the parser, the matcher and the conditions of rules. */
#ifndef FV_IR_RULE_PARTS_H
#define FV_IR_RULE_PARTS_H

#include "ir/base/text.h"
#include "ir/graph/graph.h"
#include "ir/rule/body.h"
#include "ir/rule/number.h"
#include "ir/rule/pattern.h"
#include "ir/rule/rule.h"

enum { FV_MAX_CAPTURES = 32 };

/* ---- rule.c: matching ---- */

typedef struct fv_matcher {
    fv_session *session;
    fv_module *module;
    const fv_rule *rule;
    fv_op *op; /* the op at which the rule is tried */
    fv_capture captures[FV_MAX_CAPTURES];
    int n;
    /* number of parts of the pattern that match at present, and its maximum so far */
    int depth, deepest;
    int goals; /* number of attempts so far */
    bool explain;
    const char *why, *captured; /* at the deepest attempt: why it failed, and the captures */
    /* called before the rule is applied; false: it is not applied. NULL: there is no such
     * callback */
    bool (*may)(void *user, const fv_rule *r, const fv_op *op);
    void *user;
} fv_matcher;

/* ---- names.c: names in the text of a rule ---- */

/* What the text of a rule determines about a captured name. */
typedef struct fv_rule_name {
    const char *name;
    bool is_attr;
    fv_attr_kind kind; /* the kind of an attribute */
    bool is_rest;      /* whether the name stands for a list of operands, xs.. */
    bool is_any; /* in a definition: the kind of the name becomes known only when it is built */
} fv_rule_name;

typedef struct fv_rule_scope {
    fv_session *session;
    const char *rule;    /* name of the rule */
    const fv_opdef *def; /* the op whose meaning the text is; NULL: there is none */
    bool in_body;        /* whether the text is a definition of an expansion (ir/rule/body.h) */
    fv_rule_name names[FV_MAX_BODY_NAMES];
    int n;
} fv_rule_scope;

const fv_rule_name *fv_rule_find_name(const fv_rule_scope *s, const char *name);
/* Reports "rule NAME: ..." with a position in the text. Returns false. */
bool fv_rule_error(const fv_rule_scope *s, const fv_ast *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Adds a name to the scope; false after a diagnostic. */
bool fv_rule_add_name(fv_rule_scope *s, const fv_ast *at, const char *called,
                      fv_rule_name name) FV_MUST_USE;
/* What the match has captured under that name; NULL: nothing yet. */
const fv_capture *fv_rule_capture(const fv_matcher *m, const char *name);

/* ---- where.c: conditions ---- */

bool fv_rule_holds(const fv_matcher *m, const fv_ast *condition) FV_MUST_USE;
/* Is the condition well-formed? False after a diagnostic. */
bool fv_rule_check_condition(const fv_rule_scope *s, const fv_ast *condition) FV_MUST_USE;

/* ---- parse.c ---- */

void fv_rule_print_condition(fv_text *t, const fv_ast *c);

/* Is an expression of the right side well-formed? False after a diagnostic. */
bool fv_rule_check_new(const fv_rule_scope *s, const fv_ast *x) FV_MUST_USE;

/* ---- build.c: the right side, and what definitions describe ---- */

/* Begins to build the definition that is the meaning of op: gives names to its operands and
 * attributes. */
struct fv_build *fv_build_begin(fv_rewriter *w, const fv_op *op, const fv_body *b);
/* Builds an expression of the definition; a number becomes a constant of type `of`. */
fv_value *fv_build_value(struct fv_build *e, const fv_ast *x, fv_elem of);

/* Is there a function of that name that takes n arguments? */
bool fv_rule_function_is(const char *name, int n) FV_MUST_USE;
/* Builds the right side of a rule from what its pattern captured; NULL after an error. */
fv_value *fv_rule_build(fv_rewriter *w, int n, const fv_capture *captures, const fv_ast *right);

#endif
