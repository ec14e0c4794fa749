/* dates_dlopen.c - reads a line and prints its date as 1979-05-03, or ?, with the model of a shared
 * library that it loads by dlopen: no library of Fovea is linked, and all memory is static.
 * Relies on dates.h, which `fovea compile -o dates.so` writes next to the library.
 * Usage: dates_dlopen LIBRARY */
#include "dates.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLOAT = 1, INT32 = 6 }; /* of ONNX's TensorProto.DataType */
enum { LENGTH = DATES_TEXT_SIZE, DIGITS = 10, SYMBOLS = DATES_PROBS_SIZE / DIGITS };
static const char symbols[SYMBOLS + 1] = "0123456789-";

static int32_t text[DATES_TEXT_SIZE];
static float probs[DATES_PROBS_SIZE];
DATES_ALIGNED static unsigned char workspace[DATES_WORKSPACE_BYTES];

/* The table of the model; NULL: it cannot be loaded. The library stays loaded. */
static const fv_model *load(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    /* dlsym returns a pointer to data; POSIX requires that it can be stored as one to a function */
    const fv_model *(*table)(void) = NULL;
    if (library)
        *(void **)&table = dlsym(library, "fovea_model");
    if (!table) {
        fprintf(stderr, "%s\n", dlerror());
        return NULL;
    }
    return table();
}

/* Has it the element type and the rank? */
static int has_type(const fv_port_info *port, int type, int rank) {
    return port->type == type && port->rank == rank;
}

/* Is it the model that dates.h describes, so that its sizes hold? */
static int is_as_described(const fv_model *m) {
    size_t bytes;
    dates_out_dims actual;
    return m->abi == 2 && m->nsymbols == 0 && m->ninputs == 1 && m->noutputs == 1 &&
           has_type(&m->inputs[0], INT32, 2) && has_type(&m->outputs[0], FLOAT, 3) &&
           strcmp(m->inputs[0].dims[0], "1") == 0 && atoi(m->inputs[0].dims[1]) == LENGTH &&
           m->plan(NULL, &bytes, &actual.probs.capacity) == FV_OK &&
           bytes <= DATES_WORKSPACE_BYTES && actual.probs.capacity == DATES_PROBS_SIZE &&
           actual.probs.dim[1] == DIGITS && actual.probs.dim[2] == SYMBOLS;
}

/* Fills the input from standard input; 0 if the line is longer. */
static int read_line(void) {
    int n = 0, c;
    while ((c = getchar()) != EOF && c != '\n') {
        if (n == LENGTH)
            return 0;
        text[n++] = c >= ' ' && c < 127 ? c : 127;
    }
    return 1;
}

/* Prints the likeliest symbol of each position, or ? if their mean probability is low. */
static int print_date(void) {
    char date[DIGITS + 1] = "";
    float sum = 0;
    for (int i = 0; i < DIGITS; i++) {
        const float *row = probs + i * SYMBOLS;
        int best = 0;
        for (int k = 1; k < SYMBOLS; k++)
            best = row[k] > row[best] ? k : best;
        date[i] = symbols[best];
        sum += row[best];
    }
    puts(sum >= 0.9f * (float)DIGITS ? date : "?");
    return sum < 0.9f * (float)DIGITS;
}

int main(int argc, char **argv) {
    const fv_model *m = argc > 1 ? load(argv[1]) : NULL;
    if (!m)
        return 2;
    if (!is_as_described(m)) {
        fprintf(stderr, "%s: dates.h is that of another model\n", argv[1]);
        return 2;
    }
    const void *inputs[] = {text};
    void *outputs[] = {probs};
    int status = read_line()
                     ? m->run(NULL, inputs, outputs, NULL, workspace, sizeof workspace, NULL)
                     : FV_TOO_LARGE;
    if (status != FV_OK) {
        if (status == FV_BAD_CPU)
            fprintf(stderr, "this CPU cannot run the code for %s\n", m->target);
        else
            fprintf(stderr, "status %d\n", status);
        return 2;
    }
    printf("code for %s\n", m->target);
    return print_date();
}
