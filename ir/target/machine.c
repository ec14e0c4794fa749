/* machine.c - the text of profiles of machines, and targets made with them. */
#include "ir/target/machine.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "ir/syntax/lex.h"

/* ---- tables ---- */

static const fv_measure_info measures[] = {
#define MEASURE(id, unit, what) {#id, unit, what},
#include "ir/target/machine.def"
};

static const fv_property_info properties[] = {
#define CACHE(id, least, most, what)    {#id, what, least, most, true},
#define PROPERTY(id, least, most, what) {#id, what, least, most, false},
#include "ir/target/machine.def"
};

const fv_measure_info *fv_measure_at(fv_measure_id id) {
    return &measures[id];
}

const fv_property_info *fv_property_at(int i) {
    return &properties[i];
}

int fv_property_get(const fv_processor *p, int i) {
    const int values[] = {
#define CACHE(id, least, most, what)    p->id,
#define PROPERTY(id, least, most, what) p->id,
#include "ir/target/machine.def"
    };
    return values[i];
}

void fv_property_set(fv_processor *p, int i, int value) {
    int n = 0;
#define CACHE(id, least, most, what)                                                               \
    if (i == n++)                                                                                  \
        p->id = value;
#define PROPERTY CACHE
#include "ir/target/machine.def"
}

/* ---- reading ---- */

/* The name of a line: words joined by dots, such as `prefetch.bytes`. NULL after a diagnostic. */
static const char *parse_name(fv_lexer *l) {
    const char *name = fv_lex_name(l, "the name of a property, or 'end'");
    while (name && fv_lex_accept(l, ".")) {
        const char *member = fv_lex_name(l, "a name");
        name = member ? fv_printf(l->arena, "%s.%s", name, member) : NULL;
    }
    return name;
}

static bool parse_property(fv_lexer *l, fv_machine *p, int i) {
    fv_token at = l->tok;
    int64_t value;
    if (!fv_lex_int(l, &value))
        return false;
    const fv_property_info *is = &properties[i];
    if (value < is->least || value > is->most) {
        l->tok = at;
        return fv_lex_error(l, "%s is from %d to %d, not %lld", is->name, is->least, is->most,
                            (long long)value);
    }
    fv_property_set(&p->processor, i, (int)value);
    return true;
}

/* Parses a real number that is finite and not negative. */
static bool parse_real(fv_lexer *l, double *out) {
    bool is_int = l->tok.kind == FV_TOK_INT;
    if (!is_int && l->tok.kind != FV_TOK_FLOAT)
        return fv_lex_error(l, "expected a number that is not negative, found %s", fv_lex_found(l));
    *out = is_int ? (double)l->tok.i : l->tok.f;
    if (!isfinite(*out))
        return fv_lex_error(l, "a measurement is a finite number");
    fv_lex_next(l);
    return true;
}

static bool parse_measure(fv_lexer *l, fv_measure *m) {
    *m = (fv_measure){.known = true};
    if (!parse_real(l, &m->value))
        return false;
    return !fv_lex_accept(l, "+") || (fv_lex_expect(l, "-") && parse_real(l, &m->deviation));
}

static bool parse_line(fv_lexer *l, fv_machine *p, uint64_t *seen) {
    fv_token at = l->tok;
    const char *name = parse_name(l);
    int i = 0;
    if (!name)
        return false;
    while (
        i < FV_NPROPERTIES + FV_NMEASURES &&
        strcmp(name, i < FV_NPROPERTIES ? properties[i].name : measures[i - FV_NPROPERTIES].name))
        i++;
    bool known = i < FV_NPROPERTIES + FV_NMEASURES;
    if (!known || *seen >> i & 1) {
        l->tok = at;
        return fv_lex_error(
            l, known ? "'%.60s' is given twice" : "a profile has no property '%.60s'", name);
    }
    *seen |= UINT64_C(1) << i;
    return fv_lex_expect(l, "=") &&
           (i < FV_NPROPERTIES ? parse_property(l, p, i)
                               : parse_measure(l, &p->measures[i - FV_NPROPERTIES]));
}

static bool parse_base(fv_lexer *l, fv_machine *p) {
    fv_token at = l->tok;
    const char *name = fv_lex_text(l, "the name of a processor");
    if (!name)
        return false;
    if (!fv_processor_find(name, &p->base)) {
        l->tok = at;
        return fv_lex_error(l, "there is no processor '%.60s'", name);
    }
    p->processor = *fv_processor_at(p->base);
    return true;
}

/* Gives the processor a name that differs from those of other profiles: "zen3 of 2026-11-25
 * (9a4c01fe)", with a hash of its properties (FNV-1a). */
