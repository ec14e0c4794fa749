/* regex_parse.c - translates patterns in the syntax of RE2 to automata: the text to a tree, by
 * recursive descent, and the tree, from its end to its beginning, to nodes. Unicode classes (\p)
 * are not supported, since there are no tables of them here. */
#include "ops/text/regex.h"

#include <stdlib.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/base/quoted.h"
#include "ops/text/letter_case.h"

/* ---- sets of characters ---- */

enum { LAST_CHARACTER = 0x10ffff };

typedef struct range {
    uint32_t lo, hi;
} range;

typedef struct set {
    range *at;
    int n, cap;
} set;

static void add(fv_arena *a, set *s, uint32_t lo, uint32_t hi) {
    FV_PUSH(a, s->at, s->n, s->cap, ((range){lo, hi}));
}

static void add_all(fv_arena *a, set *to, set s) {
    for (int i = 0; i < s.n; i++)
        add(a, to, s.at[i].lo, s.at[i].hi);
}

static int by_first(const void *p, const void *q) {
    const range *x = p, *y = q;
    return x->lo < y->lo ? -1 : x->lo > y->lo;
}

/* Sorts ranges, and merges those that overlap or are adjacent. */
static void normalise(set *s) {
    int n = 0;
    if (s->n)
        qsort(s->at, (size_t)s->n, sizeof *s->at, by_first);
    for (int i = 0; i < s->n; i++)
        if (n && s->at[i].lo <= s->at[n - 1].hi + 1)
            s->at[n - 1].hi = s->at[i].hi > s->at[n - 1].hi ? s->at[i].hi : s->at[n - 1].hi;
        else
            s->at[n++] = s->at[i];
    s->n = n;
}

static set all_but(fv_arena *a, set s) {
    set r = {0};
    uint32_t next = 0;
    normalise(&s);
    for (int i = 0; i < s.n; next = s.at[i++].hi + 1)
        if (s.at[i].lo > next)
            add(a, &r, next, s.at[i].lo - 1);
    if (next <= LAST_CHARACTER)
        add(a, &r, next, LAST_CHARACTER);
    return r;
}

static bool has(const set *s, uint32_t c) {
    for (int i = 0; i < s->n; i++)
        if (c >= s->at[i].lo && c <= s->at[i].hi)
            return true;
    return false;
}

/* The dotted capital I and the dotless small i, which are cases of other letters in Turkic
 * languages only. */
static bool is_turkic(uint32_t c) {
    return c == 0x130 || c == 0x131;
}

/* If one of x and y is in s, adds the other to `more`. */
static void fold_pair(fv_arena *a, const set *s, uint32_t x, uint32_t y, set *more) {
    if (is_turkic(x) || is_turkic(y))
        return;
    if (has(s, x) && !has(s, y))
        add(a, more, y, y);
    if (has(s, y) && !has(s, x))
        add(a, more, x, x);
}

/* The set with the other cases of all its characters, repeatedly; and with characters that are
 * equivalent but have no other case of one character. Unicode's CaseFolding.txt, C and S. */
static set fold(fv_arena *a, set s) {
    static const uint32_t same[][2] = {{0x390, 0x1fd3}, {0x3b0, 0x1fe3}, {0xfb05, 0xfb06}};
    for (int before = -1; before != s.n;) {
        normalise(&s);
        before = s.n;
        set more = {0};
        for (int to_upper = 0; to_upper < 2; to_upper++)
            for (int i = 0; i < (to_upper ? fv_nupper_cases : fv_nlower_cases); i++) {
                const fv_case_range *r = to_upper ? &fv_upper_cases[i] : &fv_lower_cases[i];
                for (int32_t c = r->first; c <= r->last; c += r->step)
                    fold_pair(a, &s, (uint32_t)c, (uint32_t)(c + r->change), &more);
            }
        for (size_t i = 0; i < sizeof same / sizeof *same; i++)
            fold_pair(a, &s, same[i][0], same[i][1], &more);
        add_all(a, &s, more);
        before = more.n ? -1 : s.n;
    }
    return s;
}

/* ---- trees ---- */

