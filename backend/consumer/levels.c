/* levels.c - the constants of programs for several targets, each of which is stored once. */
#include "backend/consumer/levels.h"

#include <string.h>

/* The number of a constant of `all` with these bytes; nconstants: there is none. */
static int find_equal(const fv_program *all, const fv_constant *c) {
    int i = 0;
    for (; i < all->memory.nconstants; i++) {
        const fv_constant *x = &all->memory.constants[i];
        if (x->bytes == c->bytes && (fv_constants_are_one(x, c) || !c->bytes ||
                                     !memcmp(fv_constant_data(x), fv_constant_data(c), c->bytes)))
            break;
    }
    return i;
}

fv_program *fv_program_of_levels(fv_arena *a, int n, fv_program *const *levels) {
    fv_program *all = FV_NEW(a, fv_program, 1);
    int most = 0;
    *all = *levels[0];
    all->memory.nconstants = 0;
    for (int i = 0; i < n; i++)
        most += levels[i]->memory.nconstants;
    all->memory.constants = FV_NEW(a, fv_constant, most + 1);
    for (int i = 0; i < n; i++) {
        const fv_program_memory *m = &levels[i]->memory;
        for (int k = 0; k < m->nconstants; k++) {
            int known = find_equal(all, &m->constants[k]);
            if (known < all->memory.nconstants)
                m->constants[k].contents = all->memory.constants[known].contents;
            else
                all->memory.constants[all->memory.nconstants++] = m->constants[k];
        }
    }
    return all;
}

int fv_level_constant(const fv_program *all, const fv_program *level, int i) {
    return find_equal(all, &level->memory.constants[i]);
}

/* Is the constant one of the program's? */
static bool has(const fv_program *level, const fv_constant *c) {
    bool found = false;
    for (int i = 0; i < level->memory.nconstants && !found; i++)
        found = level->memory.constants[i].bytes == c->bytes &&
                (!c->bytes || fv_constants_are_one(&level->memory.constants[i], c));
    return found;
}

size_t fv_levels_unshared(const fv_program *all, int n, fv_program *const *levels) {
    size_t bytes = 0;
    for (int i = 0; i < all->memory.nconstants; i++) {
        bool shared = true;
        for (int k = 0; k < n && shared; k++)
            shared = has(levels[k], &all->memory.constants[i]);
        bytes += shared ? 0 : all->memory.constants[i].bytes;
    }
    return bytes;
}
