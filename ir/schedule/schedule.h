/* schedule.h - a schedule: the way in which a kernel is built from its definition. It has a text,
 * which dumps of kernels contain and tuning files give:
 *
 *     contract {rows = 6, columns = 16, block = 72, outline = true, operand = packed}
 *
 * No parameter changes a bit of the result. */
#ifndef FV_IR_SCHEDULE_SCHEDULE_H
#define FV_IR_SCHEDULE_SCHEDULE_H

#include "ir/base/text.h"
#include "ir/syntax/lex.h"

typedef enum {
#define PARAMETER(id, kind, least, most, tuned, doc) FV_PARAMETER_##id,
#include "ir/schedule/schedules.def"
    FV_NPARAMETERS
} fv_parameter;

typedef enum {
#define SCHEDULE(id, parameters, doc) FV_SCHEDULE_##id,
#include "ir/schedule/schedules.def"
    FV_NSCHEDULES
} fv_schedule_kind;

typedef enum {
    /* the values of the parameter `operand` */
    FV_OPERAND_DIRECT,
    FV_OPERAND_PACKED,
    FV_OPERAND_PACKS
} fv_operand_kind;

typedef struct fv_schedule {
    fv_schedule_kind kind;
    /* the parameters that have a value, as a set of bits with numbers of fv_parameter */
    unsigned stated;
    int64_t value[FV_NPARAMETERS];
} fv_schedule;

/* Where each parameter is written in a text. */
typedef struct fv_schedule_places {
    struct {
        int line, column;
    } at[FV_NPARAMETERS];
} fv_schedule_places;

static inline bool fv_schedule_states(const fv_schedule *s, fv_parameter p) {
    return s->stated >> p & 1;
}
static inline void fv_schedule_set(fv_schedule *s, fv_parameter p, int64_t value) {
    s->stated |= 1u << p;
    s->value[p] = value;
}
static inline void fv_schedule_clear(fv_schedule *s, fv_parameter p) {
    s->stated &= ~(1u << p);
}
const char *fv_schedule_name(fv_schedule_kind k);
const char *fv_parameter_name(fv_parameter p);
/* Can the parameter be chosen, so that a tuning may state it? */
bool fv_parameter_is_tuned(fv_parameter p) FV_MUST_USE;

void fv_schedule_print(fv_text *t, const fv_schedule *s);
/* Parses NAME {PARAMETER = VALUE, ...}, beginning with the current token. *places gets the position
 * of each parameter; NULL: they are not needed. `choices`: refuses parameters that cannot be tuned.
 * False after a diagnostic. */
bool fv_schedule_parse(fv_lexer *l, fv_schedule *out, fv_schedule_places *places,
                       bool choices) FV_MUST_USE;
/* A short form for tables: "contract 6 x 16, packed, in place". */
const char *fv_schedule_brief(fv_arena *a, const fv_schedule *s);

#endif
