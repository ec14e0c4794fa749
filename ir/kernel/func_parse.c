/* func_parse.c - parses functions of the kernel language: `func name(x: f32) -> f32 { let ...
 * return ... }`. Elementary functions are written in this way, and inlined where they are used.
 * A program uses few of the functions of a file, so each is parsed when it is first used. */
#include "ir/kernel/func_parse.h"

#include <string.h>

#include "ir/base/diag.h"
#include "ir/base/ptrmap.h"
#include "ir/kernel/parser.h"

/* A function that was looked for. */
typedef struct entry {
    const char *text;     /* where its text begins; NULL: the file has no such function */
    int line;             /* the number of that line */
    const fv_kfunc *func; /* NULL: it was not parsed yet, or not without an error */
} entry;

struct fv_kfuncs {
    const char *name, *text;
    fv_arena *arena;
    fv_ptrmap entries; /* interned name -> entry */
};

/* ---- parsing ---- */

/* The functions that the text of one function may call: those before `end`. */
typedef struct scope {
    fv_kfuncs *file;
    const char *end;
} scope;

static const fv_kfunc *find_before(fv_kfuncs *file, const char *name, const char *end);

static const fv_kfunc *find_above(fv_kparser *p, const char *name) {
    const scope *s = p->funcs;
    return find_before(s->file, name, s->end);
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

/* ---- finding ---- */

/* The function of that name, whose text is looked for the first time. */
static entry *entry_of(fv_kfuncs *file, const char *name) {
    static const char word[] = "func ";
    const size_t k = sizeof word - 1, n = strlen(name);
    void **found = fv_ptrmap_at(&file->entries, fv_intern(fv_arena_session(file->arena), name));
    if (*found)
        return *found;
    entry *f = FV_NEW(file->arena, entry, 1);
    int line = 1;
    for (const char *at = file->text; at && !f->text; line++) {
        if (!strncmp(at, word, k) && !strncmp(at + k, name, n) && at[k + n] == '(')
            *f = (entry){.text = at, .line = line};
        const char *next = strchr(at, '\n');
        at = next ? next + 1 : NULL;
    }
    return *found = f;
}

static const fv_kfunc *parse_at(fv_kfuncs *file, const char *text, int line) {
    fv_session *session = fv_arena_session(file->arena);
    const char *before = fv_diag_file_get(session);
    scope s = {file, text};
    fv_kparser p;
    fv_diag_file(session, file->name);
    fv_kparser_init(&p, file->arena, text);
    p.l.line += line - 1;
    p.l.tok.line += line - 1;
    p.funcs = &s;
    p.find_func = find_above;
    fv_kfunc *f = parse_func(&p);
    fv_diag_file(session, before);
    return p.l.failed ? NULL : f;
}

/* The function of that name, if its text begins before `end`; end NULL: anywhere in the file. */
static const fv_kfunc *find_before(fv_kfuncs *file, const char *name, const char *end) {
    entry *f = entry_of(file, name);
    if (!f->text || (end && f->text >= end))
        return NULL;
    if (!f->func)
        f->func = parse_at(file, f->text, f->line);
    return f->func;
}

fv_kfuncs *fv_kfuncs_new(fv_arena *a, const char *name, const char *text) {
    fv_kfuncs *file = FV_NEW(a, fv_kfuncs, 1);
    file->name = name;
    file->text = text;
    file->arena = a;
    file->entries = fv_ptrmap_in(a);
    return file;
}

const fv_kfunc *fv_kfuncs_find(fv_kfuncs *file, const char *name) {
    return find_before(file, name, NULL);
}