typedef enum { SET, SEQUENCE, EITHER, REPEAT, PLACE } node_kind;

typedef struct node {
    node_kind kind;
    set chars;           /* SET */
    struct node **parts; /* SEQUENCE, EITHER; REPEAT: one */
    int n, cap;
    int least, most;      /* REPEAT; most -1: any number */
    fv_regex_place place; /* PLACE */
} node;

typedef struct parser {
    fv_arena *arena;
    const char *at, *end;
    bool folds, dots_all, lines; /* the flags i, s, m */
    int depth;
    const char *why; /* the first error; NULL: none */
} parser;

static node *fail(parser *p, const char *why) {
    if (!p->why)
        p->why = why;
    return NULL;
}

static node *node_new(parser *p, node_kind kind) {
    node *r = FV_NEW(p->arena, node, 1);
    r->kind = kind;
    return r;
}

static node *of_set(parser *p, set s) {
    node *r = node_new(p, SET);
    r->chars = p->folds ? fold(p->arena, s) : s;
    normalise(&r->chars);
    return r;
}

static node *of_place(parser *p, fv_regex_place place) {
    node *r = node_new(p, PLACE);
    r->place = place;
    return r;
}

static bool accept(parser *p, const char *text) {
    size_t n = strlen(text);
    if ((size_t)(p->end - p->at) < n || memcmp(p->at, text, n) != 0)
        return false;
    p->at += n;
    return true;
}

/* Reads the next character; patterns are UTF-8, and there is one left. */
static uint32_t take(parser *p) {
    unsigned char first = (unsigned char)*p->at++;
    int more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    uint32_t c = more ? first & (0x3fu >> more) : first;
    for (; more; more--)
        c = c << 6 | ((unsigned char)*p->at++ & 63);
    return c;
}

/* ---- classes ---- */

static const struct {
    const char *name;
    range ranges[5];
} classes[] = {
    {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
    {"alpha", {{'A', 'Z'}, {'a', 'z'}}},
    {"ascii", {{0, 127}}},
    {"blank", {{'\t', '\t'}, {' ', ' '}}},
    {"cntrl", {{0, 31}, {127, 127}}},
    {"digit", {{'0', '9'}}},
    {"graph", {{'!', '~'}}},
    {"lower", {{'a', 'z'}}},
    {"print", {{' ', '~'}}},
    {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
    {"space", {{'\t', '\r'}, {' ', ' '}}},
    {"upper", {{'A', 'Z'}}},
    {"word", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}, {'_', '_'}}},
    {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
    {"d", {{'0', '9'}}},
    {"s", {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}}},
    {"w", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}, {'_', '_'}}},
};

static bool add_class(parser *p, set *to, const char *name, size_t n, bool other) {
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        set s = {0};
        if (strlen(classes[i].name) != n || memcmp(classes[i].name, name, n) != 0)
            continue;
        for (int k = 0; k < 5 && classes[i].ranges[k].hi; k++)
            add(p->arena, &s, classes[i].ranges[k].lo, classes[i].ranges[k].hi);
        if (p->folds)
            s = fold(p->arena, s);
        if (other)
            s = all_but(p->arena, s);
        add_all(p->arena, to, s);
        return true;
    }
    return false;
}

/* Parses \d and similar classes, after the backslash. */
static bool accept_class(parser *p, set *to) {
    char c = p->at < p->end ? *p->at : 0, small = (char)(c | 32);
    if (c == 0 || !strchr("dswDSW", c))
        return false;
    p->at++;
    return add_class(p, to, &small, 1, c != small);
}

static int digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : 99;
}

/* Reads digits of that base, from `least` to `most` of them. */
static bool number(parser *p, int base, int least, int most, uint32_t *out) {
    int n = 0;
    for (*out = 0; n < most && p->at < p->end && digit(*p->at) < base && *out <= LAST_CHARACTER;
         n++)
        *out = *out * (uint32_t)base + (uint32_t)digit(*p->at++);
    return n >= least && *out <= LAST_CHARACTER;
}

