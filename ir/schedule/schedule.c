/* schedule.c - records of schedules, and their text. */
#include "ir/schedule/schedule.h"

#include <string.h>

typedef enum { INT, FLAG, WORD } kind;

static const struct {
    const char *name;
    kind kind;
    int64_t least, most;
    bool tuned;
} parameters[] = {
#define PARAMETER(id, kind, least, most, tuned, doc) {#id, kind, least, most, tuned},
#include "ir/schedule/schedules.def"
};

static const struct {
    const char *name;
    unsigned parameters;
} schedules[] = {
#define SCHEDULE(id, parameters, doc) {#id, parameters},
#include "ir/schedule/schedules.def"
};

static const char *const parameter_names[] = {
#define PARAMETER(id, kind, least, most, tuned, doc) #id,
#include "ir/schedule/schedules.def"
    NULL};
static const char *const schedule_names[] = {
#define SCHEDULE(id, parameters, doc) #id,
#include "ir/schedule/schedules.def"
    NULL};

static const char *const operands[] = {"direct", "packed", "packs", NULL};
static const char *const flags[] = {"false", "true", NULL};

const char *fv_schedule_name(fv_schedule_kind k) {
    return schedules[k].name;
}
const char *fv_parameter_name(fv_parameter p) {
    return parameters[p].name;
}
bool fv_parameter_is_tuned(fv_parameter p) {
    return parameters[p].tuned;
}

static const char *const *words_of(fv_parameter p) {
    return parameters[p].kind == WORD ? operands : flags;
}

/* ---- printing ---- */

void fv_schedule_print(fv_text *t, const fv_schedule *s) {
    const char *between = "";
    fv_text_printf(t, "%s {", schedules[s->kind].name);
    for (int i = 0; i < FV_NPARAMETERS; i++) {
        if (!fv_schedule_states(s, (fv_parameter)i))
            continue;
        fv_text_printf(t, "%s%s = ", between, parameters[i].name);
        if (parameters[i].kind == INT)
            fv_text_printf(t, "%lld", (long long)s->value[i]);
        else
            fv_text_put(t, words_of((fv_parameter)i)[s->value[i]]);
        between = ", ";
    }
    fv_text_put(t, "}");
}

const char *fv_schedule_brief(fv_arena *a, const fv_schedule *s) {
    fv_text t = {.arena = a};
    bool tile =
        fv_schedule_states(s, FV_PARAMETER_rows) && fv_schedule_states(s, FV_PARAMETER_columns);
    fv_text_put(&t, schedules[s->kind].name);
    if (tile)
        fv_text_printf(&t, " %lld x %lld", (long long)s->value[FV_PARAMETER_rows],
                       (long long)s->value[FV_PARAMETER_columns]);
    if (fv_schedule_states(s, FV_PARAMETER_operand) &&
        s->value[FV_PARAMETER_operand] != FV_OPERAND_DIRECT)
        fv_text_printf(&t, ", %s", operands[s->value[FV_PARAMETER_operand]]);
    if (fv_schedule_states(s, FV_PARAMETER_in_place) && s->value[FV_PARAMETER_in_place])
        fv_text_put(&t, tile ? ", in place" : " in place");
    return t.s;
}

/* ---- parsing ---- */

static int find(const char *name, const char *const *names) {
    for (int i = 0; names[i]; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

/* A suggestion for an unknown word: the most similar word, or the list of all. */
static const char *offer(fv_lexer *l, const char *word, const char *const *names) {
    const char *near = fv_nearest(word, names);
    if (near)
        return fv_printf(l->arena, "did you mean '%s'?", near);
    fv_text t = {.arena = l->arena};
    fv_text_put(&t, "there are");
    for (int i = 0; names[i]; i++)
        fv_text_printf(&t, "%s %s", i ? "," : "", names[i]);
    return t.s;
}

/* Parses one of the words `names`; returns its index, or -1 after a diagnostic. */
static int parse_word(fv_lexer *l, const char *what, const char *const *names) {
    int i = l->tok.kind == FV_TOK_NAME && !l->tok.quoted ? find(l->tok.s, names) : -1;
    if (i < 0 && l->tok.kind == FV_TOK_NAME)
        fv_lex_error(l, "'%.60s' is no %s; %s", l->tok.s, what, offer(l, l->tok.s, names));
    else if (i < 0)
        fv_lex_error(l, "expected a %s, found %s", what, fv_lex_found(l));
    else
        fv_lex_next(l);
    return i;
}

static bool parse_value(fv_lexer *l, fv_parameter p, int64_t *out) {
    const char *name = parameters[p].name;
    if (parameters[p].kind != INT) {
        *out = parse_word(l, fv_printf(l->arena, "value of '%s'", name), words_of(p));
        return *out >= 0;
    }
    fv_token at = l->tok;
    if (!fv_lex_is(l, "-") && at.kind != FV_TOK_INT)
        return fv_lex_error(l, "expected an integer for '%s', found %s", name, fv_lex_found(l));
    if (!fv_lex_int(l, out))
        return false;
    if (*out >= parameters[p].least && *out <= parameters[p].most)
        return true;
    l->tok = at;
    return fv_lex_error(l, "'%s' is %lld, expected %lld to %lld", name, (long long)*out,
                        (long long)parameters[p].least, (long long)parameters[p].most);
}

static bool parse_parameter(fv_lexer *l, fv_schedule *s, fv_schedule_places *places, bool choices) {
    fv_token at = l->tok;
    int p = parse_word(l, "parameter", parameter_names);
    if (p < 0)
        return false;
    const char *name = parameters[p].name;
    const char *wrong =
        !(schedules[s->kind].parameters >> p & 1)
            ? fv_printf(l->arena, "'%s' has no parameter '%s'", schedules[s->kind].name, name)
        : choices && !parameters[p].tuned
            ? fv_printf(l->arena, "'%s' is no choice, kernels show it", name)
        : fv_schedule_states(s, (fv_parameter)p) ? fv_printf(l->arena, "'%s' is given twice", name)
                                                 : NULL;
    if (wrong) {
        l->tok = at;
        return fv_lex_error(l, "%s", wrong);
    }
    if (places) {
        places->at[p].line = at.line;
        places->at[p].column = at.column;
    }
    s->stated |= 1u << p;
    return fv_lex_expect(l, "=") && parse_value(l, (fv_parameter)p, &s->value[p]);
}

bool fv_schedule_parse(fv_lexer *l, fv_schedule *out, fv_schedule_places *places, bool choices) {
    *out = (fv_schedule){0};
    int name = parse_word(l, "schedule", schedule_names);
    if (name < 0)
        return false;
    out->kind = (fv_schedule_kind)name;
    if (!fv_lex_expect(l, "{"))
        return false;
    if (fv_lex_accept(l, "}"))
        return true;
    do
        if (!parse_parameter(l, out, places, choices))
            return false;
    while (fv_lex_accept(l, ","));
    return fv_lex_expect(l, "}");
}
