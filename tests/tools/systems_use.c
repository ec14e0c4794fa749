/* systems_use.c - loads a compiled model as a library of this system, without libfovea-run, runs it
 * and prints the bits of its outputs. With LINKED_MODEL, the name of the function of a model, it
 * runs that model, which is linked with it. Usage: PROGRAM LIBRARY; every input element is its
 * index modulo 97. All inputs and outputs are i32 or f32 of fixed dims. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/fovea_model.h"

typedef const fv_model *(*table_function)(void);

#ifdef LINKED_MODEL /* the model is a part of this program */
const fv_model *LINKED_MODEL(void);
int _fltused; /* objects for Microsoft's compiler refer to it */
static table_function find(const char *path) {
    (void)path;
    return LINKED_MODEL;
}
#elif defined(_WIN32)
#include <windows.h>
static table_function find(const char *path) {
    HMODULE library = LoadLibraryA(path);
    FARPROC f = library ? GetProcAddress(library, "fovea_model") : NULL;
    table_function table = NULL;
    memcpy(&table, &f, sizeof table);
    return table;
}
#else
#include <dlfcn.h>
static table_function find(const char *path) {
    void *library = dlopen(path, RTLD_NOW);
    void *f = library ? dlsym(library, "fovea_model") : NULL;
    table_function table = NULL;
    memcpy(&table, &f, sizeof table);
    return table;
}
#endif

enum { MOST = 1 << 20, PORTS = 4 };
static union {
    float f[MOST];
    int32_t i[MOST];
} inputs[PORTS], outputs[PORTS];
static unsigned char workspace[MOST + 64];

static size_t elements(const fv_port_info *p) {
    size_t n = 1;
    for (int32_t d = 0; d < p->rank; d++)
        n *= (size_t)atoi(p->dims[d]);
    return n;
}

static void fill(const fv_model *m, int32_t port) {
    for (size_t i = 0; i < elements(&m->inputs[port]); i++)
        if (m->inputs[port].type == 1)
            inputs[port].f[i] = (float)(i % 97);
        else
            inputs[port].i[i] = (int32_t)(i % 97);
}

int main(int argc, char **argv) {
    table_function table = argc == 2 ? find(argv[1]) : NULL;
    const void *in[PORTS];
    void *out[PORTS], *work = workspace + (64 - (uintptr_t)workspace % 64) % 64;
    size_t bytes = 0;
    if (!table)
        return 1;
    const fv_model *m = table();
    for (int32_t i = 0; i < m->ninputs; i++) {
        fill(m, i);
        in[i] = &inputs[i];
    }
    for (int32_t i = 0; i < m->noutputs; i++)
        out[i] = &outputs[i];
    if (m->plan(NULL, &bytes, NULL) != FV_OK || bytes > MOST)
        return 2;
    int status = m->run(NULL, in, out, NULL, work, bytes, NULL);
    printf("%s: status %d\n", m->target, status);
    for (int32_t i = 0; status == FV_OK && i < m->noutputs; i++)
        for (size_t k = 0; k < elements(&m->outputs[i]); k++)
            printf("%08lx\n", (unsigned long)(uint32_t)outputs[i].i[k]);
    return 0;
}
