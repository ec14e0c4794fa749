/* calibrate_search.c - searches the properties of the processor. Two programs are timed in turns,
 * one for the processor as found so far and one in which one property has another value. A value is
 * kept if its program takes at most 0.98 of the time in the median of a few rounds, and again in
 * the median of 15 further rounds, and is faster in at least 13 of these, so that it is not kept by
 * chance. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/file.h"
#include "ir/base/diag.h"
#include "tools/command/progress.h"
#include "tools/measure/calibrate.h"
#include "tools/model/rounds.h"
#include "tools/model/runner.h"

enum { LOOKS = 5, ROUNDS = 15, FASTER = 13, MOST_VALUES = 8 };
#define WORTH   0.98
#define TURN_MS 15.0
/* bytes of the file of weights, which all models share: as many as those of memory_rows together */
#define WEIGHT_BYTES (96L << 20)

/* ---- the models ---- */

#define HEAD "fovea-ir 1\nmodule \"m\"\nsymbol n 1..4096\n"
#define PRODUCT(rows, terms, columns, bytes)                                                       \
    HEAD "const @w: f32[" #terms ", " #columns "] = file \"weights.bin\" 0 " #bytes "\n"           \
         "func @main(%x: f32[" #rows ", " #terms "]) -> (%y) {\n  %y = MatMul(%x, @w)\n"           \
         "  return %y\n}\n"

/* a product of many rows, whose panels stay in the second-level cache */
static const char product[] = PRODUCT(192, 768, 768, 2359296);
/* a product of many rows with many terms: the rows start a multiple of 4 kB apart */
static const char long_product[] = PRODUCT(192, 3072, 768, 9437184);
/* products of 2, 4 and 12 tiles of 12 rows with weights in f16, which together exceed the
 * second-level cache, as in a model, whose weights were not read just before; of smaller tiles
 * there are more */
#define NARROW(w, terms, columns, offset)                                                          \
    "const @w" #w ": f16[" #terms ", " #columns "] = file \"weights.bin\" " #offset " 1179648\n"
#define NARROW_PAIR(w, v, offset, next) NARROW(w, 384, 1536, offset) NARROW(v, 1536, 384, next)
#define NARROW_WEIGHTS                                                                             \
    NARROW_PAIR(1, 2, 0, 1179648)                                                                  \
    NARROW_PAIR(3, 4, 2359296, 3538944) NARROW_PAIR(5, 6, 4718592, 5898240)
