/* manual.c - manual pages in roff, man(7), from the same tables as the help. The build writes them
 * to files. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/command/option.h"

/* The day of this version, which is in the foot of the pages. */
#define RELEASED "2026-11-26"

enum { COLUMNS = 66 }; /* escapes make some lines longer, but not longer than 80 characters */

typedef struct page {
    FILE *f;
    int column;    /* number of characters in the current line of the source */
    bool code;     /* whether text is between backquotes */
    bool sentence; /* whether the current line ends a sentence, so that the next word begins one */
} page;

/* ---- text ---- */

/* Writes one character of text, so that no program takes it as a request or a typographic sign. */
static void put_char(page *p, char c) {
    switch (c) {
    case '\\': fputs("\\e", p->f); break;
    case '-': fputs("\\-", p->f); break;
    case '\'': fputs("\\(aq", p->f); break;
    case '"': fputs("\\(dq", p->f); break;
    case '^': fputs("\\(ha", p->f); break;
    case '~': fputs("\\(ti", p->f); break;
    case '`':
        p->code = !p->code;
        fputs(p->code ? "\\fB" : "\\fR", p->f);
        break;
    default: putc(c, p->f);
    }
}

static void put_chars(page *p, const char *text, size_t n) {
    if (n && *text == '.')
        fputs("\\&", p->f);
    for (size_t i = 0; i < n; i++)
        put_char(p, text[i]);
}

static void end_line(page *p) {
    if (p->column)
        putc('\n', p->f);
    p->column = 0;
    p->sentence = false;
}

/* Ends the line, and writes a request or macro such as ".PP" as the next one. */
static void request(page *p, const char *line) {
    end_line(p);
    fprintf(p->f, "%s\n", line);
}

/* Writes words of text. Lines are filled again, and each sentence begins a line, as roff's style
 * asks. */
static void put_words(page *p, const char *text, size_t n) {
    for (size_t i = 0; i < n;) {
        size_t begin = i;
        while (i < n && !isspace((unsigned char)text[i]))
            i++;
        int width = (int)(i - begin);
        if (width && (p->sentence || p->column + width >= COLUMNS))
            end_line(p);
        if (width && p->column)
            putc(' ', p->f);
        put_chars(p, text + begin, i - begin);
        p->column += width ? width + 1 : 0;
        if (width)
            p->sentence = text[i - 1] && strchr(".!?", text[i - 1]);
        while (i < n && isspace((unsigned char)text[i]))
            i++;
    }
}

static void put_text(page *p, const char *text) {
    put_words(p, text, strlen(text));
}

/* ---- sections ---- */

static void head(page *p, const fv_command *c) {
    fprintf(p->f, ".TH FOVEA");
    for (const char *s = c ? c->name : ""; *s; s++)
        fprintf(p->f, "%s%c", s == c->name ? "\\-" : "", toupper((unsigned char)*s));
    fprintf(p->f, " 1 %s \"fovea %s\" \"User Commands\"\n", RELEASED, FV_VERSION);
    request(p, ".nh"); /* words such as targets are not divided */
    request(p, ".SH NAME");
    fprintf(p->f, "fovea%s%s \\-\n", c ? "\\-" : "", c ? c->name : "");
    put_text(p, c ? c->doc : "a compiler for ONNX models");
}

static void synopsis(page *p, const fv_command *c) {
    request(p, ".SH SYNOPSIS");
    if (c)
        fprintf(p->f, ".B fovea %s\n", c->name);
    else
        fprintf(p->f, ".B fovea\n.I COMMAND\n");
    if (c && *c->operands) {
        fputs(".I ", p->f);
        put_chars(p, c->operands, strlen(c->operands));
        putc('\n', p->f);
    }
    fprintf(p->f, "[\\fIOPTIONS\\fR]%s\n", c ? "" : " ...");
}

static void put_bold(page *p, const char *text) {
    fputs("\\fB", p->f);
    put_chars(p, text, strlen(text));
    fputs("\\fR", p->f);
}

