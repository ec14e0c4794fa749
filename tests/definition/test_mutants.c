/* test_mutants.c - texts of definitions with a mistake, as if written by hand: in the text that the
 * steps of lowering make of a few graphs each line is removed, doubled or moved, and each number
 * and each name is replaced by another. Each mutant must fulfil what the fuzz target requires: it
 * is refused with a diagnostic, or it prints and parses to the same text, lowers, and runs. An
 * evenly spread sample is tried: FV_ROUNDS sets how many of each text, FV_SEED which. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/lower.h"
#include "ir/definition/definitions_print.h"
#include "ir/graph/parse.h"
#include "passes/passes.h"
#include "tests/definition/graphs.h"
#include "tests/fuzz/fuzz.h"
#include "tests/kernel/support.h"
#include "tests/sample.h"

TestSuite(mutants, .init = open_session, .fini = close_session);

enum { LINE_CHANGES = 3, WORD_CHANGES = 3, MAX_PIECES = 2048 };

typedef struct piece {
    size_t at, n;
} piece;

typedef struct text {
    const char *s;
    size_t n;
    piece lines[MAX_PIECES], words[MAX_PIECES];
    size_t nlines, nwords;
} text;

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

static void cut(text *t, const char *s) {
    *t = (text){.s = s, .n = strlen(s)};
    for (size_t at = 0, n; at < t->n && t->nlines < MAX_PIECES; at += n) {
        n = strcspn(s + at, "\n") + 1;
        t->lines[t->nlines++] = (piece){at, n};
    }
    for (size_t at = 0, n; at < t->n && t->nwords < MAX_PIECES; at += n) {
        for (n = 0; is_word(s[at + n]);)
            n++;
        if (n)
            t->words[t->nwords++] = (piece){at, n};
        n += n == 0;
    }
}

/* ---- changes ---- */

/* `with`, and in its place `p` of the text. */
static const char *replaced(const text *t, piece p, const char *with, size_t n) {
    fv_text out = {.arena = arena};
    fv_text_putn(&out, t->s, p.at);
    fv_text_putn(&out, with, n);
    fv_text_putn(&out, t->s + p.at + p.n, t->n - p.at - p.n);
    return out.s;
}

static const char *moved(const text *t, size_t line, size_t before) {
    fv_text out = {.arena = arena};
    for (size_t i = 0; i < t->nlines; i++) {
        if (i == before)
            fv_text_putn(&out, t->s + t->lines[line].at, t->lines[line].n);
        if (i != line)
            fv_text_putn(&out, t->s + t->lines[i].at, t->lines[i].n);
    }
    return out.s;
}

static const char *with_line(const text *t, size_t line, int change, uint64_t *random) {
    piece p = t->lines[line];
    switch (change) {
    case 0: return replaced(t, p, "", 0);
    case 1: return replaced(t, (piece){p.at, 0}, t->s + p.at, p.n);
    default: return moved(t, line, fuzz_below(random, t->nlines));
    }
}

static const char *with_word(const text *t, size_t word, int change, uint64_t *random) {
    piece p = t->words[word], q;
    const char *other = change == 0 ? "0" : change == 1 ? "9223372036854775807" : NULL;
    if (isdigit((unsigned char)t->s[p.at])) {
        other = other ? other : fv_printf(arena, "%lld", strtoll(t->s + p.at, NULL, 10) + 1);
        return replaced(t, p, other, strlen(other));
    }
    do
        q = t->words[fuzz_below(random, t->nwords)];
    while (isdigit((unsigned char)t->s[q.at]) ||
           (q.n == p.n && !memcmp(t->s + q.at, t->s + p.at, p.n)));
    return replaced(t, p, t->s + q.at, q.n);
}

static const char *mutant(const text *t, size_t i, uint64_t seed) {
    uint64_t random = seed + i;
    if (i < t->nlines * LINE_CHANGES)
        return with_line(t, i / LINE_CHANGES, (int)(i % LINE_CHANGES), &random);
    i -= t->nlines * LINE_CHANGES;
    return with_word(t, i / WORD_CHANGES, (int)(i % WORD_CHANGES), &random);
}

/* ---- trying them ---- */

static const char *tried;

static void tell(int signal_number) {
    fprintf(stderr, "%s\n", tried); /* seen where it ends the process */
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void try_some(const char *s) {
    static text t;
    cut(&t, s);
    size_t all = t.nlines * LINE_CHANGES + t.nwords * WORD_CHANGES,
           some = (size_t)sample_rounds(sample_is_all() ? 12 : 6, 2);
    uint64_t seed = sample_seed(1);
    for (size_t i = 0; i < all && i < some; i++) {
        size_t which = some < all ? (i * all + (size_t)(seed * 7919 % all)) / some % all : i;
        tried = mutant(&t, which, seed);
        fuzz_run(fuzz_find("definitions"), (const uint8_t *)tried, strlen(tried));
    }
}

typedef struct dumps {
    int n;
    const char *text[32];
} dumps;

static void keep(void *user, const char *step, const fv_module *m, const fv_definitions *d) {
    dumps *all = user;
    fv_text t = {.arena = arena};
    (void)step;
    if (!d)
        return;
    fv_definitions_print(&t, m, d, NULL, NULL, true);
    all->text[all->n++] = t.s;
}

Test(mutants, of_steps, .timeout = 900) {
    signal(SIGABRT, tell);
    signal(SIGSEGV, tell);
    for (size_t i = 0; i < NGRAPHS; i++) {
        fv_module *m = fv_module_parse(
            session, fv_printf(arena, "fovea-ir 1\nmodule \"m\"\n%s", graphs[i]), ".");
        dumps all = {0};
        fv_watch w = {&all, keep};
        fv_lower_options o = {.target = fv_target_find("x86-64-v3"), .verify = true, .watch = &w};
        cr_assert(m && fv_run_passes(m, fv_pipeline('2'), NULL) && fv_lower(m, &o), "%s", said());
        int steps = 0;
        while (fv_lower_steps()[steps])
            steps++;
        cr_assert_eq(all.n, steps);
        for (int k = 0; k < all.n; k++)
            try_some(all.text[k]);
    }
}
