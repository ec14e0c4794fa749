/* table.c - writes the table of a model (fv_model) as constants, and the function that returns
 * it. */
#include "backend/c/internal.h"
#include "runtime/table_members.h"

/* Members for tracing are compiled only if that is enabled, because the names of launches take
 * memory. */
static void if_traced(fv_cg *g, const fv_member *x) {
    if (x->traced)
        fv_text_printf(g->out, "#ifdef %s_TRACED\n", g->NAME);
}

static void end_traced(fv_cg *g, const fv_member *x, const char *other) {
    if (!x->traced)
        return;
    if (other) {
        fv_text_put(g->out, "#else\n");
        fv_c_line(g, "%s", other);
    }
    fv_text_put(g->out, "#endif\n");
}

static bool is_list(const void *s, const fv_member *x) {
    return (x->kind == FV_MEMBER_TEXTS || x->kind == FV_MEMBER_LIST) && fv_member_count(s, x) > 0;
}

/* The name of the array for a list of a structure. owner: the prefix for that structure. */
static const char *list_name(fv_cg *g, const char *owner, const fv_member *x) {
    return fv_printf(g->arena, "%s%s", owner, x->name);
}

static const char *element_name(fv_cg *g, const char *list, int i) {
    return fv_printf(g->arena, "%s_%d_", list, i);
}

/* The initialiser of a member. code: the names of functions, in order; advanced when one is
 * used. */
static const char *member(fv_cg *g, const void *s, const fv_structure *type, const fv_member *x,
                          const char *owner, const char *const **code) {
    switch (x->kind) {
    case FV_MEMBER_NUMBER: return fv_printf(g->arena, "%d", fv_member_number(s, x));
    case FV_MEMBER_WIDE: return fv_c_str(g, fv_x_int(g->arena, fv_member_wide(s, x)));
    case FV_MEMBER_SUM:
        return fv_printf(g->arena, "UINT64_C(0x%016llx)", (unsigned long long)fv_member_wide(s, x));
    case FV_MEMBER_SIZE: return fv_printf(g->arena, "sizeof(%s)", type->type);
    case FV_MEMBER_TEXTS:
    case FV_MEMBER_LIST: return is_list(s, x) ? list_name(g, owner, x) : "NULL";
    case FV_MEMBER_CODE: return *(*code)++;
    case FV_MEMBER_TEXT:
    case FV_MEMBER_MAYBE: break;
    }
    const char *text = fv_member_pointer(s, x);
    return text || x->kind == FV_MEMBER_TEXT ? fv_c_strings(g->arena, text ? text : "") : "NULL";
}

static const char *element(fv_cg *g, const fv_structure *type, const void *s, const char *owner) {
    fv_text t = {.arena = g->arena};
    for (int i = 0; i < type->n; i++)
        fv_text_printf(&t, "%s%s", i ? ", " : "{",
                       member(g, s, type, &type->members[i], owner, NULL));
    fv_text_put(&t, "}");
    return t.s;
}

static const char *text_list(fv_cg *g, const void *s, const fv_member *x) {
    fv_text t = {.arena = g->arena};
    for (int i = 0; i < fv_member_count(s, x); i++)
        fv_text_printf(&t, "%s%s", i ? ", " : "{", fv_c_string(g->arena, fv_member_text(s, x, i)));
    fv_text_put(&t, "}");
    return t.s;
}

/* Writes the arrays that members point to, before the structures that refer to them. */
static void put_lists(fv_cg *g, const fv_structure *type, const void *s, const char *owner) {
    for (int k = 0; k < type->n; k++) {
        const fv_member *x = &type->members[k];
        const char *name = list_name(g, owner, x);
        if (!is_list(s, x))
            continue;
        if (x->kind == FV_MEMBER_TEXTS) {
            fv_c_line(g, "static const char *const %s[] = %s;", name, text_list(g, s, x));
            continue;
        }
        for (int i = 0; i < fv_member_count(s, x); i++)
            put_lists(g, x->of, fv_member_element(s, x, i), element_name(g, name, i));
        if_traced(g, x);
        fv_c_open(g, "static const %s %s[] =", x->of->type, name);
        for (int i = 0; i < fv_member_count(s, x); i++)
            fv_c_line(g, "%s,",
                      element(g, x->of, fv_member_element(s, x, i), element_name(g, name, i)));
        g->indent--;
        fv_c_line(g, "};");
        end_traced(g, x, NULL);
    }
}

void fv_c_table(fv_cg *g) {
    const fv_structure *type = &fv_model_structure;
    const fv_model *t = fv_program_model(g->arena, g->p, fv_c_weights_file(g));
    const char *const functions[] = {fv_printf(g->arena, "%s_%s", g->name,
                                               g->machine.checks_cpu ? "plan_entry" : "plan_flat"),
                                     fv_printf(g->arena, "%s_run_entry", g->name)},
                      *const *code = functions;
    fv_c_open(g, "const fv_model *%s_model(void)", g->name);
    put_lists(g, type, t, "");
    fv_c_open(g, "static const fv_model model =");
    for (int i = 0; i < type->n; i++) {
        const fv_member *x = &type->members[i];
        if_traced(g, x);
        fv_c_line(g, "%s, /* %s */", member(g, t, type, x, "", &code), x->name);
        end_traced(g, x, x->kind == FV_MEMBER_NUMBER ? "0," : "NULL,");
    }
    g->indent--;
    fv_c_line(g, "};");
    fv_c_line(g, "return &model;");
    fv_c_close(g);
}
