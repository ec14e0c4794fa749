/* The results of operators, and the checks of their attributes and operands: tests/ops/\*.txt.
 *
 * A case has the contents of the inputs ("x[2, 3] = 1 2 3 4 5 6", "x[2] = \"a\" \"b c\""), a
 * function in graph IR, a line `---`, and the outputs, or the messages. Every case runs on the
 * interpreter, after the passes of -O2 and after those of -O0 with the naive schedule; both must
 * give the same. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "backend/lower.h"
#include "ir/base/limits.h"
#include "ir/base/quoted.h"
#include "ir/graph/parse.h"
#include "ir/kernel/verify.h"
#include "ops/text/text.h"
#include "passes/passes.h"
#include "tests/kernel/support.h"

enum { MAX_PORTS = 16, CAPACITY = 4096 };

typedef struct array {
    const char *name;
    int rank, count;
    int64_t dims[FV_MAX_RANK];
    const char *values[CAPACITY]; /* as they are written */
} array;

/* `name[dims] = values`: reads it and returns the next line. */
static const char *read_array(const char *at, array *a) {
    size_t n = strcspn(at, "[");
    a->name = fv_strndup(arena, at, n);
    for (at += n + 1; *at && *at != ']'; at += strspn(at, ", "))
        a->dims[a->rank++] = strtoll(at, (char **)&at, 10);
    at = strchr(at, '=') + 1;
    for (at += strspn(at, " "); *at && *at != '\n'; at += strspn(at, " ")) {
        a->values[a->count++] = at;
        at += strcspn(at, " \n");
    }
    return *at ? at + 1 : at;
}

/* Strings in quotes, which end where the line does, become the text and ends of `a`. */
static const char *split_strings(const char *at, const array *a, array *text, array *ends) {
    *text = (array){.name = fv_text_part_name(arena, a->name, FV_PART_TEXT), .rank = 1};
    *ends = (array){.name = fv_text_part_name(arena, a->name, FV_PART_ENDS), .rank = a->rank};
    memcpy(ends->dims, a->dims, sizeof ends->dims);
    for (; *at == '"'; at += strspn(at + 1, " ") + 1) {
        char *s = FV_NEW(arena, char, strlen(at));
        size_t n;
        at = fv_quoted_read(at + 1, '"', s, &n);
        cr_assert_eq(*at, '"', "a string of %s does not end", a->name);
        for (size_t i = 0; i < n; i++)
            text->values[text->count++] = fv_printf(arena, "%d", (unsigned char)s[i]);
        ends->values[ends->count++] = fv_printf(arena, "%d", text->count);
    }
    text->dims[0] = text->count;
    return *at ? at + 1 : at;
}

/* The same of a line that may have strings, which are two arrays. */
static const char *read_arrays(const char *line, array *inputs, int *n) {
    const char *values = strstr(line, "= \"");
    if (values && values < line + strcspn(line, "\n")) {
        array a = {0};
        read_array(fv_strndup(arena, line, (size_t)(values + 1 - line)), &a);
        *n += 2;
        return split_strings(values + 2, &a, &inputs[*n - 2], &inputs[*n - 1]);
    }
    return read_array(line, &inputs[(*n)++]);
}

static fv_tensor *tensor_of(const array *a, fv_elem e) {
    fv_tensor *t = fv_tensor_new(arena, e, a->rank, a->dims);
    cr_assert_eq(t->count, (size_t)a->count, "%s: %d values for %zu elements", a->name, a->count,
                 t->count);
    for (int i = 0; i < a->count; i++)
        if (fv_elem_is_float(e))
            fv_tensor_set_float(t, (size_t)i, strtod(a->values[i], NULL));
        else if (*a->values[i] == '-')
            fv_tensor_set_int(t, (size_t)i, strtoll(a->values[i], NULL, 10));
        else
            fv_tensor_set_int(t, (size_t)i, (int64_t)strtoull(a->values[i], NULL, 10));
    return t;
}

/* The strings of a text, up to their ends. */
static void put_strings(fv_text *out, const char *text, const fv_tensor *ends) {
    int64_t at = 0;
    for (size_t i = 0; i < ends->count; at = fv_tensor_int(ends, i++)) {
        fv_text_put(out, " ");
        fv_text_string(out, text + at, (size_t)(fv_tensor_int(ends, i) - at));
    }
}

static void put_numbers(fv_text *out, const fv_tensor *t) {
    for (size_t k = 0; k < t->count; k++)
        if (fv_elem_is_float(t->elem))
            fv_text_printf(out, " %.6g", fv_tensor_float(t, k));
        else
            fv_text_printf(out, " %lld", (long long)fv_tensor_int(t, k));
}

