/* decoder.c - see decoder.h. The names are those of the exporters of Hugging Face Optimum and
 * PyTorch, of ONNX Runtime GenAI, and of programs that were written by hand. */
#include "tools/generate/decoder.h"

#include <stdlib.h>
#include <string.h>

#include "ir/base/text.h"

/* ---- names ---- */

static bool has(const char *name, const char *part) {
    return strcasestr(name, part) != NULL;
}

static bool is_int(const fv_port_info *p) {
    return p->type == FV_TYPE_INT64 || p->type == FV_TYPE_INT32;
}

static bool is_float(const fv_port_info *p) {
    return p->type == FV_TYPE_FLOAT || p->type == FV_TYPE_FLOAT16 || p->type == FV_TYPE_BFLOAT16 ||
           p->type == FV_TYPE_DOUBLE;
}

static bool is_number(const fv_port_info *p) {
    return is_int(p) || is_float(p) || p->type == FV_TYPE_BOOL;
}

const char *fv_port_str(fv_arena *a, const fv_port_info *p) {
    fv_text t = {.arena = a};
    fv_text_printf(&t, "'%s' (%s[", p->name, fv_type_text(p->type));
    for (int i = 0; i < p->rank; i++)
        fv_text_printf(&t, "%s%s", i ? ", " : "", p->dims[i]);
    fv_text_printf(&t, "])");
    return t.s;
}

/* ---- caches ---- */

/* Is `out` the name `in` with the part `from` replaced by `to`? */
static bool is_replaced(const char *in, const char *from, const char *to, const char *out) {
    const char *at = strstr(in, from);
    size_t before = at ? (size_t)(at - in) : 0;
    return at && !strncmp(in, out, before) && !strncmp(out + before, to, strlen(to)) &&
           !strcmp(at + strlen(from), out + before + strlen(to));
}

int fv_cache_output(const fv_port_info *in, int noutputs, const fv_port_info *outputs) {
    static const struct {
        const char *from, *to;
    } pairs[] = {{"past_key_values", "present"},
                 {"past_key_values", "present_key_values"},
                 {"past", "present"},
                 {"Past", "Present"}};
    for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++)
        for (int i = 0; i < noutputs; i++)
            if (outputs[i].type == in->type && outputs[i].rank == in->rank &&
                is_replaced(in->name, pairs[k].from, pairs[k].to, outputs[i].name))
                return i;
    return -1;
}

/* The first axis whose dims in the input and the output are not the same text, since the cache
 * grows along it; -1: none. */
static int growing_axis(const fv_port_info *in, const fv_port_info *out) {
    for (int k = 0; k < in->rank; k++)
        if (strcmp(in->dims[k], out->dims[k]) != 0)
            return k;
    return -1;
}

static void add_cache(fv_decoder *d, int in, int out) {
    const fv_port_info *p = &d->table->inputs[in];
    d->roles[in] = FV_ROLE_STATE;
    d->caches[d->ncaches++] = (fv_decoder_cache){.in = in,
                                                 .out = out,
                                                 .axis = growing_axis(p, &d->table->outputs[out]),
                                                 .in_place = p->in_place != 0};
}

static void find_caches(fv_decoder *d) {
    const fv_model *t = d->table;
    for (int i = 0; i < t->noutputs; i++)
        if (t->outputs[i].state_of && !d->roles[t->outputs[i].state_of - 1])
            add_cache(d, t->outputs[i].state_of - 1, i);
    for (int i = 0; i < t->ninputs; i++) {
        int out = d->roles[i] ? -1 : fv_cache_output(&t->inputs[i], t->noutputs, t->outputs);
        if (out >= 0)
            add_cache(d, i, out);
    }
}

/* ---- ids ---- */

static int find_input(const fv_decoder *d, const char *name) {
    for (int i = 0; i < d->table->ninputs; i++)
        if (!d->roles[i] && !strcasecmp(d->table->inputs[i].name, name) &&
            is_int(&d->table->inputs[i]))
            return i;
    return -1;
}

/* The input of ids: by its name, otherwise the only integer input of rank 1 or 2 without a role. */
static int find_ids(const fv_decoder *d) {
    static const char *const names[] = {"decoder_input_ids", "input_ids", "idx", "tokens",
                                        "token_ids",         "ids",       "x",   NULL};
    int only = -1, n = 0;
    for (int i = 0; names[i]; i++)
        if (find_input(d, names[i]) >= 0)
            return find_input(d, names[i]);
    for (int i = 0; i < d->table->ninputs; i++)
        if (!d->roles[i] && is_int(&d->table->inputs[i]) && d->table->inputs[i].rank >= 1 &&
            d->table->inputs[i].rank <= 2) {
            only = i;
            n++;
        }
    return n == 1 ? only : -1;
}

/* ---- other inputs ---- */

/* The role of an input by its name; `second`: the model is an encoder and a decoder, so what the
 * names without "decoder" mean belongs to the encoder. */
