/* generate.c - `fovea generate`: continues sequences of ids with a decoder. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/base/diag.h"
#include "tools/command/progress.h"
#include "tools/generate/caches.h"
#include "tools/model/parts.h"

/* Numbers of an option, such as the ids of a prompt. */
typedef struct id_list {
    int64_t *ids;
    int n, cap;
} id_list;

/* The ids that were generated for a sequence, and how many of them were printed. */
typedef struct line {
    id_list made;
    int printed;
    bool stopped;
} line;

typedef struct job {
    fv_context *c;
    fv_subject *m;   /* the model; of parts, the whole model */
    fv_parts *parts; /* NULL: it is one model */
    id_list *prompts, stop;
    int nprompts, cap;
    fv_prompt *given; /* the prompts, as the generator takes them */
    line *lines;
    int printing; /* the sequence whose line is being printed */
    fv_generate_report report;
} job;

/* ---- options ---- */

/* Reads ids with commas between them, up to `end`. False after a message. */
static bool read_ids(fv_context *c, const char *option, const char *text, const char *end,
                     id_list *out) {
    for (const char *p = text;; p++) {
        char *after;
        errno = 0;
        long long id = strtoll(p, &after, 10);
        if (after == p || errno || after > end || (after < end && *after != ','))
            return fv_usage(c->args, "%s '%s': expected ids with commas between them", option,
                            text) == FV_EXIT_OK;
        FV_PUSH(c->arena, out->ids, out->n, out->cap, id);
        if (after == end)
            return true;
        p = after;
    }
}

/* Reads prompts with semicolons between them. */
static bool read_prompts(job *j, const char *text) {
    for (const char *p = text;; p++) {
        id_list prompt = {0};
        const char *end = p + strcspn(p, ";");
        if (!read_ids(j->c, "--ids", p, end, &prompt))
            return false;
        FV_PUSH(j->c->arena, j->prompts, j->nprompts, j->cap, prompt);
        if (!*end)
            return true;
        p = end;
    }
}

static bool is_at_least_one(fv_context *c, const char *option, int value) {
    return value >= 1 || fv_usage(c->args, "%s takes a number of at least 1", option) == FV_EXIT_OK;
}

static bool check_options(fv_context *c) {
    const fv_generate_args *g = &c->args->data.generate;
    if (!g->ids.n)
        return fv_usage(c->args, "--ids is missing: the prompt as ids of the vocabulary, such as "
                                 "--ids=1,2,3; there is "
                                 "no tokenizer here") == FV_EXIT_OK;
    if (!is_at_least_one(c, "--tokens", g->tokens) ||
        (g->prefill >= 0 && !is_at_least_one(c, "--prefill", g->prefill)))
        return false;
    if (g->top_p >= 0 && !(g->top_p > 0 && g->top_p <= 1))
        return fv_usage(c->args, "--top-p takes a number above 0, of at most 1") == FV_EXIT_OK;
    if (g->temperature == 0 && (g->top_p >= 0 || g->top_k > 0))
        return fv_usage(c->args, "--top-%c needs --temperature: without it nothing is drawn",
                        g->top_k > 0 ? 'k' : 'p') == FV_EXIT_OK;
    if (!strcmp(c->args->operand[0], "-"))
        return fv_usage(c->args, "the model is read twice: not from standard input") == FV_EXIT_OK;
    return true;
}

static bool read_options(job *j) {
    const fv_generate_args *g = &j->c->args->data.generate;
    if (!check_options(j->c))
        return false;
    for (int i = 0; i < g->ids.n; i++)
        if (!read_prompts(j, g->ids.at[i]))
            return false;
    for (int i = 0; i < g->stop.n; i++) {
        const char *text = g->stop.at[i];
        if (!read_ids(j->c, "--stop", text, text + strlen(text), &j->stop))
            return false;
    }
    return true;
}

/* ---- the model ---- */

static const char *first_error(fv_context *c) {
    for (const fv_message *m = fv_messages(c->session); m; m = m->next)
        if (m->severity == FV_ERROR)
            return fv_strdup(c->arena, m->text);
    return "";
}

/* Opens the model with its caches in place, and if it does not allow that, with copies of them. */
static bool open_best(fv_context *c, const char *path, fv_backend_kind backend,
                      const fv_cache_states *states, fv_subject *out) {
    const char *why;
    c->states = states->in_place;
    if (fv_subject_open(c, path, backend, out))
        return true;
    if (!states->nfound || !fv_error_count(c->session))
        return false;
    why = first_error(c);
    fv_subject_close(out);
    fv_messages_clear(c->session);
    c->states = states->apart;
    if (!fv_subject_open(c, path, backend, out))
        return false;
    fv_progress_end();
    fv_note(c, "each run copies the caches: %s", why);
    return true;
}

