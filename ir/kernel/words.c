/* words.c - the words for roles of buffers and for statuses of runs. */
#include "ir/kernel/words.h"

#include <string.h>

static const char *const roles[] = {"in",     "out",   "inout", "tile", "input",
                                    "output", "const", "work",  "heap"};

const char *fv_role_text(fv_buf_role role) {
    return roles[role];
}

static const char *const statuses[] = {
    "OK",        "BAD_DIM",   "BAD_INDEX",       "BAD_CPU",      "TOO_SMALL",
    "TOO_LARGE", "NO_MEMORY", "CANCELLED",       "BAD_ARGUMENT", "BAD_MODEL",
    "BAD_FILE",  "INTERNAL",  "BAD_COMMUNICATOR"};
enum { NSTATUSES = sizeof statuses / sizeof *statuses };

const char *fv_status_word(int status) {
    return status >= 0 && status < NSTATUSES ? statuses[status] : "?";
}

int fv_status_from_word(const char *text) {
    for (int i = 0; i < NSTATUSES; i++)
        if (strcmp(statuses[i], text) == 0)
            return i;
    return -1;
}