/* Is output i the text of strings, whose ends are the next one? */
static bool is_text(const fv_program *p, int i) {
    const char *name = p->outputs[i].name, *dot = strstr(name, ".text");
    return dot && i + 1 < p->noutputs &&
           !strcmp(p->outputs[i + 1].name, fv_printf(arena, "%.*s.ends", (int)(dot - name), name));
}

static void put_outputs(fv_text *out, const fv_program *p, void *const *data, const int64_t *dims) {
    const char *text = NULL;
    for (int i = 0; i < p->noutputs; i++) {
        const fv_port *port = &p->outputs[i];
        fv_tensor t = {.elem = port->elem, .data = data[i], .count = 1};
        dims++; /* the capacity */
        if (is_text(p, i)) {
            text = data[i];
            dims++;
            continue;
        }
        fv_text_printf(out, "%.*s[", (int)(strlen(port->name) - (text ? strlen(".ends") : 0)),
                       port->name);
        for (int k = 0; k < port->rank; k++, dims++) {
            t.count *= (size_t)*dims;
            fv_text_printf(out, "%s%lld", k ? ", " : "", (long long)*dims);
        }
        fv_text_put(out, "] =");
        if (text)
            put_strings(out, text, &t);
        else
            put_numbers(out, &t);
        text = NULL;
        fv_text_put(out, "\n");
    }
}

static void *allocate(void *user, size_t bytes) {
    (void)user;
    return fv_alloc_aligned(arena, bytes + 64, 64);
}

static void forget(void *user, void *p) {
    (void)user;
    (void)p;
}

/* Finds the values of symbols that are dims of inputs. */
static void find_symbols(const fv_program *p, const array *const *given, int64_t *symbols) {
    for (int i = 0; i < p->ninputs; i++)
        for (int k = 0; k < p->inputs[i].rank; k++)
            for (int s = 0; s < p->symbols.n; s++)
                if (p->inputs[i].dims[k] == p->symbols.all[s])
                    symbols[s] = given[i]->dims[k];
}

static void run_program(fv_text *out, fv_program *p, const array *inputs, int ninputs) {
    static const char *const names[] = {[FV_BAD_DIM] = "bad dim", [FV_BAD_INDEX] = "bad index"};
    const array *given[MAX_PORTS];
    const void *in[MAX_PORTS];
    void *data[MAX_PORTS];
    int64_t symbols[32] = {0}, *dims = FV_NEW(arena, int64_t, fv_out_dims_size(p) + 1);
    size_t bytes;
    for (int i = 0; i < p->ninputs; i++) {
        int k = 0;
        while (k < ninputs && strcmp(inputs[k].name, p->inputs[i].name))
            k++;
        cr_assert(k < ninputs, "no data for %s", p->inputs[i].name);
        given[i] = &inputs[k];
        in[i] = tensor_of(given[i], p->inputs[i].elem)->data;
    }
    find_symbols(p, given, symbols);
    for (int i = 0; i < p->noutputs; i++)
        data[i] = allocate(NULL, CAPACITY * 8);
    fv_env env = {.size = sizeof env, .alloc = allocate, .free = forget};
    fv_interp *interp = fv_interp_new(arena, p);
    cr_assert(interp);
    int status = fv_interp_plan(interp, symbols, &bytes, dims);
    for (int i = 0; i < p->noutputs; i++)
        dims[fv_out_dims_at(p, i)] = CAPACITY;
    if (!status)
        status = fv_interp_run(interp, symbols, in, data, dims, allocate(NULL, bytes), bytes, &env);
    if (status == FV_INTERNAL)
        fv_text_printf(out, "internal error: %s\n", fv_interp_fault(interp));
    else if (status)
        fv_text_printf(out, "%s: %s\n", names[status] ? names[status] : "failed",
                       fv_interp_stopped(interp) ? fv_interp_stopped(interp) : "");
    else
        put_outputs(out, p, data, dims);
}

static const char *outcome(const char *text, const array *inputs, int n, bool naive) {
    fv_text out = {.arena = arena};
    fv_text_put(&out, "");
    fv_module *m =
        fv_module_parse(session, fv_printf(arena, "fovea-ir 1\nmodule \"m\"\n%s", text), NULL);
    fv_pipeline_options po = {.verify = true};
    fv_lower_options lo = {.target = fv_target_find("x86-64-v3"),
                           .naive = naive,
                           .saves = FV_SAVES_LOWERING}; /* as tools lower */
    fv_program *p = NULL;
    if (m && fv_run_passes(m, fv_pipeline(naive ? '0' : '2'), &po) && (p = fv_lower(m, &lo)) &&
        fv_program_verify(session, p)) {
        fv_program_expand(p);
        run_program(&out, p, inputs, n);
    }
    fv_text_put(&out, said());
    return out.s;
}