#define LINK(to, from, w) "  %" #to " = MatMul(%" #from ", @w" #w ")\n"
#define CHAIN(x, y)                                                                                \
    LINK(x##1, x, 1)                                                                               \
    LINK(x##2, x##1, 2)                                                                            \
    LINK(x##3, x##2, 3) LINK(x##4, x##3, 4) LINK(x##5, x##4, 5) LINK(y, x##5, 6)
#define CHAINS CHAIN(p, x) CHAIN(q, y) CHAIN(r, z)
static const char narrow_products[] =
    HEAD NARROW_WEIGHTS "func @main(%p: f16[24, 384], %q: f16[48, 384], %r: f16[144, 384])\n"
                        "    -> (%x, %y, %z) {\n" CHAINS "  return %x, %y, %z\n}\n";
/* a product of one row with weights that are in a cache */
static const char cached_row[] = PRODUCT(1, 256, 256, 262144);
/* products of one row and of eight with weights that come from memory: tiles of several rows
 * compute between two lines of weights, so prefetches help them where they may delay a single row,
 * and with bytes the same distance is four times as many steps of the sum */
static const char memory_rows[] =
    HEAD "const @a: f32[1024, 6144] = file \"weights.bin\" 0 25165824\n"
         "const @b: f32[1024, 6144] = file \"weights.bin\" 25165824 25165824\n"
         "const @c: i8[1024, 24576] = file \"weights.bin\" 50331648 25165824\n"
         "const @d: i8[1024, 24576] = file \"weights.bin\" 75497472 25165824\n"
         "func @main(%p: f32[1, 1024], %q: f32[8, 1024], %r: u8[1, 1024], %s: u8[8, 1024])\n"
         "    -> (%x, %y, %z, %v) {\n  %x = MatMul(%p, @a)\n  %y = MatMul(%q, @b)\n"
         "  %z = MatMulInteger(%r, @c)\n  %v = MatMulInteger(%s, @d)\n"
         "  return %x, %y, %z, %v\n}\n";
/* the same with floats of 16 bits, which tiles convert */
static const char narrow_memory_rows[] =
    HEAD "const @a: f16[1024, 24576] = file \"weights.bin\" 0 50331648\n"
         "const @b: f16[1024, 24576] = file \"weights.bin\" 50331648 50331648\n"
         "func @main(%p: f16[1, 1024], %q: f16[8, 1024]) -> (%x, %y) {\n"
         "  %x = MatMul(%p, @a)\n  %y = MatMul(%q, @b)\n  return %x, %y\n}\n";
static const char attention[] =
    HEAD "func @main(%q: f32[12, 384, 64], %k: f32[12, 384, 64], %v: f32[12, 384, 64]) -> (%y) {\n"
         "  %t = Transpose(%k) {perm = [0, 2, 1]}\n  %s = MatMul(%q, %t)\n"
         "  %p = Softmax(%s) {axis = -1}\n  %y = MatMul(%p, %v)\n  return %y\n}\n";
static const char rows[] =
    HEAD "func @main(%x: f32[512, 768]) -> (%y) {\n  %y = Softmax(%x) {axis = -1}\n"
         "  return %y\n}\n";
static const char vector[] =
    HEAD "func @main(%x: f32[131072], %z: f32[131072]) -> (%y) {\n  %y = Add(%x, %z)\n"
         "  return %y\n}\n";

/* A property, the model that is timed for it, with one thread or with all, and values to try. */
typedef struct choice {
    const char *property, *name, *model;
    bool all_threads;
    int n, values[MOST_VALUES];
} choice;

static const choice choices[] = {
    {"block_tiles", "product", product, false, 5, {6, 8, 12, 16, 24}},
    {"block_l2_eighths", "long product", long_product, false, 4, {4, 5, 6, 7}},
    {"loop.unrolled_steps", "product", product, false, 3, {1, 2, 4}},
    {"copies_rows", "long product", long_product, false, 2, {0, 1}},
    {"loop.converting_tiles", "products in f16", narrow_products, false, 6, {1, 2, 4, 6, 8, 24}},
    {"prefetch.bytes", "product", product, false, 4, {0, 1024, 2048, 4096}},
    {"prefetch.single_bytes",
     "rows from memory",
     memory_rows,
     false,
     6,
     {0, 2048, 16384, 65536, 131072, 262144}},
    {"prefetch.narrow_bytes",
     "rows in f16 from memory",
     narrow_memory_rows,
     false,
     6,
     {0, 2048, 8192, 16384, 32768, 131072}},
    {"sums_in_flight", "row from a cache", cached_row, false, 4, {4, 8, 12, 16}},
    {"score_tiles", "attention", attention, false, 4, {1, 2, 3, 4}},
    {"score_l2_eighths", "attention", attention, false, 4, {1, 2, 3, 4}},
    {"attend_tasks", "attention", attention, true, 4, {4, 8, 16, 32}},
    {"row_task", "rows", rows, true, 5, {1024, 2048, 4096, 8192, 16384}},
    {"vector_task", "vector", vector, true, 5, {1024, 2048, 4096, 8192, 16384}},
};
enum { NCHOICES = sizeof choices / sizeof *choices };

/* ---- programs ---- */

typedef struct search {
    fv_calibration *t;
    const char *folder; /* temporary: weights, the model, a profile for each program */
    const choice *of;
    int property;      /* number of the property */
    int next;          /* number of the value that is tried next */
    double ratio;      /* ratio of the times with the value tried last and with the one found */
    fv_text tried;     /* values and their ratios: "6: 1.013, 8: 1.004" */
    double longest_ms; /* the longest time that trying one value took */
} search;

typedef struct program {
    fv_context c;
    fv_args args;
    fv_subject m;
    fv_choices choices;
    fv_runner r;
    fv_contender turns;
    double rounds[ROUNDS];
} program;

typedef enum { FAILED, NO, YES } answer;

static bool run(void *user, double *ms) {
    program *p = user;
    return fv_runner_run(&p->c, &p->r, ms);
}

static bool ready(search *s, program *p, const fv_processor *processor, const char *name) {
    fv_context *c = &p->c;
    fv_machine machine = s->t->found;
    fv_text text = {.arena = c->arena};
    machine.processor = *processor;
    fv_machine_print(&text, &machine);
    p->args.code.processor = fv_printf(c->arena, "%s/%s.txt", s->folder, name);
    bool ok = fv_file_write(c->session, p->args.code.processor, text.s, text.n) &&
              fv_subject_open_tuned(c, fv_printf(c->arena, "%s/model.fvir", s->folder),
                                    FV_BACKEND_JIT, NULL, &p->choices, &p->m) &&
              fv_choose_dims(c, &p->m, true) && fv_make_inputs(c, &p->m) &&
              fv_runner_open(c, &p->m, s->of->all_threads ? s->t->threads : 1, &p->r);
    p->turns = (fv_contender){.run = run, .user = p, .round = p->rounds};
    return ok;
}

/* Makes the program of the model for the processor in a session of its own, and calls `work` with
 * it. */
static answer with_program(search *s, const fv_processor *processor, const char *name,
                           answer (*work)(search *s, program *p, program *base), program *base) {
    fv_context *c = s->t->c;
    program *p = FV_NEW(c->arena, program, 1);
    fv_door door;
    p->args = *c->args;
    p->c = (fv_context){.session = fv_session_new(), .args = &p->args};
    if (!p->c.session || FV_DOOR_OPEN(p->c.session, &door))
        fv_leave_too(c->session, p->c.session);
    p->c.arena = fv_arena_new(p->c.session);
    answer is = ready(s, p, processor, name) ? work(s, p, base) : FAILED;
    if (is == FAILED)
        fv_print_messages(&p->c);
    fv_runner_close(&p->r);
    fv_subject_close(&p->m);
    fv_door_close(p->c.session, &door);
    fv_session_free(p->c.session);
    return is;
}

/* ---- rounds ---- */

/* Runs n rounds. *median: of the ratios of the times of b and a; *faster: number of rounds in which
 * b took less time. The times of both are in the arena of a, which is compared with more programs
 * after b is gone. */
static bool run_rounds(program *a, program *b, int n, double *median, int *faster) {
    fv_contender *list[] = {&a->turns, &b->turns};
    double ratios[ROUNDS];
    a->turns.n = b->turns.n = 0;
    for (int i = 0; i < n; i++)
        if (!fv_rounds_run(a->c.arena, list, 2, i))
            return false;
    fv_rounds_ratios(&b->turns, &a->turns, n, ratios);
    *median = ratios[n / 2];
    for (*faster = 0; *faster < n && ratios[*faster] < 1;)
        ++*faster;
    return true;
}

static answer compare(search *s, program *p, program *base) {
    fv_contender *list[] = {&base->turns, &p->turns};
    int faster;
    if (!fv_rounds_begin(list, 2, TURN_MS) || !run_rounds(base, p, LOOKS, &s->ratio, &faster))
        return FAILED;
    if (s->ratio > WORTH)
        return NO;
    if (!run_rounds(base, p, ROUNDS, &s->ratio, &faster))
        return FAILED;
    return s->ratio <= WORTH && faster >= FASTER ? YES : NO;
}

/* ---- values ---- */

static void note_value(search *s, int value, answer is) {
    fv_calibration *t = s->t;
    t->tried++;
    fv_text_printf(&s->tried, "%s%d: %.3f", s->tried.n ? ", " : "", value, s->ratio);
    if (!t->list)
        return;
    json_t *o = json_object();
    fv_json_set_text(o, "property", s->of->property);
    fv_json_set_int(o, "value", value);
    fv_json_set_text(o, "model", s->of->name);
    fv_json_set(o, "ratio", fv_json_real(s->ratio));
    json_object_set_new(o, "kept", json_boolean(is == YES));
    fv_json_append(t->list, o);
}

/* Tries the remaining values of the property until a program with one is faster; that value becomes
 * the processor's. YES: one was faster; NO: no values are left, or no time. */
static answer try_values(search *s, program *base, program *none) {
    fv_processor *found = &s->t->found.processor;
    (void)none;
    while (s->next < s->of->n && fv_now_ms() + s->longest_ms < s->t->end_ms) {
        int value = s->of->values[s->next++];
        if (value == fv_property_get(found, s->property))
            continue;
        double start = fv_now_ms();
        fv_processor changed = *found;
        fv_property_set(&changed, s->property, value);
        fv_progress(s->t->c->args, "tries %s = %d, %.0f of %.0f s", s->of->property, value,
                    1e-3 * (start - s->t->begin_ms), s->t->c->args->bench.seconds);
        answer is = with_program(s, &changed, "other", compare, base);
        double took = fv_now_ms() - start;
        s->longest_ms = took > s->longest_ms ? took : s->longest_ms;
        if (is == FAILED)
            return FAILED;
        note_value(s, value, is);
        if (is == YES) {
            *found = changed;
            s->t->kept++;
            return YES;
        }
    }
    return NO;
}

static int property_of(const char *name) {
    int i = 0;
    while (i < FV_NPROPERTIES && strcmp(fv_property_at(i)->name, name))
        i++;
    return i;
}

static bool search_property(search *s, const choice *of) {
    fv_calibration *t = s->t;
    const fv_args *a = t->c->args;
    answer is = YES;
    s->of = of;
    s->next = 0;
    s->property = property_of(of->property);
    s->tried = (fv_text){.arena = t->c->arena};
    if (!fv_file_write(t->c->session, fv_printf(t->c->arena, "%s/model.fvir", s->folder), of->model,
                       strlen(of->model)))
        return false;
    while (is == YES)
        is = with_program(s, &t->found.processor, "base", try_values, NULL);
    t->untried += !s->tried.n;
    bool to_stdout = a->result.output && !strcmp(a->result.output, "-");
    if (!a->print.quiet && !a->print.json && !to_stdout && is != FAILED)
        fv_out("%-22s%d%s%s%s\n", of->property, fv_property_get(&t->found.processor, s->property),
               s->tried.n ? "    (" : "", s->tried.n ? s->tried.s : "", s->tried.n ? ")" : "");
    return is != FAILED;
}

/* Makes the file of weights: zeros, which take no space on the disk. */
static bool make_weights(search *s) {
    const char *path = fv_printf(s->t->c->arena, "%s/weights.bin", s->folder);
    FILE *f = fopen(path, "wb");
    bool ok = f && ftruncate(fileno(f), WEIGHT_BYTES) == 0;
    if (f && fclose(f))
        ok = false;
    return ok || fv_error(s->t->c->session, "cannot write '%s'", path);
}

bool fv_calibrate_properties(fv_calibration *t) {
    search s = {.t = t, .folder = fv_driver_temporary(t->c->session, t->c->arena)};
    if (!s.folder || !make_weights(&s))
        return false;
    for (int i = 0; i < NCHOICES; i++)
        if (fv_now_ms() + s.longest_ms >= t->end_ms)
            t->untried++;
        else if (!search_property(&s, &choices[i]))
            return false;
    return true;
}
