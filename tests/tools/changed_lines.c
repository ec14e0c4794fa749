/* changed_lines.c - the lines in which two texts differ. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "ir/base/session.h"
#include "tools/lab/changed_lines.h"

/* Each line is a character of the text. */
static int split(const char *text, char lines[][2], const char **list) {
    int n = 0;
    for (; text[n]; n++) {
        lines[n][0] = text[n];
        lines[n][1] = 0;
        list[n] = lines[n];
    }
    return n;
}

static void differ(const char *before, const char *after, const char *expected) {
    static char x[200][2], y[200][2];
    const char *xs[200], *ys[200];
    char found[2000] = "";
    int n = split(before, x, xs), m = split(after, y, ys), count;
    fv_session *s = fv_session_new();
    fv_arena *a = fv_arena_new(s);
    const char *const *lines = fv_changed_lines(a, n, xs, m, ys, &count);
    for (int i = 0; i < count; i++)
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s|", lines[i]);
    cr_expect_str_eq(found, expected, "%s, %s: %s", before, after, found);
    fv_arena_free(a);
    fv_session_free(s);
}

Test(changed_lines, of_texts) {
    differ("", "", "");
    differ("abc", "abc", "");
    differ("abc", "axc", "- b|+ x|");
    differ("", "ab", "+ a|+ b|");
    differ("ab", "", "- a|- b|");
    differ("abc", "abxc", "+ x|");
    differ("aabb", "ab", "- a|- b|");
}

/* Each change is next to what replaces it. */
Test(changed_lines, apart) {
    differ("abcdefg", "aXcdeYg", "- b|+ X|  ...|- f|+ Y|");
    differ("abcdefg", "cdefgab", "- a|- b|  ...|+ a|+ b|");
    differ("1a2b3", "XaYbZ", "- 1|+ X|  ...|- 2|+ Y|  ...|- 3|+ Z|");
}

Test(changed_lines, of_long_texts) {
    char before[100] = "", after[100] = "", expected[600] = "";
    for (int i = 0; i < 13; i++) {
        strcat(before, "ab");
        strcat(after, "xb");
        strcat(expected, i == 12 ? "" : i ? "  ...|- a|+ x|" : "- a|+ x|");
    }
    strcat(expected, "  ... 2 changed lines more|");
    differ(before, after, expected);
}

/* Too many pairs of lines to find which are common: all of one text, then all of the other. */
Test(changed_lines, of_texts_too_large) {
    enum { LINES = 3000 };
    static const char *x[LINES], *y[LINES];
    int count;
    for (int i = 0; i < LINES; i++) {
        x[i] = i % 2 ? "common" : "x";
        y[i] = i % 2 ? "common" : "y";
    }
    fv_session *s = fv_session_new();
    fv_arena *a = fv_arena_new(s);
    const char *const *lines = fv_changed_lines(a, LINES, x, LINES, y, &count);
    cr_expect_eq(count, 25);
    cr_expect_str_eq(lines[0], "- x");
    cr_expect_str_eq(lines[1], "- common");
    cr_expect_str_eq(lines[24], "  ... 5974 changed lines more");
    fv_arena_free(a);
    fv_session_free(s);
}
