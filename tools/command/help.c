/* help.c - the texts that `fovea --help` and `fovea COMMAND --help` print. */
#include <stdio.h>
#include <string.h>

#include "tools/command/option.h"

const char fv_help_models[] = "A model is an ONNX file, graph IR text, or the text of kernels and "
                              "their program; `-` is\nstandard input.\n";

const fv_help_row fv_help_statuses[] = {
    {"0", "success"},
    {"1", "an error in the model or the data, or a difference that a comparison found"},
    {"2", "an error in the command line"},
    {"3", "an internal error of Fovea"},
    {0}};

const fv_help_row fv_help_variables[] = {
    {"FOVEA_FLAGS", "options for every use; those that a command does not take are ignored"},
    {"FOVEA_NUM_THREADS", "the default of --threads"},
    {"FOVEA_CACHE_DIR",
     "folder where compiled models are kept (~/.cache/fovea); if empty, none are kept"},
    {"FOVEA_CACHE_SIZE", "largest size of that folder (5G)"},
    {"FOVEA_PROCESSOR", "file with the profile of this machine, which `fovea calibrate` writes "
                        "(~/.config/fovea/processor)"},
    {"NO_COLOR", "messages have no colours if it is set and not empty"},
    {0}};

/* ---- lines of at most WIDTH columns ---- */

enum { WIDTH = 100 };

/* A text whose lines begin at column `indent`. */
typedef struct filled {
    int indent, column; /* column: length of the line so far; `indent`: it has no word yet */
} filled;

/* Prints n bytes, which are a word. */
static void put_word(filled *f, const char *word, size_t n) {
    bool first = f->column == f->indent, fits = f->column + 1 + (int)n <= WIDTH;
    if (!first && fits)
        fv_out(" ");
    else if (!first)
        fv_out("\n%*s", f->indent, "");
    f->column = (fits && !first ? f->column + 1 : f->indent) + (int)n;
    fv_out("%.*s", (int)n, word);
}

static void put_words(filled *f, const char *text, size_t n) {
    for (const char *end = text + n; text < end;) {
        size_t word = strcspn(text, " \n");
        word = word < (size_t)(end - text) ? word : (size_t)(end - text);
        if (word)
            put_word(f, text, word);
        text += word + 1;
    }
}

/* Prints `left`, and at column `indent` the start of its description. */
static filled start_row(const char *left, int indent) {
    int n = 2 + (int)strlen(left);
    fv_out("  %s%*s", left, n < indent ? indent - n : 1, "");
    return (filled){indent, n < indent ? indent : n + 1};
}

static void print_row(const char *left, int indent, const char *text) {
    filled f = start_row(left, indent);
    put_words(&f, text, strlen(text));
    fv_out("\n");
}

/* Prints paragraphs. Lines that start with a space are examples, and stay as they are. */
static void print_paragraphs(const char *text) {
    filled f = {0};
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        if (n && *line != ' ') {
            put_words(&f, line, n);
        } else {
            fv_out(f.column ? "\n%.*s\n" : "%.*s\n", (int)n, line);
            f.column = 0;
        }
        line += n + (line[n] == '\n');
    }
    if (f.column)
        fv_out("\n");
}

/* ---- parts of the texts ---- */

static void print_option(const fv_option *o) {
    char left[64];
    snprintf(left, sizeof left, "%s%s%s%s%s", o->brief ? o->brief : "", o->brief ? ", " : "",
             o->name, o->value && o->kind != FV_OPTION_LEVEL ? "=" : "", o->value ? o->value : "");
    filled f = start_row(left, 23);
    if (o->doc)
        put_words(&f, o->doc, strlen(o->doc));
    for (const char *const *name = o->names ? o->names() : NULL; name && *name; name++) {
        char word[64];
        snprintf(word, sizeof word, "%s%s", *name, name[1] ? "," : "");
        put_word(&f, word, strlen(word));
    }
    fv_out("\n");
}

static void print_options(const fv_command *c, bool common) {
    const fv_option *o;
    for (int i = 0; (o = fv_option_at(i)); i++)
        if (o->common == common && fv_option_taken(c, o))
            print_option(o);
}

static void print_rows(const char *title, const fv_help_row *r) {
    fv_out("\n%s:\n", title);
    for (; r->name; r++)
        print_row(r->name, r->name[1] ? 20 : 4, r->doc);
}

static void print_commands(void) {
    fv_out("usage: fovea COMMAND [OPTIONS] ...\n\ncommands:\n");
    for (const fv_command *k = fv_commands; k->name; k++)
        print_row(k->name, 12, k->doc);
    fv_out("\n");
    print_paragraphs(fv_help_models);
    print_rows("exit status", fv_help_statuses);
    print_rows("environment", fv_help_variables);
    fv_out("\n");
    print_paragraphs(
        "`fovea COMMAND --help` prints more; `fovea --version` prints the version, and "
        "`fovea --manual [COMMAND]` a manual page; `fovea --complete WORD...` is for "
        "shells.");
}

void fv_print_help(const fv_command *c) {
    if (!c) {
        print_commands();
        return;
    }
    fv_out("usage: fovea %s %s%s[OPTIONS]\n\n", c->name, c->operands, *c->operands ? " " : "");
    print_paragraphs(c->doc);
    if (c->options && *c->options) {
        fv_out("\noptions:\n");
        print_options(c, false);
    }
    fv_out("\ncommon options:\n");
    print_options(c, true);
    if (c->more) {
        fv_out("\n");
        print_paragraphs(c->more);
    }
}
