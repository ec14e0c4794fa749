/* whole.c - see whole.h. */
#include "tests/reasons/whole.h"

#include <string.h>

/* ---- one reason ---- */

static bool is_filled(fv_arena *a, const fv_fact *f) {
    const char *text = fv_fact_str(a, f);
    return text && *text && strcmp(text, "''");
}

/* Its sentence, with as many facts as it has places, none of them empty. */
static const char *sentence_fault(fv_arena *a, const fv_reason *r) {
    const fv_why_info *info = fv_why_info_of(r->why);
    if (r->why <= FV_WHY_none || r->why >= FV_NWHYS || r->dropped)
        return "is no reason that holds";
    size_t length = strlen(info->sentence);
    for (int i = 0; fv_reason_fact(a, r, i); i++) {
        if (!is_filled(a, &r->facts[i]))
            return fv_printf(a, "has nothing for {%s}", fv_reason_fact(a, r, i));
        length += strlen(fv_fact_str(a, &r->facts[i])) - strlen(fv_reason_fact(a, r, i)) - 2;
    }
    return strlen(fv_reason_str(a, r)) == length ? NULL
                                                 : fv_printf(a, "says '%s'", fv_reason_str(a, r));
}

/* ---- all reasons of a value ---- */

typedef struct told { /* the reasons about a value, in the order of their steps */
    const fv_value *value;
    fv_reason **list;
    int n, cap;
} told;

static told *told_of(fv_arena *a, fv_ptrmap *all, const fv_value *v) {
    told **at = (told **)fv_ptrmap_at(all, v);
    if (!*at) {
        *at = FV_NEW(a, told, 1);
        (*at)->value = v;
    }
    return *at;
}

static const char *step_of(const fv_reason *r) {
    return fv_why_info_of(r->why)->step;
}
static bool is_taken(const fv_reason *r) {
    return fv_why_info_of(r->why)->verdict == FV_TAKEN;
}

/* Steps that decide one thing of a value, and once. */
static bool decides_once(const char *step) {
    static const char *const steps[] = {"schedule", "contract", "transpose", "map",
                                        "keep",     "tasks",    "memory",    "share"};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (!strcmp(step, steps[i]))
            return true;
    return false;
}

static const char *contradiction(fv_arena *a, const told *t) {
    for (int i = 0; i < t->n; i++)
        for (int k = 0; k < i; k++) {
            const fv_reason *x = t->list[k], *y = t->list[i];
            if (x->why == y->why && !strcmp(fv_reason_str(a, x), fv_reason_str(a, y)))
                return fv_printf(a, "says '%s' twice", fv_reason_str(a, x));
            if (!strcmp(step_of(x), step_of(y)) && is_taken(x) != is_taken(y) &&
                decides_once(step_of(x)))
                return fv_printf(a, "says '%s' and '%s'", fv_reason_str(a, x), fv_reason_str(a, y));
        }
    return NULL;
}

/* ---- launches ---- */

static bool says(const told *t, fv_why why) {
    for (int i = 0; why != FV_WHY_none && i < t->n; i++)
        if (t->list[i]->why == why)
            return true;
    return false;
}

enum { WAYS = 3 };

static bool says_one_of(const told *t, const fv_why whys[WAYS]) {
    return says(t, whys[0]) || says(t, whys[1]) || says(t, whys[2]);
}

/* That the value's kernel has the schedule that it has. */
static const fv_why builds[FV_NSCHEDULES][WAYS] = {
    [FV_SCHEDULE_attend] = {FV_WHY_attends},
    [FV_SCHEDULE_part] = {FV_WHY_attend_parts},
    [FV_SCHEDULE_contract] = {FV_WHY_contracts, FV_WHY_contracts_row, FV_WHY_contracts_each},
    [FV_SCHEDULE_transpose] = {FV_WHY_transposes},
    [FV_SCHEDULE_pack] = {FV_WHY_transposes, FV_WHY_maps},
    [FV_SCHEDULE_row] = {FV_WHY_maps_rows, FV_WHY_maps_sums, FV_WHY_maps_one},
    [FV_SCHEDULE_map] = {FV_WHY_maps},
    [FV_SCHEDULE_recur] = {FV_WHY_recurs_alone, FV_WHY_recurs_inside, FV_WHY_recurs_stops},
    [FV_SCHEDULE_custom] = {FV_WHY_own_kernel},
    [FV_SCHEDULE_naive] = {FV_WHY_naive},
};
static const fv_why operands[][WAYS] = {
    [FV_OPERAND_DIRECT] = {FV_WHY_operand_direct},
    [FV_OPERAND_PACKED] = {FV_WHY_operand_constant},
    [FV_OPERAND_PACKS] = {FV_WHY_operand_packs},
};

