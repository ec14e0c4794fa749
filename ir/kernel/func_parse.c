/* func_parse.c - parses functions of the kernel language: `func name(x: f32) -> f32 { let ...
 * return ... }`. Elementary functions are written in this way, and inlined where they are used. */
#include "ir/kernel/func_parse.h"

#include <string.h>

#include "ir/kernel/parser.h"

/* ---- parsing ---- */

static const fv_kfunc *find_above(fv_kparser *p, const char *name) {
    fv_ptrmap *funcs = p->funcs;
    return fv_ptrmap_get(funcs, name);
}

static bool parse_params(fv_kparser *p, fv_kfunc *f) {
    int cap = 0;
    if (!fv_lex_expect(&p->l, "("))
        return false;
    do {
        fv_elem e;
        int lanes;
        const char *name = fv_lex_name(&p->l, "a parameter");
        if (!name || !fv_lex_expect(&p->l, ":") || !fv_kp_parse_elem(p, &e, &lanes))
            return false;
        fv_var *v = fv_var_new(p->arena, name, fv_kt(e, 1));
        fv_scope_var(p, name, v);
        FV_PUSH(p->arena, f->params, f->nparams, cap, v);
    } while (fv_lex_accept(&p->l, ","));
    return fv_lex_expect(&p->l, ")");
}

static fv_kfunc *parse_func(fv_kparser *p) {
    fv_kfunc *f = FV_NEW(p->arena, fv_kfunc, 1);
    fv_elem result;
    int lanes;
    if (!fv_lex_expect(&p->l, "func") || !(f->name = fv_lex_name(&p->l, "the function's name")))
        return NULL;
    if (!parse_params(p, f) || !fv_lex_expect(&p->l, "->") ||
        !fv_kp_parse_elem(p, &result, &lanes) || !fv_lex_expect(&p->l, "{"))
        return NULL;
    p->float_default = result == FV_F64 ? FV_F64 : FV_F32;
    fv_kb_init(&p->b, p->arena, NULL, &f->body);
    while (!fv_lex_is(&p->l, "return") && p->l.tok.kind != FV_TOK_END)
        if (!fv_kp_parse_stmt(p))
            return NULL;
    if (!fv_lex_expect(&p->l, "return"))
        return NULL;
    f->result = fv_kx_parse(p, result);
    return f->result && fv_lex_expect(&p->l, "}") ? f : NULL;
}

bool fv_kfuncs_parse(fv_arena *a, const char *text, int *n, const fv_kfunc *const **out) {
    fv_kparser p;
    fv_kparser_init(&p, a, text);
    fv_ptrmap funcs = fv_ptrmap_in(a);
    p.funcs = &funcs;
    p.find_func = find_above;
    const fv_kfunc **list = NULL;
    int count = 0, cap = 0;
    while (p.l.tok.kind != FV_TOK_END && !p.l.failed) {
        int mark = fv_scope_open(&p);
        fv_kfunc *f = parse_func(&p);
        fv_scope_close(&p, mark);
        if (!f)
            return false;
        *fv_ptrmap_at(&funcs, f->name) = f;
        FV_PUSH(a, list, count, cap, f);
    }
    *n = count;
    *out = list;
    return !p.l.failed;
}
