/* check_draw.c - see check_draw.h. */
#include "passes/check_draw.h"

#include <string.h>

#include "ir/base/text.h"
#include "ir/catalogue/own.h"
#include "ir/rule/parts.h"

enum { MOST_OPERANDS = 3, MOST_SKIPPED = 3 };

/* The state of drawing a pattern: the number of operands that `xs..` stands for is drawn once. */
typedef struct drawing {
    fv_arena *arena;
    fv_random *r;
    const char *names[FV_MAX_CAPTURES];
    int counts[FV_MAX_CAPTURES], n;
} drawing;

static fv_ast *draw(drawing *d, const fv_ast *p);

static fv_ast *copy_without_arguments(const drawing *d, const fv_ast *p, int room) {
    fv_ast *x = FV_NEW(d->arena, fv_ast, 1);
    *x = *p;
    x->n = 0;
    x->arg = FV_NEW(d->arena, fv_ast *, room + 1);
    return x;
}

/* The largest number of operands that `xs..` stands for in a call: MOST_OPERANDS if the op has a
 * variadic operand, otherwise the number of its optional operands. */
static int most_operands(const drawing *d, const fv_ast *call) {
    const fv_opdef *def = fv_op_get_in(fv_arena_session(d->arena), call->name);
    int n = 0;
    for (int i = 0; i < FV_MAX_IN && def->in[i].name; i++)
        if (def->in[i].arity == FV_VARIADIC)
            return MOST_OPERANDS;
        else
            n += def->in[i].arity == FV_OPTIONAL_OPERAND;
    return n;
}

/* The number of operands that `name..` stands for in that call of an op. */
static int count_of(drawing *d, const fv_ast *call, const char *name) {
    int i = 0;
    while (i < d->n && strcmp(d->names[i], name) != 0)
        i++;
    if (i == d->n) {
        d->names[d->n] = name;
        d->counts[d->n++] = fv_random_below(d->r, most_operands(d, call) + 1);
    }
    return d->counts[i];
}

static void add_operands(drawing *d, fv_ast *call, const fv_ast *pattern, const fv_ast *rest) {
    int n = count_of(d, pattern, rest->name);
    for (int i = 0; i < n; i++) {
        fv_ast *x = copy_without_arguments(d, rest, 0);
        x->kind = FV_AST_NAME;
        x->name = fv_printf(d->arena, "%s.%d", rest->name, i);
        call->arg[call->n++] = x;
    }
}

static fv_ast *draw_call(drawing *d, const fv_ast *p) {
    fv_ast *call = copy_without_arguments(d, p, p->n * MOST_OPERANDS);
    for (int i = 0; i < p->n; i++)
        if (p->arg[i]->kind == FV_AST_GROUP)
            add_operands(d, call, p, p->arg[i]);
        else
            call->arg[call->n++] = p->arg[i]->kind == FV_AST_NAMED ? p->arg[i] : draw(d, p->arg[i]);
    return call;
}

/* Puts x into an op that the pattern marks as optional. */
static fv_ast *wrap(drawing *d, const fv_ast *wrapper, fv_ast *x) {
    while (fv_pattern_kind_of(wrapper) == FV_PATTERN_EITHER)
        wrapper = wrapper->arg[fv_random_below(d->r, 2)];
    fv_ast *call = copy_without_arguments(d, wrapper, wrapper->n + 1);
    call->kind = FV_AST_CALL;
    call->arg[call->n++] = x;
    for (int i = 0; i < wrapper->n; i++)
        call->arg[call->n++] = wrapper->arg[i];
    return call;
}

static fv_ast *draw_skipped(drawing *d, const fv_ast *p, int most) {
    fv_ast *x = draw(d, p->arg[1]);
    for (int n = fv_random_below(d->r, most + 1); n > 0; n--)
        x = wrap(d, p->arg[0], x);
    return x;
}

static fv_ast *draw(drawing *d, const fv_ast *p) {
    fv_ast *x;
    switch (fv_pattern_kind_of(p)) {
    case FV_PATTERN_OP: return draw_call(d, p);
    case FV_PATTERN_EITHER: return draw(d, p->arg[fv_random_below(d->r, 2)]);
    case FV_PATTERN_OPTIONAL: return draw_skipped(d, p, 1);
    case FV_PATTERN_REPEATED: return draw_skipped(d, p, MOST_SKIPPED);
    case FV_PATTERN_RESULT:
        x = copy_without_arguments(d, p, 2);
        x->arg[x->n++] = p->arg[0];
        x->arg[x->n++] = draw(d, p->arg[1]);
        return x;
    case FV_PATTERN_NAME:
    case FV_PATTERN_NUMBER:
    case FV_PATTERN_ABOUT:
    case FV_PATTERN_REST:
    case FV_PATTERN_NONE: break;
    }
    x = FV_NEW(d->arena, fv_ast, 1);
    *x = *p;
    return x;
}

fv_ast *fv_pattern_draw(fv_arena *a, fv_random *r, const fv_ast *pattern) {
    drawing d = {.arena = a, .r = r};
    return draw(&d, pattern);
}