static void put_option(page *p, const fv_option *o) {
    request(p, ".TP");
    if (o->brief) {
        put_bold(p, o->brief);
        fputs(", ", p->f);
    }
    put_bold(p, o->name);
    if (o->value) {
        fputs(o->kind == FV_OPTION_LEVEL ? "\\fI" : "=\\fI", p->f);
        put_chars(p, o->value, strlen(o->value));
        fputs("\\fR", p->f);
    }
    putc('\n', p->f);
    put_text(p, o->doc ? o->doc : "");
    for (const char *const *name = o->names ? o->names() : NULL; name && *name; name++) {
        char word[64];
        snprintf(word, sizeof word, "%s%s", *name, name[1] ? "," : "");
        put_text(p, word);
    }
}

static void options(page *p, const fv_command *c, bool common) {
    const fv_option *o;
    for (int i = 0; (o = fv_option_at(i)); i++)
        if (o->common == common && fv_option_taken(c, o))
            put_option(p, o);
}

static void rows(page *p, const char *title, const fv_help_row *r) {
    end_line(p);
    fprintf(p->f, ".SH %s\n", title);
    for (; r->name; r++) {
        request(p, ".TP");
        put_bold(p, r->name);
        putc('\n', p->f);
        put_text(p, r->doc);
    }
}

/* Writes the text that --help prints last. An empty line begins a paragraph, `examples:` a section,
 * and lines with an indent are shown as they are. */
static void more(page *p, const char *text) {
    bool shown = false;
    while (*text) {
        size_t n = strcspn(text, "\n");
        bool code = !strncmp(text, "  ", 2);
        if (code != shown)
            request(p, code ? ".EX" : ".EE");
        shown = code;
        if (n == 9 && !strncmp(text, "examples:", n)) {
            request(p, ".SH EXAMPLES");
        } else if (code) {
            put_chars(p, text + 2, n - 2);
            putc('\n', p->f);
        } else if (n) {
            put_words(p, text, n);
        } else if (strncmp(text + 1, "examples:", 9)) {
            request(p, ".PP");
        }
        text += n + (text[n] == '\n');
    }
    if (shown)
        request(p, ".EE");
    end_line(p);
}

/* ---- pages ---- */

static void page_of_command(page *p, const fv_command *c) {
    head(p, c);
    synopsis(p, c);
    const char *examples = c->more ? strstr(c->more, "\nexamples:\n") : NULL;
    if (c->more && examples != c->more) {
        char *text = strndup(c->more, examples ? (size_t)(examples - c->more) : strlen(c->more));
        request(p, ".SH DESCRIPTION");
        more(p, text ? text : "");
        free(text);
    }
    if (c->options && *c->options) {
        request(p, ".SH OPTIONS");
        options(p, c, false);
    }
    request(p, ".SH COMMON OPTIONS");
    options(p, c, true);
    if (examples)
        more(p, examples + 1);
    rows(p, "EXIT STATUS", fv_help_statuses);
    request(p, ".SH SEE ALSO\n.BR fovea (1)");
}

static void page_of_all(page *p) {
    head(p, NULL);
    synopsis(p, NULL);
    request(p, ".SH DESCRIPTION");
    put_text(p, fv_help_models);
    request(p, ".SH COMMANDS");
    for (const fv_command *c = fv_commands; c->name; c++) {
        request(p, ".TP");
        fprintf(p->f, ".BR fovea\\-%s (1)\n", c->name);
        put_text(p, c->doc);
    }
    rows(p, "EXIT STATUS", fv_help_statuses);
    rows(p, "ENVIRONMENT", fv_help_variables);
    request(p, ".SH SEE ALSO");
    for (const fv_command *c = fv_commands; c->name; c++)
        fprintf(p->f, ".BR fovea\\-%s (1)%s\n", c->name, c[1].name ? "," : "");
}

int fv_print_manual(const fv_command *c) {
    char *text = NULL;
    size_t n = 0;
    page p = {.f = open_memstream(&text, &n)};
    if (p.f) {
        c ? page_of_command(&p, c) : page_of_all(&p);
        end_line(&p);
    }
    if (!p.f || ferror(p.f) | fclose(p.f)) {
        fv_err("fovea: error: out of memory\n");
        free(text);
        return FV_EXIT_MODEL;
    }
    fv_put_text(stdout, text);
    free(text);
    return FV_EXIT_OK;
}