/* Opens a decoder, or a part of one, whose caches are shares. */
static bool open_decoder(fv_context *c, const char *path, fv_backend_kind backend,
                         fv_subject *out) {
    fv_driver_options o;
    fv_cache_states states = {0};
    c->states = NULL; /* those of another part */
    if (fv_driver_path_kind(path) != FV_FILE_ELF) {
        if (!fv_args_driver(c, &o, true) ||
            !fv_cache_states_find(c->session, c->arena, path, &o, &states))
            return false;
        fv_messages_clear(c->session); /* messages are reported when the model is compiled */
        fv_progress(c->args, "compiles the model");
    }
    bool open = open_best(c, path, backend, &states, out);
    fv_progress_end();
    if (!open)
        return false;
    if (fv_subject_is_library(out) && c->args->code.dims.n)
        fv_note(c, "is compiled already, --dim does nothing");
    return true;
}

/* The options of a generator with the model m, whose inputs are set where they are given. */
static fv_generate_options options_of(const job *j, const fv_subject *m, const fv_run_options *o) {
    const fv_args *a = j->c->args;
    const fv_generate_args *g = &a->data.generate;
    return (fv_generate_options){.size = sizeof(fv_generate_options),
                                 .tokens = g->tokens,
                                 .stop = j->stop.ids,
                                 .nstop = j->stop.n,
                                 .temperature = g->temperature,
                                 .top_k = g->top_k > 0 ? g->top_k : 0,
                                 .top_p = g->top_p > 0 ? g->top_p : 0,
                                 .seed = (uint64_t)a->data.seed,
                                 .chunk = g->prefill > 0 ? g->prefill : 0,
                                 .given = m->data.inputs,
                                 .threads = o->threads,
                                 .cancel = o->cancel,
                                 .env = o->env};
}

/* ---- results ---- */

static void print_line(line *l) {
    for (; l->printed < l->made.n; l->printed++)
        fv_out("%s%" PRId64, l->printed ? "," : "", l->made.ids[l->printed]);
}

static bool is_ended(const job *j, const line *l) {
    return l->stopped || l->made.n >= j->c->args->data.generate.tokens;
}

/* Prints the ids that are not printed yet of the first sequence that has not ended, and of those
 * before it: each sequence is a line, in the order of the prompts. */
static void print_lines(job *j) {
    while (j->printing < j->nprompts) {
        print_line(&j->lines[j->printing]);
        if (!is_ended(j, &j->lines[j->printing]))
            break;
        fv_out("\n");
        j->printing++;
    }
    fflush(stdout);
}

/* Are ids shown on the terminal as soon as they are known? */
static bool shows_ids(const job *j) {
    return !j->c->args->print.json && fv_is_terminal(STDOUT_FILENO);
}

static void take(job *j, int sequence, int64_t id) {
    line *l = &j->lines[sequence];
    FV_PUSH(j->c->arena, l->made.ids, l->made.n, l->made.cap, id);
    for (int i = 0; i < j->stop.n; i++)
        l->stopped |= j->stop.ids[i] == id;
    fv_progress_end();
    if (!j->c->args->print.json)
        print_lines(j);
    if (!shows_ids(j))
        fv_progress(j->c->args, "sequence %d of %d: %d of at most %d ids", sequence + 1,
                    j->nprompts, l->made.n, j->c->args->data.generate.tokens);
}

static json_t *json_ids(const id_list *list) {
    json_t *a = json_array();
    for (int i = 0; i < list->n; i++)
        fv_json_append(a, json_integer(list->ids[i]));
    return a;
}

static json_t *json_sequences(const job *j) {
    json_t *list = json_array();
    for (int i = 0; i < j->nprompts; i++) {
        json_t *s = json_object();
        fv_json_set(s, "prompt", json_ids(&j->prompts[i]));
        fv_json_set(s, "ids", json_ids(&j->lines[i].made));
        fv_json_set_bool(s, "stopped", j->lines[i].stopped);
        fv_json_append(list, s);
    }
    return list;
}

static double per_second(int64_t ids, double ms) {
    return ms > 0 ? 1e3 * (double)ids / ms : 0;
}

static bool print_json(const job *j, fv_backend_kind backend) {
    const fv_generate_report *r = &j->report;
    json_t *d = fv_json_document();
    fv_json_set_text(d, "model", j->m->path);
    fv_json_set_text(d, "backend",
                     fv_subject_is_library(j->m) ? "library" : fv_backend_name(backend));
    fv_json_set_text(d, "target", j->m->table->target);
    fv_json_set_int(d, "seed", j->c->args->data.seed);
    fv_json_set(d, "sequences", json_sequences(j));
    fv_json_set_int(d, "caches", r->caches);
    fv_json_set_int(d, "caches_in_place", r->in_place);
    fv_json_set_int(d, "prefill_ids", r->prompt_ids);
    fv_json_set(d, "prefill_ms", fv_json_real(r->prompt_ms));
    fv_json_set_int(d, "decode_ids", r->ids);
    fv_json_set(d, "decode_ms", fv_json_real(r->ms));
    fv_json_set(d, "tokens_per_second",
                r->ids ? fv_json_real(per_second(r->ids, r->ms)) : json_null());
    return fv_json_print(j->c->session, d);
}

