/* complete.c - `fovea --complete`: the words that may stand where the cursor of a shell is. The
 * scripts of tools/completion call it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/catalogue/op.h"
#include "passes/passes.h"
#include "tools/command/option.h"

/* A question about a command line: its last word is incomplete. */
typedef struct line {
    int n;
    char **words;          /* without `fovea`: words[0] is the subcommand */
    const fv_command *of;  /* the subcommand */
    const char *last;      /* the incomplete word */
    const char *model;     /* the first operand; NULL: there is none yet */
    const fv_option *open; /* the option whose value the last word is; NULL: it is none */
    /* text that stands before the words that are suggested, such as "--passes=legalise," */
    const char *kept;
    int nkept;
} line;

/* ---- answers ---- */

/* Suggests kept + word + end with a description, if that continues the last word. A description
 * that introduces a list (": ") is cut there. */
static void suggest(const line *l, const char *word, const char *end, const char *doc) {
    const char *typed = l->last + l->nkept, *colon = strrchr(doc, ':');
    int n = (int)(colon && !strcmp(colon, ": ") ? (size_t)(colon - doc) : strlen(doc));
    if (!strncmp(word, typed, strlen(typed)))
        fv_out("%.*s%s%s\t%.*s\n", l->nkept, l->kept, word, end, n, doc);
}

static void suggest_all(const line *l, const char *const *names) {
    for (; names && *names; names++)
        suggest(l, *names, "", "");
}

/* Says that a file with one of the suffixes is wanted ("": any file), or a folder. */
static void want_file(const char *suffixes) {
    fv_out(":files%s%s\n", *suffixes ? " " : "", suffixes);
}

static void want_folder(void) {
    fv_out(":folders\n");
}

/* ---- names in a model ---- */

typedef void list_names(const line *l, const fv_module *m);

static void list_dims(const line *l, const fv_module *m) {
    const fv_dim *const *symbols;
    int n = fv_dim_symbols(m->dims, &symbols);
    for (int i = 0; i < n; i++)
        if (!symbols[i]->from_data)
            suggest(l, symbols[i]->name, "=", "dim of the model");
}

static void list_inputs(const line *l, const fv_module *m) {
    const fv_region *body = m->funcs->body;
    for (int i = 0; i < body->nparams; i++)
        suggest(l, body->params[i]->name, "=", "input of the model");
}

/* Reads the model of the command line, without its weights, and lists names in it. Messages are
 * dropped, because a model that cannot be read has no names to suggest. */
static void in_model(const line *l, list_names *list) {
    fv_session *s = l->model ? fv_session_new() : NULL;
    fv_driver_options o = {.without_weights = true};
    fv_source source;
    fv_door door;
    if (!s || FV_DOOR_OPEN(s, &door)) {
        fv_session_free(s);
        return;
    }
    if (strcmp(l->model, "-") && fv_file_is_graph(fv_driver_path_kind(l->model)) &&
        fv_driver_read(s, l->model, &o, &source))
        list(l, source.module);
    fv_door_close(s, &door);
    fv_session_free(s);
}

/* ---- values of options ---- */

/* Keeps the text up to the last `separator` of the last word as it is. */
static void keep_to(line *l, char separator) {
    const char *at = strrchr(l->last + l->nkept, separator);
    l->kept = l->last;
    l->nkept = at ? (int)(at + 1 - l->last) : l->nkept;
}

static void list_passes(const line *l) {
    const fv_pass *p;
    for (int i = 0; (p = fv_pass_at(i)); i++)
        suggest(l, p->name, "", p->doc);
}

/* The beginning of the option's value in the last word. */
static const char *typed_from(const line *l) {
    const char *equals = !strncmp(l->last, "--", 2) ? strchr(l->last, '=') : NULL;
    return equals ? equals + 1 : l->last;
}

/* Suggests targets that may follow those typed in a list with commas, which only `compile` takes:
 * others of the same architecture and system. */
static void list_further_targets(const line *l) {
    const int before = (int)(l->last + l->nkept - typed_from(l));
    fv_session *s = fv_session_new();
    fv_door door;
    const char *why;
    int n;
    if (!s || FV_DOOR_OPEN(s, &door)) {
        fv_session_free(s);
        return;
    }
    fv_arena *a = fv_arena_new(s);
    for (const char *const *name = fv_target_names(); *name; name++)
        if (fv_targets_read(a, fv_printf(a, "%.*s%s", before, typed_from(l), *name), &n, &why))
            suggest(l, *name, "", "");
    fv_door_close(s, &door);
    fv_session_free(s);
}

