/* parts.h - what the parser, the matcher and the conditions of rules share. */
#ifndef FV_IR_RULE_PARTS_H
#define FV_IR_RULE_PARTS_H

#include "ir/base/text.h"
#include "ir/graph/graph.h"
#include "ir/rule/rule.h"

enum { FV_MAX_CAPTURES = 32 };

/* ---- rule.c: matching ---- */

typedef struct fv_matcher {
    fv_session *session;
    fv_module *module;
    const fv_rule *rule;
    fv_op *op; /* that it is tried at */
    fv_capture captures[FV_MAX_CAPTURES];
    int n;
    int depth, deepest; /* parts that matched, and the most that ever did */
    int goals;          /* that were tried */
    bool explain;
    const char *why, *captured; /* of the deepest */
    bool (*may)(void *user, const fv_rule *r, const fv_op *op); /* NULL: nobody is asked */
    void *user;
} fv_matcher;

const fv_capture *fv_rule_capture(const fv_matcher *m, const char *name);

/* ---- pattern.c: what a node of a pattern is ---- */

typedef enum {
    FV_PATTERN_NAME,     /* x */
    FV_PATTERN_NUMBER,   /* 0.5 */
    FV_PATTERN_ABOUT,    /* ~sqrt(2) */
    FV_PATTERN_OP,       /* Add(x, y) */
    FV_PATTERN_EITHER,   /* Div(x, y) | Mul(x, y) */
    FV_PATTERN_OPTIONAL, /* optional(Cast, x) */
    FV_PATTERN_REPEATED, /* repeated(Cast, x) */
    FV_PATTERN_RESULT,   /* result(1, TopK(x, k)) */
    FV_PATTERN_REST,     /* xs.. */
    FV_PATTERN_NONE
} fv_pattern_kind;

fv_pattern_kind fv_pattern_kind_of(const fv_ast *p);
/* How many results an op has of which number `result` is wanted: that, and those that are not optional. */
int fv_rule_results(const fv_opdef *def, int result);

/* ---- where.c: numbers and conditions ---- */

/* A number without names of values: 0.5, sqrt(2), 2 * pi. */
bool fv_rule_number(const fv_ast *a, double *out) FV_MUST_USE;
/* The value of what is one: rules are checked when they are parsed (assert). */
double fv_rule_value(const fv_ast *a);
/* Is x what `want` becomes when it is rounded to type e? */
bool fv_rule_rounds_to(fv_elem e, double want, double x) FV_MUST_USE;
/* `c ~ e`, c of a type. */
enum { FV_ABOUT_ULPS = 2 };
bool fv_rule_is_about(fv_elem type, double c, double e) FV_MUST_USE;
bool fv_rule_holds(const fv_matcher *m, const fv_ast *condition) FV_MUST_USE;

/* ---- parse.c: names ---- */

/* What a pattern captures, as far as the text tells. */
typedef struct fv_rule_name {
    const char *name;
    bool is_attr;
    fv_attr_kind kind; /* of an attribute */
    bool is_rest;      /* operands: xs.. */
} fv_rule_name;

typedef struct fv_rule_scope {
    fv_session *session;
    const char *rule; /* its name */
    fv_rule_name names[FV_MAX_CAPTURES];
    int n;
} fv_rule_scope;

const fv_rule_name *fv_rule_find_name(const fv_rule_scope *s, const char *name);
/* "rule NAME: ...", at a place in the text. Returns false. */
bool fv_rule_error(const fv_rule_scope *s, const fv_ast *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* where.c: is the condition one? False after a diagnostic. */
bool fv_rule_check_condition(const fv_rule_scope *s, const fv_ast *condition) FV_MUST_USE;

void fv_rule_print_condition(fv_text *t, const fv_ast *c);

/* `L(a, b) => R`: the meaning of an op. */
bool fv_rule_parse_meaning(fv_arena *a, const fv_opdef *def, const char *text, fv_rule *out) FV_MUST_USE;

#endif