static void print_time(const char *what, int64_t ids, double ms) {
    if (ids)
        fv_err("%-8s %" PRId64 " ids in %.1f ms, %.1f per second\n", what, ids, ms,
               per_second(ids, ms));
}

static bool report(const job *j, fv_backend_kind backend) {
    if (j->c->args->print.json)
        return print_json(j, backend);
    if (!j->c->args->print.quiet) {
        print_time("prefill", j->report.prompt_ids, j->report.prompt_ms);
        print_time("decode", j->report.ids, j->report.ms);
    }
    return true;
}

/* ---- all ---- */

/* Takes all ids of the generator; only those of rank 0 are printed. */
static int take_all(job *j, int rank, fv_generator *g, fv_log *log) {
    int sequence = 0, status;
    int64_t id;
    if (rank == 0)
        fv_progress(j->c->args, "%d prompt%s", j->nprompts, j->nprompts > 1 ? "s" : "");
    while (!(status = fv_generator_next(g, &sequence, &id, log)) && sequence >= 0)
        if (rank == 0)
            take(j, sequence, id);
    if (rank)
        return status;
    fv_progress_end();
    if (status && !j->c->args->print.json && j->printing < j->nprompts &&
        j->lines[j->printing].printed)
        fv_out("\n");
    fv_generator_report(g, &j->report);
    return status;
}

/* Generates ids with the model, or with the part of a rank: all ranks get the same logits, and so
 * choose the same ids. */
static int generate(void *user, int rank, const fv_run_options *run, fv_log *log) {
    job *j = user;
    const fv_subject *m = j->parts ? &j->parts->all[rank] : j->m;
    fv_generate_options o = options_of(j, m, run);
    fv_generator *g;
    int status = fv_generator_new(m->artifact, j->nprompts, j->given, &o, log, &g);
    if (!status && rank == 0) {
        fv_generator_report(g, &j->report);
        if (!j->report.caches)
            fv_note(j->c, "the model has no caches: each run computes the whole sequence");
    }
    status = status ? status : take_all(j, rank, g, log);
    fv_generator_free(g);
    return status;
}

static bool run(job *j) {
    fv_context *c = j->c;
    j->given = FV_NEW(c->arena, fv_prompt, j->nprompts);
    for (int i = 0; i < j->nprompts; i++)
        j->given[i] = (fv_prompt){j->prompts[i].ids, j->prompts[i].n};
    j->lines = FV_NEW(c->arena, line, j->nprompts);
    if (j->parts)
        return fv_parts_do(c, j->parts, generate, j) == FV_OK;
    fv_run_options o = {.size = sizeof o, .threads = fv_args_threads(c->args), .cancel = c->cancel};
    fv_log *log = fv_log_new();
    bool ok = generate(j, 0, &o, log) == FV_OK || fv_say_log(c, log);
    fv_log_free(log);
    return ok;
}

static bool generate_and_report(job *j, fv_backend_kind backend) {
    return fv_read_inputs(j->c, j->m) && run(j) &&
           ((j->parts && j->parts->here) || report(j, backend));
}

static int generate_by_parts(job *j, fv_backend_kind backend) {
    fv_parts parts;
    if (!fv_parts_options_fit(j->c))
        return FV_EXIT_USAGE;
    bool open = fv_parts_open(j->c, j->c->args->operand[0], backend, open_decoder, &parts);
    j->parts = &parts;
    j->m = &parts.whole;
    int status = !open && !fv_error_count(j->c->session)   ? FV_EXIT_USAGE
                 : open && generate_and_report(j, backend) ? FV_EXIT_OK
                                                           : fv_failed(j->c);
    fv_parts_close(j->c, &parts);
    return status;
}

static int generate_by_model(job *j, fv_backend_kind backend) {
    fv_context *c = j->c;
    fv_subject m = {0};
    j->m = &m;
    bool open = open_decoder(c, c->args->operand[0], backend, &m);
    int status = !open && !fv_error_count(c->session)      ? FV_EXIT_USAGE
                 : open && generate_and_report(j, backend) ? FV_EXIT_OK
                                                           : fv_failed(c);
    fv_subject_close(&m);
    return status;
}

int fv_cmd_generate(fv_context *c) {
    job j = {.c = c};
    fv_backend_kind backends[FV_MOST_BACKENDS];
    int n = fv_args_backends(c->args, backends);
    if (n != 1)
        return n ? fv_usage(c->args, "--backend takes one of jit, c and interp") : FV_EXIT_USAGE;
    if (!read_options(&j))
        return FV_EXIT_USAGE;
    if (fv_parts_are_in(c, c->args->operand[0]))
        return generate_by_parts(&j, backends[0]);
    return fv_parts_are_not_in(c, c->args->operand[0]) ? generate_by_model(&j, backends[0])
                                                       : fv_failed(c);
}
