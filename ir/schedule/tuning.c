/* tuning.c - tuning files: reading, writing, looking up entries. */
#include "ir/schedule/tuning.h"

#include <string.h>

#include "ir/base/limits.h"

/* ---- reading ---- */

/* Parses a line such as `model "..."` into the member of the same name. */
#define PARSE_LINE(l, u, member)                                                                   \
    (fv_lex_expect(l, #member) &&                                                                  \
     ((u)->at_##member.line = (l)->tok.line, (u)->at_##member.column = (l)->tok.column,            \
      ((u)->member = fv_lex_text(l, "the text of '" #member "'")) != NULL))

static bool is_key(const char *s) {
    return strlen(s) == FV_KERNEL_KEY && strspn(s, "0123456789abcdef") == FV_KERNEL_KEY;
}

static bool parse_kernel(fv_lexer *l, fv_tuning *u, int *cap) {
    fv_tuned_kernel k = {.line = l->tok.line, .column = l->tok.column};
    fv_token at = l->tok;
    if (!(k.key = fv_lex_text(l, "the key of a kernel")))
        return false;
    const char *wrong = !is_key(k.key) ? "is no key of a kernel, which is 16 digits from 0 to f"
                        : fv_tuning_find(u, k.key) ? "is given twice"
                                                   : NULL;
    if (wrong) {
        l->tok = at;
        return fv_lex_error(l, "\"%.60s\" %s", k.key, wrong);
    }
    if (u->n == FV_MAX_TUNED)
        return fv_lex_error(l, "there are more than %d kernels", FV_MAX_TUNED);
    if (!fv_schedule_parse(l, &k.schedule, &k.places, true))
        return false;
    FV_PUSH(l->arena, u->kernels, u->n, *cap, k);
    return true;
}

static bool parse(fv_lexer *l, fv_tuning *u) {
    int cap = 0;
    if (!fv_lex_format(l, "tuning", FV_TUNING_FORMAT) || !PARSE_LINE(l, u, model) ||
        !PARSE_LINE(l, u, producer) || !PARSE_LINE(l, u, target) || !PARSE_LINE(l, u, cpu))
        return false;
    while (fv_lex_accept(l, "kernel"))
        if (!parse_kernel(l, u, &cap))
            return false;
    if (!fv_lex_accept(l, "end")) /* the last word of a file; without it the file was cut */
        return fv_lex_error(l, "expected 'kernel' or 'end', found %s", fv_lex_found(l));
    return l->tok.kind == FV_TOK_END ||
           fv_lex_error(l, "expected the end of the text, found %s", fv_lex_found(l));
}

fv_tuning *fv_tuning_parse(fv_session *s, fv_arena *a, const char *text) {
    fv_tuning *u = FV_NEW(a, fv_tuning, 1);
    fv_lexer l;
    fv_lex_init(&l, s, a, text);
    u->path = fv_diag_file_get(s);
    return parse(&l, u) && !l.failed ? u : NULL;
}

/* ---- writing ---- */

void fv_tuning_print(fv_text *t, const fv_tuning *u) {
    fv_text_printf(t, "fovea-tuning %d\n", FV_TUNING_FORMAT);
    fv_text_entry(t, "model", u->model);
    fv_text_entry(t, "producer", u->producer);
    fv_text_entry(t, "target", u->target);
    fv_text_entry(t, "cpu", u->cpu);
    for (int i = 0; i < u->n; i++) {
        const fv_tuned_kernel *k = &u->kernels[i];
        fv_text_printf(t, "kernel \"%s\" ", k->key);
        fv_schedule_print(t, &k->schedule);
        if (k->note) { /* printed as a string, since a line end in the note would end the entry */
            fv_text_put(t, "    # ");
            fv_text_escaped(t, k->note, strlen(k->note), '"');
        }
        fv_text_put(t, "\n");
    }
    fv_text_put(t, "end\n");
}

const fv_tuned_kernel *fv_tuning_find(const fv_tuning *u, const char *key) {
    for (int i = 0; i < u->n; i++)
        if (u->kernels[i].key && !strcmp(u->kernels[i].key, key))
            return &u->kernels[i];
    return NULL;
}