static void name_processor(fv_arena *a, fv_machine *p) {
    uint32_t hash = 2166136261u;
    for (int i = 0; i < FV_NPROPERTIES; i++)
        for (unsigned value = (unsigned)fv_property_get(&p->processor, i), k = 0; k < 4; k++)
            hash = (hash ^ (value >> 8 * k & 255)) * 16777619u;
    p->processor.name = fv_printf(a, "%s of %s (%08x)", p->processor.name, p->date, hash);
}

static bool parse(fv_lexer *l, fv_machine *p) {
    uint64_t seen = 0;
    _Static_assert(FV_NPROPERTIES + FV_NMEASURES <= 64, "`seen` has a bit for each");
    if (!fv_lex_format(l, "processor", FV_MACHINE_FORMAT) || !fv_lex_expect(l, "base") ||
        !parse_base(l, p) || !fv_lex_expect(l, "cpu") ||
        !(p->cpu = fv_lex_text(l, "the name of a CPU")) || !fv_lex_expect(l, "measured") ||
        !(p->date = fv_lex_text(l, "a date")))
        return false;
    while (!fv_lex_accept(l, "end")) /* the last word of a file; without it the file was cut */
        if (!parse_line(l, p, &seen))
            return false;
    name_processor(l->arena, p);
    const fv_caches *c = &p->processor.caches;
    if (c->l1_bytes && c->l2_bytes && c->l3_bytes &&
        (c->l1_bytes > c->l2_bytes || c->l2_bytes > c->l3_bytes))
        return fv_lex_error(l, "a cache is larger than that of the next level: %d, %d, %d bytes",
                            c->l1_bytes, c->l2_bytes, c->l3_bytes);
    return l->tok.kind == FV_TOK_END ||
           fv_lex_error(l, "expected the end of the text, found %s", fv_lex_found(l));
}

const fv_machine *fv_machine_parse(fv_session *s, fv_arena *a, const char *text) {
    fv_machine *p = FV_NEW(a, fv_machine, 1);
    fv_lexer l;
    fv_lex_init(&l, s, a, text);
    return parse(&l, p) && !l.failed ? p : NULL;
}

/* ---- writing ---- */

static void put_measure(fv_text *t, const fv_measure_info *is, const fv_measure *m) {
    bool whole = m->value < 1e15 && m->value == floor(m->value);
    fv_text_printf(t, whole ? "%s = %.0f" : "%s = %.4g", is->name, m->value);
    if (m->deviation > 0)
        fv_text_printf(t, " +- %.2g", m->deviation);
    fv_text_printf(t, "    # %s%s%s\n", is->unit, *is->unit ? ": " : "", is->what);
}

void fv_machine_print(fv_text *t, const fv_machine *p) {
    fv_text_printf(t, "fovea-processor %d\n", FV_MACHINE_FORMAT);
    fv_text_entry(t, "base", fv_processor_at(p->base)->name);
    fv_text_entry(t, "cpu", p->cpu);
    fv_text_entry(t, "measured", p->date);
    for (int i = 0; i < FV_NPROPERTIES; i++)
        if (fv_property_get(&p->processor, i) >= properties[i].least)
            fv_text_printf(t, "%s = %d    # %s\n", properties[i].name,
                           fv_property_get(&p->processor, i), properties[i].what);
    for (int i = 0; i < FV_NMEASURES; i++)
        if (p->measures[i].known)
            put_measure(t, &measures[i], &p->measures[i]);
    fv_text_put(t, "end\n");
}

/* ---- targets ---- */

/* The speed that the table has for the family; -1: it has none. */
static double speed_of(fv_processor_id family, fv_measure_id id) {
#define SPEED(of, measure, value)                                                                  \
    if (family == FV_PROCESSOR_##of && id == FV_MEASURE_##measure)                                 \
        return value;
#include "ir/target/processor.def"
    return -1;
}

double fv_measure_of(const fv_target *t, fv_measure_id id) {
    double own = t->own.speeds && t->own.speeds[id].known ? t->own.speeds[id].value : 0;
    double family = own > 0 ? own : speed_of(t->processor, id);
    if (family < 0)
        family = speed_of(FV_PROCESSOR_generic, id);
    return family > 0 ? family : 0;
}

const fv_target *fv_target_with_machine(fv_arena *a, const fv_target *of, const fv_machine *p) {
    const fv_target *with = fv_target_with_properties(a, of, p->base, &p->processor);
    fv_target *t = with ? FV_NEW(a, fv_target, 1) : NULL;
    if (t) {
        *t = *with;
        t->own.speeds = p->measures;
    }
    return t;
}
