/* test_spell.c - every op of ours has its line in the table of spellings, and no other has. */
#include <criterion/criterion.h>
#include <string.h>

#include "ir/spell/spell.h"

Test(spell, every_op_of_ours_has_a_line) {
    int ours = 0;
    for (int i = 0; i < fv_op_count(); i++) {
        const fv_opdef *d = fv_op_at(i);
        if (strcmp(d->domain, "fv"))
            continue;
        ours++;
        cr_expect(fv_spelling_str(d), "fv.%s has no line in ir/spell/spellings.def", d->name);
    }
    cr_expect(ours > 50);
}

/* A line of an op that is gone would stay unseen. */
Test(spell, every_line_is_of_an_op) {
    static const char *const names[] = {
#define AS(name, text) name,
#define BY(name, function) name,
#define NONE(name, why) name,
#define SILENT(name) name,
#define OURS(name, attribute)
#define GONE(name)
#include "ir/spell/spellings.def"
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cr_expect(!strncmp(names[i], "fv.", 3) && fv_op_find("fv", names[i] + 3), "%s is no op", names[i]);
        for (size_t k = 0; k < i; k++)
            cr_expect(strcmp(names[i], names[k]), "%s has two lines", names[i]);
    }
}
