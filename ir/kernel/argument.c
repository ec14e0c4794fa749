/* argument.c - the arguments that the caller of a model passes: their names and types. */
#include "ir/kernel/argument.h"

#include <string.h>

static const char *const arguments[FV_ARGS] = {"dims",      "inputs", "outputs", "actual",
                                               "workspace", "bytes",  "env",     "weights",
                                               "cpu",       "most",   "ranks"};
static const char *const hows[] = {"", "given", "aligned", "same"};

enum { SIZE, POINTER };
static const struct {
    const char *name;
    int kind;
} members[] = {
#define ENV(id, name, kind) {#name, kind},
#include "ir/kernel/env.def"
#undef ENV
};

fv_ktype fv_read_ktype(const fv_read *r) {
    if (r->how != FV_READ_VALUE || r->of == FV_ARG_CPU)
        return fv_kt(FV_BOOL, 1);
    return fv_kt(r->of == FV_ARG_BYTES || r->of == FV_ARG_ENV || r->of == FV_ARG_WEIGHTS ? FV_U64
                                                                                         : FV_I64,
                 1);
}

/* The number of bytes that the machine can address is at least INT32_MAX, since pointers have 32
 * bits or more. */
void fv_read_bounds(const fv_read *r, int64_t *lo, int64_t *hi) {
    *lo = r->of == FV_ARG_MOST ? INT32_MAX : INT64_MIN;
    *hi = INT64_MAX;
}

bool fv_read_equal(const fv_read *a, const fv_read *b) {
    return a->how == b->how && a->of == b->of && a->at == b->at && a->align == b->align;
}

const char *fv_argument_text(fv_argument of) {
    return arguments[of];
}

fv_argument fv_argument_from_text(const char *text) {
    int i = 0;
    while (i < FV_ARGS && strcmp(arguments[i], text))
        i++;
    return (fv_argument)i;
}

const char *fv_read_how_text(fv_read_how how) {
    return hows[how];
}

const char *fv_env_text(int member) {
    return members[member].name;
}

int fv_env_from_text(const char *text) {
    for (int i = 0; i < FV_ENV_MEMBERS; i++)
        if (!strcmp(members[i].name, text))
            return i;
    return -1;
}

bool fv_env_is_pointer(int member) {
    return members[member].kind == POINTER;
}
