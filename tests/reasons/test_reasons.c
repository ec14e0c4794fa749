/* test_reasons.c - the decisions of lowering and their reasons: graphs in, decisions out; each
 * reason of the table must occur. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "backend/lower.h"
#include "backend/lowering/why.h"
#include "ir/definition/definitions_parse.h"
#include "ir/graph/parse.h"
#include "passes/passes.h"
#include "tests/kernel/support.h"
#include "tests/reasons/whole.h"

TestSuite(reasons, .init = open_session, .fini = close_session);

static bool seen[FV_NWHYS];

/* Expands "%N:FROM-TO TEXT" to the text for each number, in which < and > stand for the number and
 * the next one, and | for the end of a line: for graphs that are large enough to reach a limit. */
static void expand(fv_text *t, const char *line, size_t n) {
    int from, to, used = 0;
    if (sscanf(line, "%%N:%d-%d %n", &from, &to, &used) != 2 || !used) {
        fv_text_putn(t, line, n);
        return;
    }
    for (int i = from; i < to; i++)
        for (const char *c = line + used; c < line + n; c++)
            if (*c == '<' || (*c == '>' && c[-1] != '-'))
                fv_text_printf(t, "%d", i + (*c == '>'));
            else
                fv_text_putn(t, *c == '|' ? "\n" : c, 1);
}

static const char *expanded(const char *input) {
    fv_text t = {.arena = arena};
    fv_text_put(&t, "");
    while (*input) {
        size_t n = strcspn(input, "\n");
        n += input[n] == '\n';
        expand(&t, input, n);
        input += n;
    }
    return t.s;
}

/* The step that the fixture is about; decisions of others have theirs. */
static bool is_asked(const char *options, const char *step) {
    const char *at = strstr(options, step);
    return at && (at == options || at[-1] == ' ') && strchr(" \n", at[strlen(step)]);
}

/* "tuning SCHEDULE", the last line: what a tuning says of the first kernel. Cuts it off. */
static const fv_tuning *tuning_of(fv_lower_options o, char *input) {
    char *line = strstr(input, "\ntuning ");
    fv_choices all = {0};
    if (!line)
        return NULL;
    line[1] = 0;
    fv_module *m =
        fv_module_parse(session, fv_printf(arena, "fovea-ir 1\nmodule \"m\"\n%s", input), ".");
    o.choices = &all;
    cr_assert(m && fv_run_passes(m, fv_pipeline('2'), NULL) && fv_lower(m, &o) && all.n, "%s",
              said());
    const char *head = "fovea-tuning 1 model \"\" producer \"\" target \"\" cpu \"\"";
    const fv_tuning *u = fv_tuning_parse(
        session, arena, fv_printf(arena, "%s kernel \"%s\" %s end", head, all.at[0].key, line + 8));
    cr_assert(u, "%s", said());
    return u;
}

/* Options: the steps whose decisions are printed, `first` (each reason once), `naive`, `-O0`,
 * `-Os`, `target=T`, and departures, `bf16-products`,
 * `bf16-tiles` or `winograd`. */
static const char *decided(const char *options, const char *input) {
    fv_reasons r;
    const char *target = strstr(options, "target=");
    target = target ? fv_strndup(arena, target + 7, strcspn(target + 7, " ")) : "x86-64-v3";
    const char *why;
    fv_lower_options o = {
        .target = fv_target_read(arena, target, &why),
        .naive = is_asked(options, "naive"),
        .relax = (is_asked(options, "bf16-products") ? FV_RELAX_BF16_PRODUCTS : 0) |
                 (is_asked(options, "bf16-tiles") ? FV_RELAX_BF16_TILES : 0) |
                 (is_asked(options, "winograd") ? FV_RELAX_WINOGRAD : 0),
        .saves = (is_asked(options, "strip") ? FV_SAVES_MEMORY | FV_SAVES_BY_STRIPS : 0) |
                 (is_asked(options, "-Os") ? FV_SAVES_MEMORY | FV_SAVES_CODE : 0),
        .verify = true,
        .reasons = &r};
    fv_lower_options plain = {.target = o.target};
    char *graph = fv_strdup(arena, input);
    o.tuning = tuning_of(plain, graph);
    input = graph;
    static const char *const floats[] = {"legalise", "remove-dead", NULL};
    const char *const *passes =
        is_asked(options, "floats") ? floats : fv_pipeline(is_asked(options, "-O0") ? '0' : '2');
    fv_module *m =
        strncmp(input, "fovea-definitions", 17)
            ? fv_module_parse(
                  session, fv_printf(arena, "fovea-ir 1\nmodule \"m\"\n%s", expanded(input)), ".")
            : fv_definitions_parse(session, input, ".", NULL);
    if (!m || (!m->definitions && !fv_run_passes(m, passes, NULL)) || !fv_lower(m, &o))
        return said();
    const char *fault = reasons_fault(arena, &r);
    cr_expect(!fault, "%s\n%s", fault, input);
    fv_text t = {.arena = arena};
    fv_text_put(&t, "");
    const fv_value *last = NULL;
    bool told[FV_NWHYS] = {false}, first = is_asked(options, "first");
    for (int i = 0; i < r.n; i++) {
        const fv_why_info *info = fv_why_info_of(r.all[i].why);
        seen[r.all[i].why] = true;
        if (!is_asked(options, info->step) || (first && told[r.all[i].why]))
            continue;
        told[r.all[i].why] = true;
        if (r.all[i].about != last)
            fv_text_printf(&t, "%s\n", r.all[i].about->name);
        last = r.all[i].about;
        fv_text_printf(&t, "  %s %s %s: %s\n", info->step, info->verdict == FV_TAKEN ? "yes" : "no",
                       info->name, fv_reason_str(arena, &r.all[i]));
    }
    return t.s;
}

static const char *const fixtures[] = {
    "factor", "group",  "attend", "fold",   "results", "schedule", "contract", "transpose",
    "map",    "concat", "extend", "layout", "order",   "join",     "strip",    "pad",
    "widen",  "stride", "merge",  "memory", "loops",   "tuning",   "winograd"};
enum { NFIXTURES = sizeof fixtures / sizeof *fixtures };

static void run_fixture(const char *name) {
    check_golden(fv_printf(arena, "../reasons/%s.txt", name), decided);
}

/* In one process, so that each of the table is seen. */
Test(reasons, table) {
    for (int i = 0; i < NFIXTURES; i++)
        run_fixture(fixtures[i]);
    for (int i = FV_WHY_none + 1; i < FV_NWHYS; i++)
        cr_expect(seen[i], "no test has the reason '%s'", fv_why_info_of((fv_why)i)->name);
}

/* Each reason is whole. */
Test(reasons, facts) {
    for (int i = FV_WHY_none + 1; i < FV_NWHYS; i++) {
        const fv_why_info *info = fv_why_info_of((fv_why)i);
        int n = 0;
        for (const char *p = info->sentence; (p = strchr(p, '{')); p++) {
            cr_expect(strchr(p, '}') && strcspn(p, " ,.:") > strcspn(p, "}"), "%s: %s", info->name,
                      info->sentence);
            n++;
        }
        cr_expect(n <= FV_MAX_FACTS, "%s has %d facts", info->name, n);
        cr_expect(*info->sentence && *info->condition && *info->step, "%s", info->name);
    }
}
