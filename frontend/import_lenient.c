/* import_lenient.c - models that depart from the standard, but in a way that other runtimes accept
 * and that leaves no doubt about what is computed: they are imported with a warning, or refused
 * with --strict. Legal models whose declarations are not relied on only get a note. */
#include "frontend/import.h"

enum { SAID = 3 }; /* number of messages for each kind; further ones are counted only */

static const struct {
    fv_severity severity;
    const char *others; /* text that follows the number of further ones */
    bool legal;         /* the model is legal, so --strict does not refuse it */
} kinds[FV_LENIENT_KINDS] = {
    [FV_LENIENT_OPSET] = {FV_NOTE, "more such opset imports", false},
    [FV_LENIENT_DECLARED] = {FV_WARNING, "more declarations contradict what is computed", false},
    [FV_LENIENT_ATTRIBUTE] = {FV_WARNING, "more attributes are not known", false},
    [FV_LENIENT_OUTPUT] = {FV_WARNING, "more outputs are there again", false},
    [FV_LENIENT_ITERATIONS] = {FV_NOTE, "more declared sizes are decided by loops", true},
    [FV_LENIENT_RANK] = {FV_NOTE, "more ranks of inputs are assumed", true},
};

static bool is_new(fv_importer *im, const void *what) {
    void **slot = fv_ptrmap_at(&im->departures.met, what);
    bool is = !*slot;
    *slot = im;
    return is;
}

static bool is_refused(const fv_importer *im, fv_lenient_kind kind) {
    return im->departures.strict && !kinds[kind].legal;
}

static void say(fv_importer *im, fv_lenient_kind kind, const fv_message *about, const char *format,
                ...) {
    va_list args;
    fv_message m = about ? *about : (fv_message){0};
    m.severity = is_refused(im, kind) ? FV_ERROR : kinds[kind].severity;
    va_start(args, format);
    fv_say(im->s, &m, format, args);
    va_end(args);
}

bool fv_import_departs(fv_importer *im, fv_lenient_kind kind, const void *what,
                       const fv_message *about, const char *taken, const char *format, ...) {
    va_list args;
    bool refused = is_refused(im, kind);
    if (!is_new(im, what) || im->departures.n[kind]++ >= SAID)
        return !refused;
    va_start(args, format);
    const char *fact = fv_vprintf(im->tmp, format, args);
    va_end(args);
    say(im, kind, about, "%s%s%s", fact, refused ? "" : "; ", refused ? "" : taken);
    return !refused;
}

void fv_import_count_departures(fv_importer *im) {
    for (int k = 0; k < FV_LENIENT_KINDS; k++)
        if (im->departures.n[k] > SAID)
            say(im, (fv_lenient_kind)k, NULL, "%d %s", im->departures.n[k] - SAID, kinds[k].others);
}
