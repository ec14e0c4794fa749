/* names.c - identifiers, comments and strings of generated C, made from untrusted text. */
#include "backend/c/names.h"

#include <ctype.h>
#include <string.h>

#include "backend/c/internal.h"
#include "ir/base/quoted.h"
#include "ir/base/text.h"

/* Names that are never given: keywords of C and C++, names that the included headers declare, and
 * macros that compilers predefine in their GNU modes. is_ours recognizes names of helpers and types
 * that the emitter declares; `own` lists its other names. */
static const char *const reserved[] = {
    "alignas",     "alignof",      "and",       "and_eq",
    "asm",         "atomic",       "auto",      "bitand",
    "bitor",       "bool",         "break",     "case",
    "catch",       "char",         "class",     "compl",
    "complex",     "concept",      "const",     "const_cast",
    "constexpr",   "continue",     "decltype",  "default",
    "delete",      "do",           "double",    "dynamic_cast",
    "else",        "enum",         "explicit",  "export",
    "extern",      "false",        "far",       "float",
    "for",         "fortran",      "friend",    "goto",
    "i386",        "if",           "imaginary", "import",
    "inline",      "int",          "interrupt", "linux",
    "long",        "main",         "module",    "mutable",
    "namespace",   "near",         "new",       "noexcept",
    "not",         "not_eq",       "nullptr",   "offsetof",
    "operator",    "or",           "or_eq",     "private",
    "protected",   "public",       "register",  "reinterpret_cast",
    "requires",    "restrict",     "return",    "short",
    "signed",      "sizeof",       "static",    "static_assert",
    "static_cast", "struct",       "switch",    "template",
    "this",        "thread_local", "throw",     "true",
    "try",         "typedef",      "typeid",    "typename",
    "typeof",      "union",        "unix",      "unsigned",
    "using",       "virtual",      "void",      "volatile",
    "wchar_t",     "while",        "xor",       "xor_eq",
    NULL};

/* Names that the emitter itself declares within functions and files, besides those of its fixed
 * helpers. */
static const char *const own[] = {"actual", "arg",    "args",   "bytes",     "cancel",
                                  "dims",   "done",   "env",    "error",     "failed",
                                  "given",  "head",   "inputs", "out_dims",  "outputs",
                                  "own",    "status", "work",   "workspace", NULL};

static bool is_listed(const char *name, const char *const *list) {
    for (; *list; list++)
        if (!strcmp(name, *list))
            return true;
    return false;
}

static bool has_suffix(const char *name, const char *suffix) {
    size_t n = strlen(name), m = strlen(suffix);
    return n >= m && !strcmp(name + n - m, suffix);
}

/* If s begins with the name of a vector type ("f32x8", "mask8"), returns what follows it; otherwise
 * NULL. */
static const char *after_type(const char *s) {
    if (!strncmp(s, "mask", 4)) {
        s += 4;
    } else if (*s == 'f' || *s == 'i' || *s == 'u' || *s == 'b') {
        s++;
    } else {
        return NULL;
    }
    const char *digits = s;
    while (isdigit((unsigned char)*s))
        s++;
    if (s == digits && strncmp(s, "ool", 3))
        return NULL;
    if (s == digits)
        s += 3;
    while (*s == 'x' && isdigit((unsigned char)s[1]))
        for (s++; isdigit((unsigned char)*s);)
            s++;
    return s;
}

/* Is it a name that the emitter makes for helpers and types? Helpers are called op_TYPE,
 * op_TYPE_TYPE or op_TYPE_if; vector types TYPE or TYPE_u. */
static bool is_ours(const char *name) {
    if (!strncmp(name, "fv_", 3) || !strncmp(name, "FV_", 3) || has_suffix(name, "_t") ||
        has_suffix(name, "_args") || has_suffix(name, "_task") || has_suffix(name, "_tasks"))
        return true;
    for (const char *s = name; s && !has_suffix(name, "_v"); s = strchr(s, '_')) {
        s += *s == '_';
        const char *end = after_type(s);
        bool whole = s == name; /* i1 and f32 alone are allowed as names, f32x8 is not */
        if (end && (*end == 0 || *end == '_') &&
            (!whole || end[-1] == 'l' || memchr(s, 'x', (size_t)(end - s)) || *s == 'm'))
            return true;
    }
    return is_listed(name, own) || fv_c_is_fixed_helper(name);
}

/* Macros of included headers have names in capitals: INT64_C, NULL, SIZE_MAX, FLT_... */
static bool is_capital(const char *name) {
    size_t n = 0;
    for (; *name; name++, n++)
        if (islower((unsigned char)*name))
            return false;
    return n > 2;
}

