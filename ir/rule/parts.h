/* parts.h - interface between the parser, the matcher and the conditions of rules. */
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
    int depth, deepest; /* number of parts that match at present, and the maximum so far */
    int goals;          /* number of attempts */
    bool explain;
    const char *why, *captured; /* for the deepest attempt */
    /* is asked before the rule is applied; NULL: nobody is */
    bool (*may)(void *user, const fv_rule *r, const fv_op *op);
    void *user;
} fv_matcher;

const fv_capture *fv_rule_capture(const fv_matcher *m, const char *name);

/* ---- where.c: conditions ---- */

bool fv_rule_holds(const fv_matcher *m, const fv_ast *condition) FV_MUST_USE;

/* ---- parse.c: names ---- */

/* What the text of a rule says about a captured name. */
typedef struct fv_rule_name {
    const char *name;
    bool is_attr;
    fv_attr_kind kind; /* of an attribute */
    bool is_rest;      /* a list of operands, xs.. */
    bool is_any;       /* of a definition: what it is, is known when it is built */
} fv_rule_name;

typedef struct fv_rule_scope {
    fv_session *session;
    const char *rule;    /* its name */
    const fv_opdef *def; /* the op that this is the meaning of; NULL: none */
    bool in_body;        /* the text of an expansion (ir/rule/body.h) */
    fv_rule_name names[FV_MAX_BODY_NAMES];
    int n;
} fv_rule_scope;

const fv_rule_name *fv_rule_find_name(const fv_rule_scope *s, const char *name);
/* Reports "rule NAME: ..." with a position in the text. Returns false. */
bool fv_rule_error(const fv_rule_scope *s, const fv_ast *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Is the condition well-formed? False after a diagnostic (where.c). */
bool fv_rule_check_condition(const fv_rule_scope *s, const fv_ast *condition) FV_MUST_USE;

void fv_rule_print_condition(fv_text *t, const fv_ast *c);

/* Adds a name; false after a diagnostic. */
bool fv_rule_add_name(fv_rule_scope *s, const fv_ast *at, const char *called,
                      fv_rule_name name) FV_MUST_USE;
/* Is an expression of the right side well-formed? False after a diagnostic. */
bool fv_rule_check_new(const fv_rule_scope *s, const fv_ast *x) FV_MUST_USE;

/* ---- build.c: the right side, and what definitions describe ---- */

/* Begins with the definition that is the meaning of op: its operands and attributes have names. */
struct fv_build *fv_build_begin(fv_rewriter *w, const fv_op *op, const fv_body *b);
/* What an expression of the definition is; a number becomes a constant of that type. */
fv_value *fv_build_value(struct fv_build *e, const fv_ast *x, fv_elem of);

/* Is there a function of so many arguments? */
bool fv_rule_function_is(const char *name, int n) FV_MUST_USE;
/* Builds the right side of a rule from what its pattern captured; NULL after an error. */
fv_value *fv_rule_build(fv_rewriter *w, int n, const fv_capture *captures, const fv_ast *right);

#endif