/* The value of option l->open, of which l->last + l->nkept was typed. */
static void suggest_values(line *l) {
    const char *value = l->open->value ? l->open->value : "F.json", *suffix;
    if (l->open->names == fv_target_names && strchr(l->last + l->nkept, ',')) {
        keep_to(l, ',');
        if (!strcmp(l->of->name, "compile"))
            list_further_targets(l);
    } else if (l->open->names) {
        keep_to(l, ',');
        suggest_all(l, l->open->names());
    } else if (!strcmp(value, "A,B")) {
        keep_to(l, ',');
        list_passes(l);
    } else if (!strncmp(value, "S=N", 3)) {
        in_model(l, list_dims);
    } else if (!strcmp(value, "N=F")) {
        if (strchr(l->last + l->nkept, '='))
            want_file(".npy .pb .json");
        else
            in_model(l, list_inputs);
    } else if (fv_option_takes_file(value, &suffix)) {
        want_file(suffix);
    } else if (!strcmp(value, "DIR")) {
        want_folder();
    }
}

/* ---- words ---- */

static void suggest_options(const line *l) {
    static const char *const levels[] = {"-O0", "-O1", "-O2", "-O3", "-Os", NULL};
    const fv_option *o;
    for (int i = 0; (o = fv_option_at(i)); i++) {
        bool alone = o->kind == FV_OPTION_FLAG || o->kind == FV_OPTION_COUNT ||
                     o->kind == FV_OPTION_OPTIONAL || o->kind == FV_OPTION_BEHIND;
        if (!fv_option_taken(l->of, o))
            continue;
        if (o->kind == FV_OPTION_LEVEL)
            suggest_all(l, levels);
        else
            suggest(l, o->name, alone ? "" : "=", o->doc ? o->doc : "");
    }
}

static void suggest_operands(const line *l) {
    const char *operands = l->of->operands;
    if (strchr(operands, 'F'))
        want_file(l->model ? "" : ".lua");
    else if (!strcmp(operands, "[NAME...]"))
        for (int i = 0; i < fv_op_count(); i++)
            suggest(l, fv_op_at(i)->name, "", fv_op_at(i)->doc ? fv_op_at(i)->doc : "");
    else if (!strcmp(operands, "DIR..."))
        want_file(".onnx .fvir .rules .lua");
    else if (*operands)
        want_file(".onnx .fvir .fvk .so");
}

/* Does the option take the next word as its value? */
static bool takes_next(const fv_option *o, const char *arg) {
    switch (o->kind) {
    case FV_OPTION_TEXT:
    case FV_OPTION_NUMBER:
    case FV_OPTION_NUMBERS:
    case FV_OPTION_REAL:
    case FV_OPTION_LIST: return !strchr(arg, '=');
    case FV_OPTION_FLAG:
    case FV_OPTION_COUNT:
    case FV_OPTION_OPTIONAL:
    case FV_OPTION_BEHIND:
    case FV_OPTION_LEVEL: break;
    }
    return false;
}

/* Finds the model, and the option whose value the last word is. */
static void read_line(line *l) {
    for (int i = 1; i < l->n; i++) {
        const char *word = l->words[i];
        const fv_option *o = word[0] == '-' ? fv_option_find(l->of, word, false) : NULL;
        if (o && takes_next(o, word)) {
            l->open = i + 1 == l->n - 1 ? o : NULL;
            i++;
        } else if (word[0] != '-' && !l->model && i < l->n - 1) {
            l->model = word;
        }
    }
    const char *equals = strchr(l->last, '=');
    if (l->open || strncmp(l->last, "--", 2) || !equals)
        return;
    l->open = fv_option_find(l->of, l->last, false);
    l->nkept = l->open ? (int)(equals + 1 - l->last) : 0;
}

static void suggest_commands(const line *l) {
    for (const fv_command *c = fv_commands; c->name; c++)
        suggest(l, c->name, "", c->doc);
    suggest(l, "--help", "", "print what there is");
    suggest(l, "--version", "", "print the version");
    suggest(l, "--manual", "", "print a manual page");
}

int fv_complete(int n, char **words) {
    line l = {.n = n, .words = words, .last = n ? words[n - 1] : "", .of = fv_commands};
    l.kept = l.last;
    if (n < 2) {
        suggest_commands(&l);
        return FV_EXIT_OK;
    }
    while (l.of->name && strcmp(l.of->name, words[0]))
        l.of++;
    if (!l.of->name)
        return FV_EXIT_OK;
    read_line(&l);
    if (l.open)
        suggest_values(&l);
    else if (*l.last == '-')
        suggest_options(&l);
    else
        suggest_operands(&l);
    return FV_EXIT_OK;
}
