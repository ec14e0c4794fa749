/* option.c - the option --dim: its notation and its errors. */
#include "ir/dim/option.h"

#include <ctype.h>
#include <string.h>

#include "ir/base/diag.h"
#include "ir/base/text.h"
#include "ir/dim/dim.h"

static const char *flag_of(const fv_dim_option *o) {
    return o->flag ? o->flag : "--dim";
}

bool fv_dim_option_error(fv_session *s, const fv_dim_option *o, const char *what) {
    return fv_error(s, "%s '%s': %s", flag_of(o), o->text, what);
}

/* Reads decimal digits; numbers beyond FV_DIM_MAX give FV_DIM_MAX + 1. */
static bool parse_size(const char **c, int64_t *out) {
    if (!isdigit((unsigned char)**c))
        return false;
    for (*out = 0; isdigit((unsigned char)**c); ++*c)
        *out = *out <= FV_DIM_MAX / 10 ? *out * 10 + (**c - '0') : FV_DIM_MAX + 1;
    *out = *out > FV_DIM_MAX ? FV_DIM_MAX + 1 : *out;
    return true;
}

/* Reads a name of the form INPUT:AXIS. The last colon separates, because names of inputs may
 * contain colons. */
static void find_place(fv_arena *a, fv_dim_option *o) {
    const char *colon = strrchr(o->name, ':'), *c = colon ? colon + 1 : "";
    int64_t axis;
    if (!parse_size(&c, &axis) || *c || axis > 255)
        return;
    o->input = fv_strndup(a, o->name, (size_t)(colon - o->name));
    o->axis = (int)axis;
}

const char *fv_dim_option_parse(fv_arena *a, const char *text, fv_dim_option *out) {
    static const char *const notation = "expected NAME=N, NAME=LO..HI or INPUT:AXIS=N";
    const char *rest = text, *quoted = fv_option_quoted(a, text, &rest);
    const char *equals = strrchr(rest, '='), *c = equals ? equals + 1 : text;
    *out = (fv_dim_option){.text = text};
    if (!equals || equals == text || (quoted && equals != rest && *rest != ':') ||
        !parse_size(&c, &out->lo))
        return notation;
    out->hi = out->lo;
    if (!strncmp(c, "..", 2)) {
        c += 2;
        if (!parse_size(&c, &out->hi))
            return "expected a size after '..'";
    }
    if (*c)
        return notation;
    if (out->lo > FV_DIM_MAX || out->hi > FV_DIM_MAX)
        return fv_printf(a, "a dim is at most %lld", (long long)FV_DIM_MAX);
    if (out->lo > out->hi)
        return "the lower bound is above the upper one";
    out->name = fv_printf(a, "%s%.*s", quoted ? quoted : "", (int)(equals - rest), rest);
    find_place(a, out);
    return NULL;
}

bool fv_dim_option_apply(fv_session *s, const fv_dim_option *o, int64_t *lo, int64_t *hi) {
    int64_t low = o->lo > *lo ? o->lo : *lo, high = o->hi < *hi ? o->hi : *hi;
    if (low > high && *lo == *hi)
        return fv_error(s, "%s '%s': that dim is fixed to %lld", flag_of(o), o->text,
                        (long long)*lo);
    if (low > high)
        return fv_error(s, "%s '%s': that dim is within %lld..%lld", flag_of(o), o->text,
                        (long long)*lo, (long long)*hi);
    *lo = low;
    *hi = high;
    return true;
}

bool fv_dim_option_unknown(fv_session *s, fv_arena *a, const fv_dim_option *o,
                           const char *const *names) {
    const char *near = fv_nearest(o->name, names);
    fv_text t = {.arena = a};
    if (near) {
        fv_text_printf(&t, "; did you mean '%s'?", near);
    } else {
        fv_text_put(&t, names[0] ? "; the model has " : "; all dims are fixed");
        for (int i = 0; names[i] && i < 16; i++)
            fv_text_printf(&t, "%s'%s'", i ? ", " : "", names[i]);
    }
    return fv_error(s, "%s '%s': there is no dim '%s'%s", flag_of(o), o->text, o->name, t.s);
}
