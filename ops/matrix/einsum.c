/* einsum.c - Einstein summation: the equation is translated directly into a definition. */

#include <string.h>

#include "ir/base/limits.h"
#include "ir/definition/definition.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"

enum { MAX_LABELS = 128, MAX_TERMS = 16 };

/* Labels are letters; the axes of an ellipsis are numbered from the last one: 1, 2, ... */
typedef struct equation {
    int nterms;
    int rank[MAX_TERMS + 1];
    /* labels of each axis of each term; the term after the last operand's is the output */
    char label[MAX_TERMS + 1][FV_MAX_RANK];
    int ellipsis;                  /* the largest number of axes that an ellipsis represents */
    const fv_dim *dim[MAX_LABELS]; /* dim of each label */
} equation;

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Parses one term for an operand of that rank: labels, and at most one ellipsis for the remaining
 * axes. */
static bool parse_term(fv_op *op, const char *s, size_t n, int rank, equation *e, int t) {
    int letters = 0, dots = 0, at = 0;
    for (size_t i = 0; i < n; i++) {
        letters += is_letter(s[i]);
        if (s[i] == '.' && dots++ % 3 && s[i - 1] != '.')
            return fv_op_error(op, "equation has dots apart, expected '...'");
        if (!is_letter(s[i]) && s[i] != '.' && s[i] != ' ')
            return fv_op_error(op, "equation has '%c', expected letters", s[i]);
    }
    int wild = rank - letters;
    if ((dots != 0 && dots != 3) || wild < 0 || (!dots && wild) || rank > FV_MAX_RANK)
        return fv_op_error(op, "term '%.*s' of the equation does not fit rank %d", (int)n, s, rank);
    for (size_t i = 0; i < n; i++) {
        if (is_letter(s[i]))
            e->label[t][at++] = s[i];
        else if (s[i] == '.') {
            for (int k = wild; k > 0; k--)
                e->label[t][at++] = (char)k;
            i += 2;
        }
    }
    if (wild > e->ellipsis)
        e->ellipsis = wild;
    e->rank[t] = rank;
    return true;
}

/* The axes of an ellipsis broadcast, as batch axes of MatMul do; axes with the same letter must
 * have the same size. */
static bool bind_ellipsis(fv_op *op, equation *e, int l, const fv_dim *d) {
    const fv_dim *have = e->dim[l] ? e->dim[l] : d, *dims[FV_MAX_RANK];
    const fv_type a = {.rank = 1, .dims = &have}, b = {.rank = 1, .dims = &d}, *both[] = {&a, &b};
    int rank;
    if (!fv_infer_broadcast(op, 2, both, &rank, dims))
        return false;
    e->dim[l] = dims[0];
    return true;
}

static bool bind_dims(fv_op *op, equation *e) {
    fv_module *m = fv_op_module(op);
    for (int t = 0; t < e->nterms; t++)
        for (int i = 0; i < e->rank[t]; i++) {
            int l = e->label[t][i];
            if (!is_letter((char)l)) {
                if (!bind_ellipsis(op, e, l, fv_in_type(op, t)->dims[i]))
                    return false;
                continue;
            }
            const fv_dim *d = fv_in_type(op, t)->dims[i], *have = e->dim[l];
            bool unit = fv_dim_is_const(d) && d->value == 1;
            if (!have || (fv_dim_is_const(have) && have->value == 1))
                e->dim[l] = d;
            else if (!unit && !fv_module_assume(m, have, d, "label of an equation"))
                return fv_op_error(op, "label '%c' is %s and %s", l, fv_dim_str(m->arena, have),
                                   fv_dim_str(m->arena, d));
        }
    return true;
}

/* The output of an equation without an arrow: the ellipsis, then the labels that occur once, in
 * alphabetical order. */
static bool implicit_output(fv_op *op, equation *e, int out) {
    int at = 0, count[MAX_LABELS] = {0};
    for (int t = 0; t < e->nterms; t++)
        for (int i = 0; i < e->rank[t]; i++)
            count[(int)e->label[t][i]]++;
    for (int k = e->ellipsis; k > 0; k--)
        e->label[out][at++] = (char)k;
    for (int c = 'A'; c <= 'z'; c++) {
        if (count[c] == 1 && at == FV_MAX_RANK)
            return fv_op_error(op, "the result has more than %d axes", FV_MAX_RANK);
        if (count[c] == 1)
            e->label[out][at++] = (char)c;
    }
    e->rank[out] = at;
    return true;
}