/* Reads an escaped character, after the backslash. */
static bool escaped(parser *p, uint32_t *out) {
    static const char names[] = "aftnrv", codes[] = "\a\f\t\n\r\v";
    if (p->at == p->end)
        return fail(p, "it ends with a backslash");
    char c = *p->at;
    const char *name = c ? strchr(names, c) : NULL;
    if ((unsigned char)c >= 0x80)
        return fail(p, "there is a backslash before a character that has no such meaning");
    p->at++;
    *out = (unsigned char)c;
    if (name)
        *out = (unsigned char)codes[name - names];
    else if (c == 'x' && accept(p, "{"))
        return (number(p, 16, 1, 8, out) && accept(p, "}")) ||
               fail(p, "\\x{ is not followed by the number of a character and }");
    else if (c == 'x')
        return number(p, 16, 2, 2, out) || fail(p, "\\x is not followed by two digits");
    else if (c == '0' || (c >= '1' && c <= '7' && p->at < p->end && digit(*p->at) < 8)) {
        p->at--;
        return number(p, 8, 1, 3, out) || fail(p, "an octal number is none of a character");
    } else if (digit(c) < 36 && c >= '0' && c <= '9')
        return fail(p, "it refers back to a group, which no automaton does");
    else if (c == 'p' || c == 'P')
        return fail(p, "classes of Unicode (\\p) are not supported");
    else if ((c | 32) >= 'a' && (c | 32) <= 'z')
        return fail(p, "there is a backslash before a letter that has no such meaning");
    return true;
}

static bool class_character(parser *p, uint32_t *out) {
    if (p->at == p->end)
        return fail(p, "a [ has no ]");
    if (accept(p, "\\"))
        return escaped(p, out);
    *out = take(p);
    return true;
}

/* Parses a class such as [:alpha:], after the [ of the outer bracket. */
static bool accept_named(parser *p, set *to) {
    const char *start = p->at;
    if (!accept(p, "[:"))
        return false;
    bool other = accept(p, "^");
    const char *name = p->at;
    while (p->at < p->end && *p->at >= 'a' && *p->at <= 'z')
        p->at++;
    size_t n = (size_t)(p->at - name);
    if (!accept(p, ":]")) {
        p->at = start;
        return false;
    }
    return (n > 1 && add_class(p, to, name, n, other)) ||
           fail(p, "[: :] has a name that is none of a class");
}

static bool class_item(parser *p, set *to) {
    uint32_t lo, hi;
    if (accept_named(p, to))
        return true;
    if (p->end - p->at > 1 && *p->at == '\\') {
        p->at++;
        if (accept_class(p, to))
            return true;
        p->at--;
    }
    if (p->why || !class_character(p, &lo))
        return false;
    hi = lo;
    if (p->end - p->at > 1 && *p->at == '-' && p->at[1] != ']') {
        p->at++;
        if (!class_character(p, &hi))
            return false;
    }
    if (hi < lo)
        return fail(p, "a range in [ ] ends before it begins");
    set s = {0};
    add(p->arena, &s, lo, hi);
    add_all(p->arena, to, p->folds ? fold(p->arena, s) : s);
    return true;
}

/* Case folding is applied to each item separately: the characters that \W excludes are not added
 * again as other cases of its members. */
static node *parse_class(parser *p) {
    set s = {0};
    bool other = accept(p, "^");
    for (bool first = true; first || !accept(p, "]"); first = false)
        if (!class_item(p, &s))
            return fail(p, "a [ has no ]");
    node *r = node_new(p, SET);
    r->chars = other ? all_but(p->arena, s) : s;
    normalise(&r->chars);
    return r;
}

/* ---- atoms ---- */

static node *parse_either(parser *p);

static node *parse_escape(parser *p) {
    set s = {0};
    uint32_t c;
    if (accept(p, "A"))
        return of_place(p, FV_AT_BEGIN);
    if (accept(p, "z"))
        return of_place(p, FV_AT_END);
    if (accept(p, "b"))
        return of_place(p, FV_AT_WORD_EDGE);
    if (accept(p, "B"))
        return of_place(p, FV_NOT_AT_WORD_EDGE);
    if (accept(p, "C"))
        return fail(p, "\\C, a byte that may be half a character, is not supported");
    if (accept_class(p, &s)) {
        node *r = node_new(p, SET);
        r->chars = s;
        normalise(&r->chars);
        return r;
    }
    if (!escaped(p, &c))
        return NULL;
    add(p->arena, &s, c, c);
    return of_set(p, s);
}