static const char *run_case(const char *options, const char *input) {
    (void)options;
    array *inputs = FV_NEW(arena, array, MAX_PORTS);
    int n = 0;
    while (strncmp(input, "func ", 5) && strncmp(input, "const ", 6) &&
           strncmp(input, "symbol ", 7))
        input = read_arrays(input, inputs, &n);
    const char *fast = outcome(input, inputs, n, false), *naive = outcome(input, inputs, n, true);
    if (strcmp(fast, naive))
        return fv_printf(arena, "%snaive: %s", fast, naive);
    return fast;
}

Test(ops, views, .init = open_session, .fini = close_session) {
    check_golden("../ops/views.txt", run_case);
}

Test(ops, data, .init = open_session, .fini = close_session) {
    check_golden("../ops/data.txt", run_case);
}

Test(ops, window, .init = open_session, .fini = close_session) {
    check_golden("../ops/window.txt", run_case);
}

Test(ops, lower, .init = open_session, .fini = close_session) {
    check_golden("../ops/lower.txt", run_case);
}

Test(ops, resize, .init = open_session, .fini = close_session) {
    check_golden("../ops/resize.txt", run_case);
}

Test(ops, quant, .init = open_session, .fini = close_session) {
    check_golden("../ops/quant.txt", run_case);
}

Test(ops, qlinear, .init = open_session, .fini = close_session) {
    check_golden("../ops/qlinear.txt", run_case);
}

Test(ops, nbits, .init = open_session, .fini = close_session) {
    check_golden("../ops/nbits.txt", run_case);
}

Test(ops, select, .init = open_session, .fini = close_session) {
    check_golden("../ops/select.txt", run_case);
}

Test(ops, search, .init = open_session, .fini = close_session) {
    check_golden("../ops/search.txt", run_case);
}

Test(ops, encoder_search, .init = open_session, .fini = close_session) {
    check_golden("../ops/encoder_search.txt", run_case);
}

Test(ops, sequence, .init = open_session, .fini = close_session) {
    check_golden("../ops/sequence.txt", run_case);
}

Test(ops, numerals, .init = open_session, .fini = close_session) {
    check_golden("../ops/numerals.txt", run_case);
}

Test(ops, strings, .init = open_session, .fini = close_session) {
    check_golden("../ops/strings.txt", run_case);
}

Test(ops, maps, .init = open_session, .fini = close_session) {
    check_golden("../ops/maps.txt", run_case);
}

Test(ops, recurrent, .init = open_session, .fini = close_session) {
    check_golden("../ops/recurrent.txt", run_case);
}

Test(ops, attention, .init = open_session, .fini = close_session) {
    check_golden("../ops/attention.txt", run_case);
}

Test(ops, control, .init = open_session, .fini = close_session) {
    check_golden("../ops/control.txt", run_case);
}

Test(ops, loop, .init = open_session, .fini = close_session) {
    check_golden("../ops/loop.txt", run_case);
}

Test(ops, scan, .init = open_session, .fini = close_session) {
    check_golden("../ops/scan.txt", run_case);
}

Test(ops, rotary, .init = open_session, .fini = close_session) {
    check_golden("../ops/rotary.txt", run_case);
}

Test(ops, norms, .init = open_session, .fini = close_session) {
    check_golden("../ops/norms.txt", run_case);
}

Test(ops, grid, .init = open_session, .fini = close_session) {
    check_golden("../ops/grid.txt", run_case);
}

Test(ops, linalg, .init = open_session, .fini = close_session) {
    check_golden("../ops/linalg.txt", run_case);
}

Test(ops, tokens, .init = open_session, .fini = close_session) {
    check_golden("../ops/tokens.txt", run_case);
}

Test(ops, microsoft, .init = open_session, .fini = close_session) {
    check_golden("../ops/microsoft.txt", run_case);
}

Test(ops, attn_lstm, .init = open_session, .fini = close_session) {
    check_golden("../ops/attn_lstm.txt", run_case);
}

Test(ops, causal, .init = open_session, .fini = close_session) {
    check_golden("../ops/causal.txt", run_case);
}

Test(ops, microsoft_attention, .init = open_session, .fini = close_session) {
    check_golden("../ops/microsoft_attention.txt", run_case);
}

Test(ops, ml, .init = open_session, .fini = close_session) {
    check_golden("../ops/ml.txt", run_case);
}

Test(ops, loss, .init = open_session, .fini = close_session) {
    check_golden("../ops/loss.txt", run_case);
}

Test(ops, signal, .init = open_session, .fini = close_session) {
    check_golden("../ops/signal.txt", run_case);
}

Test(ops, regions, .init = open_session, .fini = close_session) {
    check_golden("../ops/regions.txt", run_case);
}

Test(ops, random, .init = open_session, .fini = close_session) {
    check_golden("../ops/random.txt", run_case);
}

Test(ops, boxes, .init = open_session, .fini = close_session) {
    check_golden("../ops/boxes.txt", run_case);
}

Test(ops, once, .init = open_session, .fini = close_session) {
    check_golden("../ops/once.txt", run_case);
}
