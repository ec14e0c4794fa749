/* bench.c - see bench.h. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "ir/base/text.h"
#include "ir/kernel/parse.h"
#include "ir/kernel/verify.h"
#include "tests/cemit/bench.h"

const char *const dynamic_text = "fovea-program 1\n"
                                 "name kws\n"
                                 "target \"generic\"\n"
                                 "symbol n as n in 0..100\n"
                                 "symbol k as k in 1..9\n"
                                 "plan {\n"
                                 "  let size = (n * 4 + 63) floordiv 64 * 64\n"
                                 "}\n"
                                 "workspace size\n"
                                 "constant \"two\" hex \"000000400000803f0000807f0000c07f\"\n"
                                 "buffer x: f32[n, 4] input 0\n"
                                 "buffer y: f32[n] output 0\n"
                                 "buffer two: f32[4] const 0\n"
                                 "buffer t: f32[n] work at 0 bytes n * 4\n"
                                 "input x = \"x/in\" as x: f32[n, 4] extents [n, 4]\n"
                                 "output y = \"y\" as y: f32[n] extents [n]\n"
                                 "kernel rows(A: f32[n, 4], B: f32[4], out C: f32[n]; n) {\n"
                                 "  parallel i < n {\n"
                                 "    tile acc: f32 = 0.0\n"
                                 "    for j < 2 { acc = acc + A[i, j + 1] * B[j] }\n"
                                 "    C[i] = max(acc, 0.0) + f32(i)\n"
                                 "  }\n"
                                 "}\n"
                                 "kernel shift(A: f32[n], out C: f32[n]; n, k) {\n"
                                 "  vector i < n { C[i] = exp(A[i] * 0.01) + f32(k) }\n"
                                 "}\n"
                                 "run {\n"
                                 "  check k != 7, BAD_DIM, \"k is 7\"\n"
                                 "  launch rows(x, two, t; n)\n"
                                 "  launch shift(t, y; n, k)\n"
                                 "}\n";

const char *const fixed_text = "fovea-program 1\n"
                               "name kws\n"
                               "target \"generic\"\n"
                               "workspace 64\n"
                               "constant \"w/0\" hex \"000000bf0000803f00000040\"\n"
                               "buffer x: f32[1, 5, 3] input 0\n"
                               "buffer y: f32[5] output 0\n"
                               "buffer w: f32[3] const 0\n"
                               "buffer t: f32[5] work at 0 bytes 20\n"
                               "input x = \"x\" as x: f32[1, 5, 3] extents [1, 5, 3]\n"
                               "output y = \"y\" as y: f32[5] extents [5]\n"
                               "kernel dense_1(A: f32[5, 3], B: f32[3], out C: f32[5]) {\n"
                               "  for i < 5 {\n"
                               "    tile acc: f32 = 0.0\n"
                               "    for j < 3 { acc = acc + A[i, j] * B[j] }\n"
                               "    C[i] = acc\n"
                               "  }\n"
                               "}\n"
                               "kernel relu_2(A: f32[5], out C: f32[5]) {\n"
                               "  for i < 5 { C[i] = max(A[i], 0.0) }\n"
                               "}\n"
                               "run {\n"
                               "  launch dense_1(x, w, t)\n"
                               "  launch relu_2(t, y)\n"
                               "}\n";

bench bench_open(void) {
    bench b = {.s = fv_session_new()};
    b.a = fv_arena_new(b.s);
    const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    char *folder = fv_printf(b.a, "%s/fv-cemit-XXXXXX", tmp);
    cr_assert(mkdtemp(folder) != NULL);
    b.folder = fv_printf(b.a, "%s/", folder);
    return b;
}

void bench_close(bench *b) {
    cr_assert_eq(system(fv_printf(b->a, "rm -rf '%s'", b->folder)), 0);
    fv_session_free(b->s);
}

const char *said(bench *b) {
    fv_text t = {.arena = b->a};
    fv_text_put(&t, "");
    for (const fv_message *m = fv_messages(b->s); m; m = m->next)
        fv_text_printf(&t, "%s\n", fv_message_str(b->a, m));
    return t.s;
}

fv_program *program_from(bench *b, const char *target, const char *text) {
    fv_program *p = fv_program_parse(b->a, text, NULL);
    cr_assert(p, "%s", said(b));
    cr_assert(fv_program_verify(b->s, p), "%s", said(b));
    const char *why = NULL;
    p->target = fv_target_read(b->a, target, &why);
    cr_assert(p->target, "%s", why);
    fv_program_expand(p);
    return p;
}

const char *contents(bench *b, const char *name) {
    FILE *f = fopen(fv_printf(b->a, "%s%s", b->folder, name), "rb");
    if (!f)
        return NULL;
    fv_text t = {.arena = b->a};
    fv_text_put(&t, "");
    char buffer[4096];
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, f)) > 0;)
        fv_text_putn(&t, buffer, n);
    fclose(f);
    return t.s;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *listing(bench *b, const char *folder) {
    const char *names[64];
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && n < 64 && (e = readdir(d));)
        if (e->d_name[0] != '.')
            names[n++] = fv_strdup(b->a, e->d_name);
    if (d)
        closedir(d);
    qsort(names, (size_t)n, sizeof *names, by_name);
    fv_text t = {.arena = b->a};
    fv_text_put(&t, "");
    for (int i = 0; i < n; i++)
        fv_text_printf(&t, "%s ", names[i]);
    return t.s;
}

bool has_tool(const char *name) {
    char command[256];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", name);
    return system(command) == 0;
}

bool shell(bench *b, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char command[4096];
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    const char *all = fv_printf(b->a, "cd '%s' && { %s; } >.said 2>&1", b->folder, command);
    bool ok = system(all) == 0;
    const char *text = contents(b, ".said");
    if (!ok || (text && *text))
        fprintf(stderr, "%s\n%s\n", command, text ? text : "");
    return ok && !(text && *text);
}

static int interpret(void *user, const fv_program *p, const int64_t *dims,
                     const void *const *inputs, void *const *outputs, int64_t *out_dims,
                     const fv_env *env) {
    bench *b = user;
    fv_interp *i = fv_interp_new(b->a, p);
    size_t need = 0;
    int status = i ? fv_interp_plan(i, dims, &need, NULL) : FV_INTERNAL;
    if (status != FV_OK)
        return status;
    void *work = fv_alloc_aligned(b->a, need + 64, 64);
    return fv_interp_run(i, dims, inputs, outputs, out_dims, work, need, env);
}

fv_c_options with_reference(bench *b) {
    return (fv_c_options){.reference = interpret, .reference_user = b};
}
