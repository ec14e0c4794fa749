/* spell.c - the table of spellings: how ops of the domain fv are written with operators of the
 * standard. */
#include "passes/spell/spell.h"

#include <string.h>

#include "ir/rule/body.h"
#include "ir/rule/rewrite.h"

typedef struct spelling {
    const char *op;
    const char *rule;                     /* the rewrite rule of a row AS */
    bool (*by)(fv_speller *s, fv_op *op); /* the function of a row BY */
    const char *why; /* the reason of a row NONE why the op cannot be written */
    bool silent;
} spelling;

static const spelling spellings[] = {
#define AS(name, text)     {name, text, NULL, NULL, false},
#define BY(name, function) {name, NULL, function, NULL, false},
#define NONE(name, why)    {name, NULL, NULL, why, false},
#define SILENT(name)       {name, NULL, NULL, NULL, true},
#define OURS(name, attribute)
#define GONE(name)
#include "passes/spell/spellings.def"
#undef OURS
#undef GONE
    {0}};
#undef AS
#undef BY
#undef NONE
#undef SILENT
#define AS(name, text)
#define BY(name, function)
#define NONE(name, why)
#define SILENT(name)

static const struct {
    /* the operator that a row describes; the row applies if the op has `attribute`, or always if
     * that is NULL */
    const char *op, *attribute;
} ours[] = {
#define OURS(name, attribute) {name, attribute},
#define GONE(name)            {name, NULL},
#include "passes/spell/spellings.def"
#undef OURS
#undef GONE
    {0}};

static const spelling *find(const spelling *table, const fv_opdef *d) {
    for (const spelling *t = table; t->op; t++)
        if (fv_opdef_is_called(d, t->op))
            return t;
    return NULL;
}

const char *fv_spelling_str(const fv_opdef *def) {
    const spelling *t = find(spellings, def);
    return !t ? NULL : t->rule ? t->rule : t->by ? "built" : t->silent ? "silent" : t->why;
}

static bool is_ours(const fv_op *op) {
    return !strcmp(op->def->domain, "fv") && op->def != &fv_return_def;
}

bool fv_spell_is_silent(const fv_op *op) {
    const spelling *t = is_ours(op) ? find(spellings, op->def) : NULL;
    return t && t->silent;
}

bool fv_spell_must(const fv_op *op) {
    return (is_ours(op) && !fv_spell_is_silent(op)) ||
           (op->def->experimental && !fv_op_must_rewrite(op));
}

bool fv_spell_has_none(const fv_op *op) {
    const spelling *t = find(spellings, op->def);
    return t && t->why;
}

bool fv_spell_must_rewrite(const fv_op *op) {
    if (op->def->experimental)
        return fv_op_must_rewrite(op);
    for (int i = 0; ours[i].op; i++)
        if (fv_opdef_is_called(op->def, ours[i].op) &&
            (!ours[i].attribute || fv_op_find_attr(op, ours[i].attribute)))
            return true;
    return false;
}

bool fv_op_spell(fv_spelling *all, fv_op *op) {
    const spelling *t = find(spellings, op->def);
    fv_speller s = {fv_rewriter_at(op), all};
    if (!t)
        return fv_spell_refuse(op, "the table has none for it");
    if (t->by)
        return t->by(&s, op) && !s.w.failed;
    if (t->rule)
        return fv_rule_expand(&s.w, op, t->rule) && !s.w.failed;
    return fv_spell_refuse(op, "%s", t->why);
}