bool fv_c_name_is_fit(const char *name) {
    if (!isalpha((unsigned char)name[0]))
        return false;
    for (const char *s = name; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_')
            return false;
    return strlen(name) <= 64 && !is_listed(name, reserved) && !is_ours(name) &&
           !is_capital(name) && !strstr(name, "__");
}

enum { LONGEST = 48 };

static const char *sanitised(fv_arena *a, const char *want, const char *otherwise) {
    char s[LONGEST + 8];
    size_t n = 0;
    for (; want && *want && n < LONGEST; want++) {
        char c = isalnum((unsigned char)*want) && (unsigned char)*want < 128 ? *want : '_';
        if (c == '_' && (n == 0 || s[n - 1] == '_'))
            continue;
        if (n == 0 && isdigit((unsigned char)c)) {
            for (const char *o = otherwise; *o && n < LONGEST; o++)
                s[n++] = *o;
            s[n++] = '_';
        }
        s[n++] = c;
    }
    while (n && s[n - 1] == '_')
        n--;
    s[n] = 0;
    if (n == 0)
        return fv_strdup(a, otherwise);
    if (fv_c_name_is_fit(s))
        return fv_strdup(a, s);
    const char *mended = fv_printf(a, "%s_v", s);
    return fv_c_name_is_fit(mended) ? mended : fv_printf(a, "m_%s_v", otherwise);
}

const char *fv_c_prefix(fv_arena *a, const char *want) {
    return fv_c_name_is_fit(want) ? want : sanitised(a, want, "model");
}

void fv_c_scope_init(fv_c_scope *s, fv_arena *a) {
    *s = (fv_c_scope){.arena = a, .taken = fv_ptrmap_in(a), .hints = fv_ptrmap_in(a)};
}

static void take(fv_c_scope *s, const char *name, const char *stem, int suffix) {
    *fv_ptrmap_at(&s->taken, name) = (void *)1;
    FV_PUSH(s->arena, s->given, s->n, s->cap, (struct fv_c_given){name, stem, suffix});
}

void fv_c_name_take(fv_c_scope *s, const char *name) {
    name = fv_intern(fv_arena_session(s->arena), name);
    take(s, name, name, 1);
}

static const char *name_of_stem(fv_c_scope *s, const char *stem) {
    fv_session *session = fv_arena_session(s->arena);
    const char *name = stem;
    int suffix = 1;
    if (fv_ptrmap_get(&s->taken, stem)) {
        suffix = (int)(intptr_t)fv_ptrmap_get(&s->hints, stem);
        if (suffix < 2)
            suffix = 2;
        for (;; suffix++) {
            name = fv_intern(session, fv_printf(s->arena, "%s_%d", stem, suffix));
            if (!fv_ptrmap_get(&s->taken, name))
                break;
        }
        *fv_ptrmap_at(&s->hints, stem) = (void *)(intptr_t)(suffix + 1);
    }
    take(s, name, stem, suffix);
    return name;
}

const char *fv_c_name(fv_c_scope *s, const char *want, const char *otherwise) {
    return name_of_stem(
        s, fv_intern(fv_arena_session(s->arena), sanitised(s->arena, want, otherwise)));
}

const char *fv_c_name_prefixed(fv_c_scope *s, const char *prefix, const char *want,
                               const char *otherwise) {
    const char *name = sanitised(s->arena, want, otherwise);
    return name_of_stem(
        s, fv_intern(fv_arena_session(s->arena), fv_printf(s->arena, "%s_%s", prefix, name)));
}

void fv_c_scope_leave(fv_c_scope *s, int mark) {
    while (s->n > mark) {
        const struct fv_c_given *g = &s->given[--s->n];
        *fv_ptrmap_at(&s->taken, g->name) = NULL;
        void **hint = fv_ptrmap_at(&s->hints, g->stem);
        if (g->suffix >= 2 && (intptr_t)*hint > g->suffix)
            *hint = (void *)(intptr_t)g->suffix;
    }
}

const char *fv_c_upper(fv_arena *a, const char *name) {
    char *s = fv_strdup(a, name);
    for (char *c = s; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    return s;
}

/* Must the two characters be separated in a comment, because they end or open one, or begin a
 * trigraph? */
static bool is_apart(char a, char b) {
    return (a == '*' && b == '/') || (a == '/' && b == '*') || (a == '?' && b == '?');
}

/* Characters that do not show become `?`, and so do backslashes, since at the end of a line some
 * compilers take one for a continuation even in comments. */
const char *fv_c_comment(fv_arena *a, const char *text) {
    fv_text t = {.arena = a};
    fv_text_put(&t, "");
    size_t n = strlen(text);
    bool shows;
    for (size_t bytes; n > 0; text += bytes, n -= bytes) {
        bytes = fv_char_bytes(text, n, &shows);
        const char *c = *text == '\n' || *text == '\t' ? " " : shows && *text != '\\' ? text : "?";
        if (t.n && is_apart(t.s[t.n - 1], *c))
            fv_text_put(&t, " ");
        fv_text_putn(&t, c, c == text ? bytes : 1);
    }
    return t.s;
}

bool fv_c_file_is_fit(const char *name) {
    bool shows = !strpbrk(name, "\"\\") && !strstr(name, "??");
    size_t n = strlen(name);
    for (size_t bytes; n > 0 && shows; name += bytes, n -= bytes)
        bytes = fv_char_bytes(name, n, &shows);
    return shows;
}

/* Writes n bytes as one string literal. */
static void put_literal(fv_text *t, const char *text, size_t n) {
    fv_text_put(t, "\"");
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\' || c == '?')
            fv_text_printf(t, "\\%c", c);
        else if (c >= 32 && c < 127)
            fv_text_putn(t, &text[i], 1);
        else
            fv_text_printf(t, "\\%03o", c);
    }
    fv_text_put(t, "\"");
}

const char *fv_c_string(fv_arena *a, const char *text) {
    fv_text t = {.arena = a};
    put_literal(&t, text ? text : "", text ? strlen(text) : 0);
    return t.s;
}

const char *fv_c_strings(fv_arena *a, const char *text) {
    enum { SHORT = 72 };
    fv_text t = {.arena = a};
    text = text ? text : "";
    for (size_t n; strlen(text) > SHORT; text += n) {
        for (n = SHORT; n && text[n - 1] != ' ';)
            n--;
        n = n ? n : SHORT;
        put_literal(&t, text, n);
        fv_text_put(&t, " ");
    }
    put_literal(&t, text, strlen(text));
    return t.s;
}
