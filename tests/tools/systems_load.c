/* systems_load.c - loads a compiled model by fv_load, runs it with a number of threads, and prints
 * the bits of its outputs. Usage: PROGRAM LIBRARY THREADS; every input element is its index modulo
 * 97. All inputs and outputs are i32 or f32 of fixed dims. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#include <windows.h>

#include <shellapi.h> /* after windows.h */
#endif

#include "runtime/fovea.h"

enum { PORTS = 4, MOST = 1 << 16 };
static union {
    float f[MOST];
    int32_t i[MOST];
} inputs[PORTS];

static size_t describe(const fv_port_info *p, fv_array *a) {
    size_t n = 1;
    a->type = p->type;
    a->rank = p->rank;
    for (int32_t d = 0; d < p->rank; d++)
        n *= (size_t)(a->dims[d] = atoi(p->dims[d]));
    return n;
}

static void fill(const fv_model *m, int32_t port, fv_array *a) {
    size_t n = describe(&m->inputs[port], a);
    a->data = &inputs[port];
    for (size_t i = 0; i < n; i++)
        if (a->type == 1)
            inputs[port].f[i] = (float)(i % 97);
        else
            inputs[port].i[i] = (int32_t)(i % 97);
}

static void print(const fv_array *a) {
    for (size_t i = 0; i < fv_array_bytes(a) / 4; i++) {
        uint32_t bits;
        memcpy(&bits, (const char *)a->data + 4 * i, sizeof bits);
        printf("%08lx\n", (unsigned long)bits);
    }
}

/* The first argument as UTF-8; main gets it in the code page of the user. */
static const char *first_argument(int argc, char **argv) {
#ifdef _WIN32
    static char text[1000];
    int n;
    LPWSTR *all = CommandLineToArgvW(GetCommandLineW(), &n);
    if (all && n > 1 && WideCharToMultiByte(CP_UTF8, 0, all[1], -1, text, sizeof text, NULL, NULL))
        return strcmp(text, "broken") ? text : "\xff.dll";
#endif
    return argc > 1 ? argv[1] : NULL;
}

int main(int argc, char **argv) {
    fv_log *log = fv_log_new();
    fv_artifact *a = NULL;
    fv_array in[PORTS] = {{0}}, out[PORTS] = {{0}};
    fv_run_options o = {.size = sizeof o, .threads = argc == 3 ? atoi(argv[2]) : 1};
    int status = fv_load(first_argument(argc, argv), log, &a);
    const fv_model *m = fv_artifact_model(a);
    for (int32_t i = 0; !status && i < m->ninputs; i++)
        fill(m, i, &in[i]);
    for (int run = 0; !status && run < 3; run++) {
        for (int32_t i = 0; i < m->noutputs; i++)
            fv_array_free(&out[i]);
        memset(out, 0, sizeof out);
        status = fv_artifact_run(a, in, out, &o, log);
    }
    printf("%s: status %d\n", status ? fv_log_text(log) : m->target, status);
    for (int32_t i = 0; !status && i < m->noutputs; i++) {
        print(&out[i]);
        fv_array_free(&out[i]);
    }
    fv_artifact_free(a);
    fv_log_free(log);
    return 0;
}