/* Parses flags after (? up to : or ); false if they are invalid. */
static bool parse_flags(parser *p) {
    bool to = true;
    for (; p->at < p->end; p->at++) {
        switch (*p->at) {
        case 'i': p->folds = to; break;
        case 's': p->dots_all = to; break;
        case 'm': p->lines = to; break;
        /* it decides which of several matches is found, which does not matter here */
        case 'U': break;
        case '-':
            if (!to)
                return false;
            to = false;
            break;
        case ':':
        case ')': return p->at[-1] != '-';
        default: return false;
        }
    }
    return false;
}

static bool accept_name(parser *p) {
    if (!accept(p, "?P<") && !accept(p, "?<"))
        return false;
    const char *name = p->at;
    while (p->at < p->end &&
           (digit(*p->at) < 10 || ((*p->at | 32) >= 'a' && (*p->at | 32) <= 'z') || *p->at == '_'))
        p->at++;
    return (p->at > name && accept(p, ">")) || fail(p, "the name of a group is none");
}

static node *parse_group(parser *p) {
    const parser before = *p;
    bool named = accept_name(p), flagged = !p->why && !named && accept(p, "?");
    if (flagged && !parse_flags(p))
        return fail(p, "(? is not followed by flags or the name of a group");
    if (flagged && accept(p, ")")) /* the flags hold up to the end of the enclosing group */
        return node_new(p, SEQUENCE);
    if (flagged)
        p->at++;
    if (++p->depth > FV_MAX_DEPTH)
        return fail(p, "groups are nested too deep");
    node *r = parse_either(p);
    p->depth--;
    if (r && !accept(p, ")"))
        return fail(p, "a ( has no )");
    p->folds = before.folds;
    p->dots_all = before.dots_all;
    p->lines = before.lines;
    return r;
}

static node *parse_atom(parser *p) {
    set s = {0};
    if (accept(p, "("))
        return parse_group(p);
    if (accept(p, "["))
        return parse_class(p);
    if (accept(p, "\\"))
        return parse_escape(p);
    if (accept(p, "^"))
        return of_place(p, p->lines ? FV_AT_LINE_BEGIN : FV_AT_BEGIN);
    if (accept(p, "$"))
        return of_place(p, p->lines ? FV_AT_LINE_END : FV_AT_END);
    if (accept(p, ".")) {
        if (!p->dots_all)
            add(p->arena, &s, '\n', '\n');
        node *r = node_new(p, SET);
        r->chars = all_but(p->arena, s);
        return r;
    }
    uint32_t c = take(p);
    add(p->arena, &s, c, c);
    return of_set(p, s);
}

/* ---- repetitions, sequences ---- */

enum { MOST_REPETITIONS = 1000 }; /* as in RE2 */

/* Reads a decimal number without leading zeros; one above the limit is returned as limit + 1. */
static bool count(parser *p, int *out) {
    const char *start = p->at;
    for (*out = 0; p->at < p->end && digit(*p->at) < 10; p->at++)
        *out = *out > MOST_REPETITIONS ? *out : *out * 10 + digit(*p->at);
    *out = *out > MOST_REPETITIONS ? MOST_REPETITIONS + 1 : *out;
    return p->at > start && (*start != '0' || p->at == start + 1);
}

/* Parses {n}, {n,} or {n,m}; other braces are ordinary characters. */
static bool accept_count(parser *p, int *least, int *most) {
    const char *start = p->at;
    bool fits = accept(p, "{") && count(p, least);
    *most = *least;
    if (fits && accept(p, ",")) {
        *most = -1;
        fits = p->at == p->end || digit(*p->at) > 9 || count(p, most);
    }
    if (!fits || !accept(p, "}")) {
        p->at = start;
        return false;
    }
    if (*least > MOST_REPETITIONS || *most > MOST_REPETITIONS || (*most >= 0 && *most < *least))
        return fail(p, "{n,m} is out of order, or more than 1000");
    return true;
}

