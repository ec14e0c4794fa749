#include "backend/lowering/options.h"

#include <string.h>

/* The names of the departures in fv_relax: name i is that of the bit 1 << i. */
static const char *const relaxations[] = {"f16-intermediates", "bf16-products", "winograd",
                                          "bf16-tiles", NULL};

const char *const *fv_relax_names(void) {
    return relaxations;
}

unsigned fv_relax_read(fv_arena *a, const char *list, const char **wrong) {
    unsigned relax = 0;
    *wrong = NULL;
    while (list && *list && !*wrong) {
        size_t n = strcspn(list, ",");
        int i = 0;
        while (relaxations[i] &&
               (strlen(relaxations[i]) != n || strncmp(relaxations[i], list, n) != 0))
            i++;
        if (relaxations[i])
            relax |= 1U << i;
        else
            *wrong = fv_strndup(a, list, n);
        list += n + (list[n] == ',');
    }
    return relax;
}

bool fv_is_small_code(const fv_lower_options *o) {
    return (o->saves & FV_SAVES_CODE) && o->target->kind == FV_TARGET_MICRO &&
           !o->target->vector_bits;
}

bool fv_is_left_out(const fv_lower_options *o, const char *step) {
    const char *const *name = o->without;
    while (name && *name && strcmp(*name, step))
        name++;
    return name && *name;
}