/* Is it all said that the schedule shows? */
static bool is_explained(const told *t, const fv_schedule *s) {
    if (!says_one_of(t, builds[s->kind]))
        return false;
    if (fv_schedule_states(s, FV_PARAMETER_operand) &&
        !says_one_of(t, operands[s->value[FV_PARAMETER_operand]]))
        return false;
    return says(t, FV_WHY_in_place) || !fv_schedule_states(s, FV_PARAMETER_in_place) ||
           !s->value[FV_PARAMETER_in_place];
}

/* ... of any of the results that the kernel makes. */
static bool are_explained(fv_arena *a, fv_ptrmap *all, const fv_reason_launch *n) {
    fv_schedule how = *n->kernel->schedule;
    bool in_place =
        fv_schedule_states(&how, FV_PARAMETER_in_place) && how.value[FV_PARAMETER_in_place];
    for (int i = 0; n->group && in_place && i < n->group->nout; i++)
        if (says(told_of(a, all, n->group->out[i]), FV_WHY_in_place))
            how.value[FV_PARAMETER_in_place] = false;
    return is_explained(told_of(a, all, n->made), &how);
}

/* If the value is stored in the memory of another one: does the schedule of its kernel, or of
 * another kernel of the operator, state that? */
static bool shows_in_place(const fv_reasons *r, const fv_value *v) {
    for (int i = 0; i < r->nlaunches; i++)
        if (r->launches[i].made == v &&
            fv_schedule_states(r->launches[i].kernel->schedule, FV_PARAMETER_in_place))
            return true;
    return false;
}

/* Is there a reason for the memory in which the value is stored? The naive schedule stores no value
 * in place of another, so it needs none. */
static bool is_placed(const told *t, const fv_kernel *k) {
    bool placed = k->schedule->kind == FV_SCHEDULE_naive;
    for (int i = 0; i < t->n && !placed; i++)
        placed = !strcmp(step_of(t->list[i]), "memory");
    return placed;
}

/* Is there such a reason for one of the results of a group? It applies to the kernel. */
static bool are_placed(fv_arena *a, fv_ptrmap *all, const fv_reason_launch *n) {
    bool placed = is_placed(told_of(a, all, n->made), n->kernel);
    for (int i = 0; n->group && !placed && i < n->group->nout; i++)
        placed = is_placed(told_of(a, all, n->group->out[i]), n->kernel);
    return placed;
}

static const char *launch_fault(fv_arena *a, const fv_reasons *r, fv_ptrmap *all) {
    for (int i = 0; i < r->nlaunches; i++) {
        const fv_reason_launch *n = &r->launches[i];
        const told *t = told_of(a, all, n->made);
        if (!are_explained(a, all, n))
            return fv_printf(a, "nothing says why '%s' is made by '%s', %s", n->made->name,
                             n->kernel->name, fv_schedule_brief(a, n->kernel->schedule));
        if (!are_placed(a, all, n))
            return fv_printf(a, "nothing says where '%s' lies", n->made->name);
        if (says(t, FV_WHY_in_place) && !shows_in_place(r, n->made))
            return fv_printf(a, "'%s' is said to lie where something else did", n->made->name);
    }
    return NULL;
}

/* ---- values of the graph ---- */

/* Ops that bind symbols have no elements of their own. */
static bool is_decided(const fv_op *op) {
    return !fv_op_binds(op);
}

static const char *silent_value(fv_arena *a, const fv_reasons *r, fv_ptrmap *all) {
    for (const fv_op *op = r->module->funcs->body->first; op; op = op->next)
        for (int i = 0; i < op->nout && is_decided(op); i++)
            if (op->out[i] && !told_of(a, all, op->out[i])->n)
                return fv_printf(a, "nothing is said about '%s' (%s)", op->out[i]->name,
                                 op->def->name);
    return NULL;
}

const char *reasons_fault(fv_arena *a, const fv_reasons *r) {
    fv_ptrmap all = fv_ptrmap_in(a);
    for (int i = 0; i < r->n; i++) {
        const char *fault = sentence_fault(a, &r->all[i]);
        if (fault)
            return fv_printf(a, "'%s': %s %s", r->all[i].about->name,
                             fv_why_info_of(r->all[i].why)->name, fault);
        told *t = told_of(a, &all, r->all[i].about);
        FV_PUSH(a, t->list, t->n, t->cap, &r->all[i]);
        if ((fault = contradiction(a, t)))
            return fv_printf(a, "'%s' %s", t->value->name, fault);
    }
    if (r->after) /* what came before is not known here */
        return NULL;
    const char *fault = launch_fault(a, r, &all);
    return fault ? fault : silent_value(a, r, &all);
}
