/* test_spell.c - every op of our own has a line in the table of spellings, and no other op has
 * one. */
#include <criterion/criterion.h>
#include <string.h>

#include "passes/spell/spell.h"

Test(spell, every_op_of_ours_has_a_line) {
    int ours = 0;
    for (int i = 0; i < fv_op_count(); i++) {
        const fv_opdef *d = fv_op_at(i);
        if (strcmp(d->domain, "fv"))
            continue;
        ours++;
        cr_expect(fv_spelling_str(d), "fv.%s has no line in passes/spell/spellings.def", d->name);
    }
    cr_expect(ours > 50);
}

/* What newer models have no operator for is rewritten, or spelled: nothing is left as it is. */
Test(spell, what_the_standard_has_no_more_is_written_otherwise) {
    static const char *const gone[] = {
#define AS(name, text)
#define BY(name, function)
#define NONE(name, why)
#define SILENT(name)
#define OURS(name, attribute) name,
#define GONE(name)            name,
#include "passes/spell/spellings.def"
#undef AS
#undef BY
#undef NONE
#undef SILENT
#undef OURS
#undef GONE
    };
    for (int i = 0; i < fv_op_count(); i++) {
        const fv_opdef *d = fv_op_at(i);
        if (d->experimental)
            cr_expect(d->rule || d->decompose || fv_spelling_str(d),
                      "%s is neither rewritten nor spelled", d->name);
    }
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        const fv_opdef *d = fv_op_find("", gone[i]);
        cr_assert(d, "%s is no op", gone[i]);
        cr_expect(d->rule || d->decompose, "%s is not rewritten", gone[i]);
    }
}

/* A line of an op that is gone would stay unseen. */
Test(spell, every_line_is_of_an_op) {
    static const char *const names[] = {
#define AS(name, text)     name,
#define BY(name, function) name,
#define NONE(name, why)    name,
#define SILENT(name)       name,
#define OURS(name, attribute)
#define GONE(name)
#include "passes/spell/spellings.def"
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *dot = strrchr(names[i], '.');
        char domain[64] = "";
        memcpy(domain, names[i], dot ? (size_t)(dot - names[i]) : 0);
        cr_expect(fv_op_find(domain, dot ? dot + 1 : names[i]), "%s is no op", names[i]);
        for (size_t k = 0; k < i; k++)
            cr_expect(strcmp(names[i], names[k]), "%s has two lines", names[i]);
    }
}