static bool accept_repetition(parser *p, int *least, int *most) {
    if (accept_count(p, least, most))
        return true;
    char c = p->at < p->end ? *p->at : 0;
    if (c != '*' && c != '+' && c != '?')
        return false;
    p->at++;
    *least = c == '+';
    *most = c == '?' ? 1 : -1;
    return true;
}

/* Parses the repetition after an atom, if there is one. */
static node *repeated(parser *p, node *r) {
    int least, most;
    if (!r || !accept_repetition(p, &least, &most))
        return p->why ? NULL : r;
    node *all = node_new(p, REPEAT);
    /* ignores "as few as possible", since only matches of the whole text count */
    (void)accept(p, "?");
    all->least = least;
    all->most = most;
    FV_PUSH(p->arena, all->parts, all->n, all->cap, r);
    if (accept_repetition(p, &least, &most))
        return fail(p, "a repetition is repeated");
    return p->why ? NULL : all;
}

static node *parse_repeated(parser *p) {
    int least, most;
    if (accept_repetition(p, &least, &most))
        return fail(p, "there is nothing before a repetition that could be repeated");
    return p->why ? NULL : repeated(p, parse_atom(p));
}

/* Parses \Q...\E, quoted characters; a repetition after it applies to the last one. */
static bool take_quoted(parser *p, node *to) {
    int before = to->n;
    if (!accept(p, "\\Q"))
        return false;
    while (p->at < p->end && !accept(p, "\\E")) {
        set s = {0};
        uint32_t c = take(p);
        add(p->arena, &s, c, c);
        FV_PUSH(p->arena, to->parts, to->n, to->cap, of_set(p, s));
    }
    if (to->n > before)
        to->parts[to->n - 1] = repeated(p, to->parts[to->n - 1]);
    return true;
}

static node *parse_sequence(parser *p) {
    node *r = node_new(p, SEQUENCE);
    while (p->at < p->end && *p->at != '|' && *p->at != ')') {
        if (take_quoted(p, r)) {
            if (p->why)
                return NULL;
            continue;
        }
        node *part = parse_repeated(p);
        if (!part)
            return NULL;
        FV_PUSH(p->arena, r->parts, r->n, r->cap, part);
    }
    return r;
}

static node *parse_either(parser *p) {
    node *r = node_new(p, EITHER);
    do {
        node *part = parse_sequence(p);
        if (!part)
            return NULL;
        FV_PUSH(p->arena, r->parts, r->n, r->cap, part);
    } while (accept(p, "|"));
    return r;
}

/* ---- building the automaton, from the end to the beginning: each function returns the first node
 * of
 * its part ---- */

static int put(parser *p, fv_nfa *a, fv_nfa_node n) {
    if (a->n >= FV_MAX_NFA) {
        (void)fail(p, "it is too long, with all its repetitions");
        return 0;
    }
    FV_PUSH(p->arena, a->nodes, a->n, a->cap, n);
    return a->n - 1;
}

static int either(parser *p, fv_nfa *a, int next, int other) {
    return put(p, a, (fv_nfa_node){.kind = FV_NFA_EITHER, .next = next, .other = other});
}

