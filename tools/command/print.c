/* print.c - see print.h. */
#include "tools/command/print.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/base/quoted.h"

bool fv_is_terminal(int fd) {
    const char *term = getenv("TERM");
    return isatty(fd) && !(term && !strcmp(term, "dumb"));
}

/* ---- the line that fv_show_line shows ---- */

static bool is_shown;   /* whether such a line is on the terminal */
static bool is_in_line; /* whether the last output did not end its line */

/* Erases the line, and notes whether the text that is printed next ends its line. */
static void begin_output(const char *text, size_t n) {
    if (is_shown)
        fputs("\r\033[K", stderr);
    is_shown = false;
    is_in_line = n ? text[n - 1] != '\n' : is_in_line;
}

void fv_show_line(const char *text) {
    if (is_in_line)
        return;
    begin_output("", 0);
    fputs(text, stderr);
    fflush(stderr);
    is_shown = *text != 0;
}

/* ---- texts ---- */

static size_t characters(const char *s, size_t n) {
    size_t count = 0;
    bool shows;
    for (size_t bytes; n > 0; s += bytes, n -= bytes) {
        char out[FV_LONGEST_ESCAPE];
        bytes = fv_char_bytes(s, n, &shows);
        count += shows ? 1 : fv_char_escape(out, s, bytes, shows, 0);
    }
    return count;
}

int fv_shown_width(const char *text) {
    return (int)characters(text, strlen(text));
}

static void put_shown(FILE *f, const char *s, size_t n) {
    bool shows;
    for (size_t bytes; n > 0; s += bytes, n -= bytes) {
        char out[FV_LONGEST_ESCAPE];
        bytes = fv_char_bytes(s, n, &shows);
        fwrite(out, 1, fv_char_escape(out, s, bytes, shows, 0), f);
    }
}

static void put_string(FILE *f, const char *s, int width, int precision) {
    size_t n = precision < 0 ? strlen(s) : strnlen(s, (size_t)precision);
    size_t have = characters(s, n), want = (size_t)abs(width), pad = want > have ? want - have : 0;
    if (width > 0)
        fprintf(f, "%*s", (int)pad, "");
    put_shown(f, s, n);
    if (width < 0)
        fprintf(f, "%*s", (int)pad, "");
}

/* ---- formats ---- */

/* One conversion of a printf format, such as "%-*.3lld". */
typedef struct conversion {
    char text[32];        /* the conversion as text for printf, with '*' for width and precision */
    int width, precision; /* not given: width 0, precision -1; width below 0: at the left */
    char length;          /* length modifier: 0 (none), 'h', 'l', 'L' (for ll), 'z' or 'j' */
    char kind;
} conversion;

typedef struct arguments {
    va_list at;
} arguments;

static int read_number(const char **s, arguments *args) {
    if (**s == '*') {
        ++*s;
        return va_arg(args->at, int);
    }
    int v = 0;
    for (; **s >= '0' && **s <= '9'; ++*s)
        v = v * 10 + (**s - '0');
    return v;
}

static char read_length(const char **s) {
    char length = strchr("hlzj", **s) && **s ? *(*s)++ : 0;
    /* the modifier ll is stored as 'L'; hh is stored as h, since both are passed as an int */
    if (length && **s == length) {
        ++*s;
        return length == 'l' ? 'L' : length;
    }
    return length;
}

/* Reads a conversion; *s points after the percent sign, and on return after the conversion. */
static conversion read_conversion(const char **s, arguments *args) {
    conversion c = {.precision = -1};
    char flags[8] = "";
    bool left = false;
    for (size_t n = 0; **s && strchr("-+ #0", **s) && n + 1 < sizeof flags; ++*s) {
        left |= **s == '-';
        if (**s != '-')
            flags[n++] = **s;
    }
    c.width = read_number(s, args);
    if (left && c.width > 0)
        c.width = -c.width;
    if (**s == '.') {
        ++*s;
        c.precision = read_number(s, args);
    }
    c.length = read_length(s);
    c.kind = *(*s)++;
    snprintf(c.text, sizeof c.text, "%%%s*.*%s%c", flags,
             c.length == 'L' ? "ll"
             : c.length      ? (char[]){c.length, 0}
                             : "",
             c.kind);
    return c;
}

static void put_integer(FILE *f, const conversion *c, arguments *args) {
    switch (c->length) {
    case 'l': fprintf(f, c->text, c->width, c->precision, va_arg(args->at, long)); break;
    case 'L': fprintf(f, c->text, c->width, c->precision, va_arg(args->at, long long)); break;
    case 'z': fprintf(f, c->text, c->width, c->precision, va_arg(args->at, size_t)); break;
    case 'j': fprintf(f, c->text, c->width, c->precision, va_arg(args->at, intmax_t)); break;
    default: fprintf(f, c->text, c->width, c->precision, va_arg(args->at, int)); break;
    }
}

static void put_conversion(FILE *f, const conversion *c, arguments *args) {
    switch (c->kind) {
    case 's': {
        const char *s = va_arg(args->at, const char *);
        put_string(f, s ? s : "(null)", c->width, c->precision);
        break;
    }
    case 'c': {
        char one[2] = {(char)va_arg(args->at, int), 0};
        put_string(f, one, c->width, -1);
        break;
    }
    case '%': fputc('%', f); break;
    case 'e':
    case 'f':
    case 'g': fprintf(f, c->text, c->width, c->precision, va_arg(args->at, double)); break;
    default: put_integer(f, c, args); break;
    }
}

static void print(FILE *f, const char *format, va_list list) {
    arguments args;
    begin_output(format, strlen(format));
    va_copy(args.at, list);
    for (const char *s = format; *s;) {
        size_t n = strcspn(s, "%");
        fwrite(s, 1, n, f);
        s += n;
        if (!*s++)
            break;
        conversion c = read_conversion(&s, &args);
        put_conversion(f, &c, &args);
    }
    va_end(args.at);
}

void fv_out(const char *format, ...) {
    va_list args;
    va_start(args, format);
    print(stdout, format, args);
    va_end(args);
}

void fv_print(FILE *f, const char *format, ...) {
    va_list args;
    va_start(args, format);
    print(f, format, args);
    va_end(args);
}

void fv_verr(const char *format, va_list args) {
    print(stderr, format, args);
}

void fv_err(const char *format, ...) {
    va_list args;
    va_start(args, format);
    print(stderr, format, args);
    va_end(args);
}

void fv_put_lines(FILE *f, const char *text, size_t n) {
    begin_output(text, n);
    for (const char *end = text + n; text < end; text++) {
        size_t part = 0;
        while (text + part < end && text[part] != '\n' && text[part] != '\t')
            part++;
        put_shown(f, text, part);
        text += part;
        if (text < end)
            fputc(*text, f);
    }
}

void fv_put_text(FILE *f, const char *text) {
    begin_output(text, strlen(text));
    fputs(text, f);
}