static fv_role role_of(const fv_port_info *p, bool second) {
    static const struct {
        const char *part;
        fv_role role;
    } names[] = {{"use_cache_branch", FV_ROLE_BRANCH},
                 {"seqlens_k", FV_ROLE_LAST},
                 {"total_sequence_length", FV_ROLE_TOTAL},
                 {"past_sequence_length", FV_ROLE_PAST},
                 {"attention_mask", FV_ROLE_MASK},
                 {"attn_mask", FV_ROLE_MASK},
                 {"position", FV_ROLE_POSITIONS},
                 {"token_type_ids", FV_ROLE_ZEROS},
                 {"segment_ids", FV_ROLE_ZEROS}};
    if (!is_number(p) || has(p->name, "encoder_"))
        return FV_ROLE_UNKNOWN;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        if (!has(p->name, names[k].part))
            continue;
        bool is_mask = names[k].role == FV_ROLE_MASK;
        bool is_sequence = is_mask || names[k].role == FV_ROLE_ZEROS;
        if (is_sequence && second && !has(p->name, "decoder_"))
            return FV_ROLE_UNKNOWN;
        if (is_mask && (p->rank == 3 || p->rank == 4))
            return FV_ROLE_MASK_ROWS;
        return is_sequence && p->rank != 2 ? FV_ROLE_UNKNOWN : names[k].role;
    }
    return FV_ROLE_UNKNOWN;
}

static void find_roles(fv_decoder *d) {
    const fv_model *t = d->table;
    bool second = find_input(d, "decoder_input_ids") >= 0;
    for (int i = 0; i < t->ninputs; i++)
        if (!d->roles[i])
            d->roles[i] = role_of(&t->inputs[i], second);
}

/* ---- logits ---- */

static bool is_state(const fv_decoder *d, int out) {
    for (int i = 0; i < d->ncaches; i++)
        if (d->caches[i].out == out)
            return true;
    return false;
}

/* The output of logits: by its name, otherwise the only float output of rank 2 or 3 that is no
 * cache, unless it is a hidden state. */
static int find_logits(const fv_decoder *d) {
    int only = -1, n = 0;
    for (int i = 0; i < d->table->noutputs; i++) {
        const fv_port_info *p = &d->table->outputs[i];
        if (is_state(d, i) || !is_float(p) || p->rank < 2 || p->rank > 3)
            continue;
        if (has(p->name, "logits"))
            return i;
        only = i;
        n++;
    }
    return n == 1 && !has(d->table->outputs[only].name, "hidden") ? only : -1;
}

/* ---- all ---- */

static int bad_model(fv_log *log, const char *what, const char *list) {
    fv_log_add(log, "error: the model is no decoder that can generate ids: %s%s", what, list);
    return FV_BAD_MODEL;
}

static const char *ports_str(fv_arena *a, int n, const fv_port_info *ports) {
    fv_text t = {.arena = a};
    fv_text_printf(&t, "%s", n ? "" : "nothing");
    for (int i = 0; i < n; i++)
        fv_text_printf(&t, "%s%s", i ? ", " : "", fv_port_str(a, &ports[i]));
    return t.s;
}

static int refuse_input(fv_arena *a, const fv_port_info *p, fv_log *log) {
    const char *how =
        has(p->name, "past") && p->rank >= 3
            ? fv_printf(a, "no output has the name of its next value; --state %s=OUTPUT names it",
                        fv_option_name(a, p->name))
            : fv_printf(a, "a value that is the same in each run is given by --input %s=FILE",
                        fv_option_name(a, p->name));
    fv_log_add(log, "error: input %s cannot be filled: %s", fv_port_str(a, p), how);
    return FV_BAD_MODEL;
}

int fv_decoder_find(fv_arena *a, const fv_model *t, const unsigned char *given, fv_log *log,
                    fv_decoder *d) {
    *d = (fv_decoder){.table = t,
                      .roles = FV_NEW(a, fv_role, t->ninputs + 1),
                      .caches = FV_NEW(a, fv_decoder_cache, t->ninputs + 1)};
    for (int i = 0; i < t->ninputs; i++)
        d->roles[i] = given[i] ? FV_ROLE_GIVEN : FV_ROLE_UNKNOWN;
    find_caches(d);
    find_roles(d);
    d->ids = find_ids(d);
    d->logits = find_logits(d);
    if (d->ids < 0)
        return bad_model(log, "no input is a tensor of ids; it has ",
                         ports_str(a, t->ninputs, t->inputs));
    d->roles[d->ids] = FV_ROLE_IDS;
    const fv_port_info *ids = &t->inputs[d->ids];
    if (ids->rank > 2 ||
        (ids->rank == 2 && (has(ids->dims[0], "seq") || has(ids->dims[1], "batch"))))
        return bad_model(log, "its ids are not [batch, length]: ", fv_port_str(a, ids));
    if (d->logits < 0)
        return bad_model(log, "no output is a tensor of logits; it has ",
                         ports_str(a, t->noutputs, t->outputs));
    for (int i = 0; i < t->ninputs; i++)
        if (!d->roles[i])
            return refuse_input(a, &t->inputs[i], log);
    const fv_port_info *logits = &t->outputs[d->logits];
    if (!fv_eval_dim_text(t, FV_NEW(a, int64_t, t->nsymbols + 1), logits->dims[logits->rank - 1],
                          &d->vocabulary))
        d->vocabulary = 0;
    return FV_OK;
}