static int encode(uint32_t c, uint8_t *out) {
    int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t head[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (int i = n; i-- > 1; c >>= 6)
        out[i] = (uint8_t)(0x80 | (c & 63));
    out[0] = (uint8_t)(head[n] | c);
    return n;
}

/* Adds nodes for the characters lo to hi, whose encodings have the same length and are all
 * combinations of bytes lo[i]..hi[i]. */
static int put_bytes(parser *p, fv_nfa *a, uint32_t lo, uint32_t hi, int next) {
    uint8_t from[4], to[4];
    int n = encode(lo, from);
    (void)encode(hi, to);
    for (int i = n; i-- > 0;)
        next = put(p, a,
                   (fv_nfa_node){.kind = FV_NFA_BYTES, .lo = from[i], .hi = to[i], .next = next});
    return next;
}

/* Divides a range where the lengths of encodings change, then where the last bytes are not all of
 * 0x80..0xbf. */
static int put_range(parser *p, fv_nfa *a, uint32_t lo, uint32_t hi, int next, int others) {
    static const uint32_t last[] = {0x7f, 0x7ff, 0xd7ff, 0xdfff, 0xffff};
    for (int i = 0; i < 5; i++)
        if (lo <= last[i] && hi > last[i]) {
            others = put_range(p, a, last[i] + 1, hi, next, others);
            return put_range(p, a, lo, last[i], next, others);
        }
    if (lo >= 0xd800 && hi <= 0xdfff) /* surrogates are no characters */
        return others;
    for (int bits = 6; bits <= 18 && lo >= 0x80; bits += 6) {
        uint32_t low = (1u << bits) - 1;
        if ((lo & ~low) == (hi & ~low))
            break;
        uint32_t cut = lo & low ? lo | low : (hi & low) != low ? (hi & ~low) - 1 : hi;
        if (cut < hi) {
            others = put_range(p, a, cut + 1, hi, next, others);
            return put_range(p, a, lo, cut, next, others);
        }
    }
    return either(p, a, put_bytes(p, a, lo, hi, next), others);
}

static int put_node(parser *p, fv_nfa *a, const node *n, int next);

/* Adds a repetition. A body that adds no nodes matches the empty text only, so it is not repeated:
 * nested repetitions of it would take time proportional to the product of their counts. */
static int put_repeat(parser *p, fv_nfa *a, const node *n, int next) {
    int start = next;
    if (n->most < 0) {
        start = either(p, a, next, next);
        int body = put_node(p, a, n->parts[0], start);
        if (!p->why)
            a->nodes[start].next = body;
    }
    for (int i = n->least; i < n->most && !p->why; i++)
        start = either(p, a, put_node(p, a, n->parts[0], start), next);
    for (int i = 0, before = -1; i < n->least && before != a->n && !p->why; i++) {
        before = a->n;
        start = put_node(p, a, n->parts[0], start);
    }
    return start;
}

static int put_node(parser *p, fv_nfa *a, const node *n, int next) {
    if (p->why)
        return 0;
    int start = next;
    switch (n->kind) {
    case SET:
        start = put(p, a, (fv_nfa_node){.kind = FV_NFA_FAIL});
        for (int i = n->chars.n; i-- > 0;)
            start = put_range(p, a, n->chars.at[i].lo, n->chars.at[i].hi, next, start);
        return start;
    case SEQUENCE:
        for (int i = n->n; i-- > 0;)
            start = put_node(p, a, n->parts[i], start);
        return start;
    case EITHER:
        start = put_node(p, a, n->parts[n->n - 1], next);
        for (int i = n->n - 1; i-- > 0;)
            start = either(p, a, put_node(p, a, n->parts[i], next), start);
        return start;
    case REPEAT: return put_repeat(p, a, n, next);
    case PLACE:
        return put(p, a, (fv_nfa_node){.kind = FV_NFA_PLACE, .place = n->place, .next = next});
    }
    return start;
}

const fv_nfa *fv_regex_parse(fv_arena *arena, fv_string pattern, const char **why) {
    parser p = {.arena = arena, .at = pattern.s, .end = pattern.s + pattern.n};
    fv_nfa *a = FV_NEW(arena, fv_nfa, 1);
    if (pattern.n > FV_MAX_PATTERN)
        return *why = fv_printf(arena, "it has %zu bytes, at most %d are supported", pattern.n,
                                FV_MAX_PATTERN),
               NULL;
    if (!fv_is_utf8(pattern.s, pattern.n))
        return *why = "it is no UTF-8", NULL;
    node *whole = parse_either(&p);
    if (whole && p.at < p.end)
        (void)fail(&p, "a ) has no (");
    if (!p.why)
        a->start = put_node(&p, a, whole, put(&p, a, (fv_nfa_node){.kind = FV_NFA_MATCH}));
    *why = p.why;
    return p.why ? NULL : a;
}
