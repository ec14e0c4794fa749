/* subject.c - a model and its data sets, in the layout of the ONNX backend tests. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/expand/expand.h"
#include "frontend/data.h"
#include "tests/matrix/matrix.h"
#include "tools/data/compare.h"
#include "tools/data/values.h"
#include "tools/driver/driver.h"

fv_program *subject_program(subject *s, const fv_target *t) {
    fv_driver_options o = {
        .target.of = t, .target.given = true, .level = '2', .naive = s->naive, .name = "m"};
    fv_source source;
    fv_messages_clear(s->session);
    fv_program *p = fv_driver_read(s->session, s->model, &o, &source)
                        ? fv_driver_lower(s->session, &source, &o)
                        : NULL;
    if (p)
        fv_program_expand(p);
    return p;
}

const char *subject_error(const subject *s) {
    for (const fv_message *m = fv_messages(s->session); m; m = m->next)
        if (m->severity == FV_ERROR)
            return m->text;
    return "no message says why";
}

bool subject_is_unsupported(const subject *s) {
    for (const fv_message *m = fv_messages(s->session); m; m = m->next)
        if (m->severity == FV_ERROR && strstr(m->text, "not in the catalogue"))
            return true;
    return false;
}

/* ---- data sets ---- */

/* "test_data_set_10" behind "test_data_set_9". */
static int by_number(const void *x, const void *y) {
    const char *a = *(const char *const *)x, *b = *(const char *const *)y;
    size_t n = strlen(a), m = strlen(b);
    return n != m ? (n > m) - (n < m) : strcmp(a, b);
}

static int find_sets(fv_arena *a, const char *folder, const char ***out) {
    const char **list = NULL;
    int n = 0, cap = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (!strncmp(e->d_name, "test_data_set_", 14))
            FV_PUSH(a, list, n, cap, fv_printf(a, "%s/%s", folder, e->d_name));
    if (d)
        closedir(d);
    if (n)
        qsort(list, (size_t)n, sizeof *list, by_number);
    *out = list;
    return n;
}

static const char *read_set(subject *s, const fv_model *m, const char *folder, data_set *out) {
    *out = (data_set){strrchr(folder, '/') + 1, FV_NEW(s->arena, fv_array, m->ninputs + 1)};
    fv_context c = {.session = s->session, .arena = s->arena};
    fv_port_value *values;
    int n = fv_port_values(s->arena, m->ninputs, m->inputs, FV_AS_WHOLE, &values);
    for (int i = 0; i < n; i++) {
        const char *path = fv_printf(s->arena, "%s/input_%d.pb", folder, i);
        const fv_tensor **parts = FV_NEW(s->arena, const fv_tensor *, values[i].nparts);
        if (!fv_value_read(&c, &values[i], path, parts))
            return subject_error(s);
        for (int k = 0; k < values[i].nparts; k++)
            if (!fv_tensor_array(s->arena, parts[k], &out->inputs[values[i].first + k]))
                return "an input cannot be passed";
    }
    return NULL;
}

/* Reads the data sets in the folder of the model, or in its subfolder `test`. */
const char *subject_read_sets(subject *s, const fv_model *m) {
    const char *slash = strrchr(s->model, '/');
    const char *beside = slash ? fv_strndup(s->arena, s->model, (size_t)(slash - s->model)) : ".";
    const char **names;
    int n = find_sets(s->arena, beside, &names);
    if (!n)
        n = find_sets(s->arena, fv_printf(s->arena, "%s/test", beside), &names);
    if (!n)
        return "there is no test_data_set_N";
    s->sets = FV_NEW(s->arena, data_set, n);
    for (int i = 0; i < n; i++) {
        const char *why = read_set(s, m, names[i], &s->sets[i]);
        if (why)
            return why;
    }
    s->nsets = n;
    return NULL;
}

/* ---- counting ---- */

void subject_count(subject *s, const char *target, const char *variant, const char *why) {
    atomic_fetch_add(why ? &s->tally->failed : &s->tally->passed, 1);
    if (!why)
        return;
    printf("FAILED %s: %s, %s: %s\n", s->folder, target, variant, why);
    fflush(stdout);
}

bool takes_turn(const subject *s, int variant, int nvariants) {
    return !s->quick || s->turn % nvariants == variant;
}