static bool explicit_output(fv_op *op, const char *s, size_t n, equation *e, int out) {
    int letters = 0;
    bool dots = false;
    for (size_t i = 0; i < n; i++) {
        letters += is_letter(s[i]);
        dots |= s[i] == '.';
    }
    int wild = e->ellipsis;
    if (!parse_term(op, s, n, letters + (dots ? wild : 0), e, out))
        return false;
    for (int i = 0; i < e->rank[out]; i++) {
        int l = e->label[out][i];
        if (!e->dim[l])
            return fv_op_error(op, "label '%c' of the output is in no input", l);
        for (int k = 0; k < i; k++)
            if (e->label[out][k] == l)
                return fv_op_error(op, "label '%c' occurs twice in the output", l);
    }
    return true;
}

static bool parse(fv_op *op, equation *e) {
    fv_string eq = fv_op_string(op, "equation");
    const char *s = eq.s, *end = eq.s + eq.n;
    memset(e, 0, sizeof *e);
    const char *arrow = NULL;
    for (const char *p = s; p + 1 < end; p++)
        if (p[0] == '-' && p[1] == '>') {
            arrow = p;
            break;
        }
    const char *left_end = arrow ? arrow : end;
    for (const char *p = s;; p++) {
        const char *comma = p;
        while (comma < left_end && *comma != ',')
            comma++;
        if (e->nterms == op->nin || e->nterms == MAX_TERMS)
            return fv_op_error(op, "equation has more terms than the op has inputs (%d)", op->nin);
        if (!parse_term(op, p, (size_t)(comma - p), fv_in_type(op, e->nterms)->rank, e, e->nterms))
            return false;
        e->nterms++;
        p = comma;
        if (p >= left_end)
            break;
    }
    if (e->nterms != op->nin)
        return fv_op_error(op, "equation has %d terms for %d inputs", e->nterms, op->nin);
    if (!bind_dims(op, e))
        return false;
    if (arrow)
        return explicit_output(op, arrow + 2, (size_t)(end - arrow - 2), e, e->nterms);
    return implicit_output(op, e, e->nterms);
}

static bool infer_einsum(fv_op *op) {
    equation e;
    const fv_dim *dims[FV_MAX_RANK];
    if (!parse(op, &e))
        return false;
    for (int i = 0; i < e.rank[e.nterms]; i++)
        dims[i] = e.dim[(int)e.label[e.nterms][i]];
    fv_infer_out(op, 0, fv_in_type(op, 0)->elem, e.rank[e.nterms], dims);
    return true;
}

static bool define_einsum(fv_definer *d, fv_op *op) {
    equation e;
    fv_var *var[MAX_LABELS] = {0}, *sums[FV_MAX_RANK];
    int nsums = 0;
    if (!parse(op, &e))
        return false;
    fv_definition *def = fv_definition_new(d, 0);
    for (int i = 0; i < def->rank; i++) {
        int l = e.label[e.nterms][i];
        var[l] = def->index[i];
        if (is_letter((char)l))
            var[l]->name = fv_printf(d->arena, "%c", l);
    }
    fv_expr *body = NULL;
    for (int t = 0; t < e.nterms; t++) {
        fv_expr *index[FV_MAX_RANK];
        for (int i = 0; i < e.rank[t]; i++) {
            int l = e.label[t][i];
            if (!var[l] && nsums == FV_MAX_RANK)
                return fv_op_error(op, "sums over more than %d labels", FV_MAX_RANK);
            if (!var[l])
                sums[nsums++] = var[l] =
                    fv_d_var(d, is_letter((char)l) ? fv_printf(d->arena, "%c", l) : "k", e.dim[l]);
            index[i] = fv_d_broadcast(d, var[l], fv_in_type(op, t)->dims[i]);
        }
        fv_expr *x = fv_d_load(d, t, index);
        body = body ? fv_x_bin(d->arena, FV_X_MUL, body, x) : x;
    }
    def->body = nsums ? fv_x_reduce(d->arena, FV_SUM, nsums, sums, body) : body;
    return true;
}

const fv_opdef fv_ops_einsum[] = {
    {.domain = "",
     .name = "Einsum",
     .id = FV_OP_Einsum,
     .since = {12},
     .doc = "products of operands by labelled axes, summed over labels that the output has not",
     .in = {{"Inputs", "T", FV_VARIADIC, 1}},
     .out = {{"Output", "T"}},
     .attrs = {FV_A_REQUIRED("equation", STRING)},
     .types = {{"T", FV_SET_NUMBER}},
     .infer = infer_einsum,
     .define = define_einsum},

    {0}};
