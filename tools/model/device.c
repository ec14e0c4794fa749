/* device.c - see device.h.
 *
 * The C of the model is compiled by the toolchain of the target, if that is installed: the sections
 * of the object have the sizes of code and tables, and GCC writes the calls and the frame of each
 * function (-fcallgraph-info=su), whose longest chain is the stack. Otherwise instructions are
 * counted in the kernels. */
#include "tools/model/device.h"

#include <elf.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/consumer/weights.h"
#include "backend/cost/instructions.h"
#include "backend/cost/predict.h"
#include "backend/expand/expand.h"
#include "ir/base/mapping.h"
#include "ir/base/staging.h"
#include "tools/command/child.h"

/* ---- estimates ---- */

/* Within 10% of what arm-none-eabi-gcc -O2 makes of four models for Cortex-M4. INSTRUCTION_BYTES:
 * bytes of code for each instruction that the cost model counts, which leaves out addresses and
 * edges of tiles. HOST_BYTES: bytes of the code around kernels. FRAME_BYTES: bytes of stack frames
 * besides tiles in memory. */
enum { INSTRUCTION_BYTES = 7, HOST_BYTES = 2000, FRAME_BYTES = 400, TABLE_BYTES = 288 };

static void count_block(fv_instruction_counter *counter, const fv_block *b, fv_instructions *sum,
                        int64_t *tiles) {
    for (const fv_stmt *s = b->first; s; s = s->next) {
        fv_count_instructions(counter, s, sum, sum);
        if (s->kind == FV_S_TILE && !fv_is_in_registers(counter, s->buf)) {
            int64_t n = fv_elem_storage_bytes(s->buf->elem) * (s->buf->lanes ? s->buf->lanes : 1);
            int64_t extent;
            for (int i = 0; i < s->buf->rank; i++)
                n *= fv_x_is_int(s->buf->extent[i], &extent) ? extent : 1;
            *tiles += n;
        }
        count_block(counter, &s->body, sum, tiles);
        count_block(counter, &s->other, sum, tiles);
    }
}

static void estimate(fv_context *c, const fv_program *p, fv_device *d) {
    d->code = HOST_BYTES;
    d->stack = 0;
    d->tables = TABLE_BYTES;
    for (int i = 0; i < p->nkernels; i++) {
        fv_instruction_counter counter =
            fv_instruction_counter_new(c->arena, p->target, p->kernels[i]);
        fv_instructions n = {0};
        int64_t tiles = 0;
        count_block(&counter, &p->kernels[i]->body, &n, &tiles);
        d->code += INSTRUCTION_BYTES *
                   (int64_t)(n.vectors + n.loads + n.stores + n.integers + n.divisions + n.roots);
        d->stack = tiles > d->stack ? tiles : d->stack;
    }
    d->stack += FRAME_BYTES;
}

static void predict(fv_context *c, const fv_program *p, const int64_t *dims, fv_device *d) {
    fv_launch_cost *list;
    int n = fv_cost_launches(c->arena, p, &list);
    fv_prediction *predicted = FV_NEW(c->arena, fv_prediction, n + 1);
    fv_speeds speeds = fv_speeds_of(p->target);
    fv_cost_evaluate(c->arena, p, dims, n, list);
    fv_predict_launches(c->arena, p, dims, &speeds, 1, n, list, predicted);
    bool known = true;
    for (int i = 0; i < n; i++) {
        known = known && list[i].known && predicted[i].known;
        d->operations += list[i].cost.flops;
        d->cycles += 1e6 * predicted[i].ms * speeds.ghz;
    }
    d->cycles = known ? floor(d->cycles) : 0;
}

/* ---- the object of a C compiler ---- */

/* Adds up the sections of an object of 32 bits. False: the file is none. */
static bool read_sections(fv_context *c, const char *path, fv_device *d) {
    const char *why;
    const fv_mapping *f = fv_map_file(c->session, c->arena, path, O_NONBLOCK, &why);
    const Elf32_Ehdr *h = f ? f->start : NULL;
    if (!h || f->size < sizeof *h || memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 ||
        h->e_ident[EI_CLASS] != ELFCLASS32 || h->e_shoff > f->size ||
        (f->size - h->e_shoff) / sizeof(Elf32_Shdr) < h->e_shnum)
        return false;
    d->code = d->tables = 0;
    for (int i = 0; i < h->e_shnum; i++) {
        Elf32_Shdr s;
        memcpy(&s, (const char *)f->start + h->e_shoff + (size_t)i * sizeof s, sizeof s);
        if ((s.sh_flags & SHF_ALLOC) && s.sh_type != SHT_NOBITS)
            *(s.sh_flags & SHF_EXECINSTR ? &d->code : &d->tables) += s.sh_size;
    }
    if (!FV_HAVE_ELF) /* the object contains the weights as well, which are counted apart */
        d->tables -= d->weights;
    return true;
}

/* A function and the functions that it calls, from a file of -fcallgraph-info. */
typedef struct function {
    const char *name;
    bool seen;              /* whether the file says how many bytes its frame has */
    int64_t frame, deepest; /* deepest: -1: not known yet, -2: it is being found */
    int *calls;
    int ncalls, cap;
} function;

typedef struct functions {
    fv_arena *arena;
    function *all;
    int n, cap, indirect;
} functions;

static int function_of(functions *f, const char *name) {
    for (int i = 0; i < f->n; i++)
        if (!strcmp(f->all[i].name, name))
            return i;
    FV_PUSH(f->arena, f->all, f->n, f->cap, ((function){.name = name, .deepest = -1}));
    return f->n - 1;
}

/* The text in quotes that follows `key` in the line; NULL: there is none. */
static const char *quoted_after(fv_arena *a, const char *line, const char *key) {
    const char *at = strstr(line, key);
    at = at ? strchr(at, '"') : NULL;
    return at ? fv_strndup(a, at + 1, strcspn(at + 1, "\"")) : NULL;
}

static void read_call_line(functions *f, const char *line) {
    const char *title = quoted_after(f->arena, line, "title:"),
               *from = quoted_after(f->arena, line, "sourcename:"),
               *to = quoted_after(f->arena, line, "targetname:"),
               *label = quoted_after(f->arena, line, "label:");
    if (!strncmp(line, "node:", 5) && title && label) {
        const char *bytes = strstr(label, " bytes (");
        while (bytes && bytes > label && bytes[-1] >= '0' && bytes[-1] <= '9')
            bytes--;
        int i = function_of(f, title);
        f->all[i].frame = bytes ? atoll(bytes) : 0;
        f->all[i].seen = bytes != NULL;
    } else if (!strncmp(line, "edge:", 5) && from && to) {
        int called = function_of(f, to), i = function_of(f, from);
        function *x = &f->all[i];
        FV_PUSH(f->arena, x->calls, x->ncalls, x->cap, called);
    }
}

/* The bytes of the stack from the function on. A pointer may call any function. */
static int64_t deepest(functions *f, int i) {
    int64_t most = 0;
    if (f->all[i].deepest >= 0)
        return f->all[i].deepest;
    if (f->all[i].deepest == -2)
        return 0;
    f->all[i].deepest = -2;
    int n = i == f->indirect ? f->n : f->all[i].ncalls;
    for (int k = 0; k < n; k++) {
        int64_t below = deepest(f, i == f->indirect ? k : f->all[i].calls[k]);
        most = below > most ? below : most;
    }
    f->all[i].deepest = f->all[i].frame + most;
    return f->all[i].deepest;
}

/* Finds the stack that the function `from` takes. False: the file does not say it. */
static bool read_calls(fv_context *c, const char *path, const char *from, fv_device *d) {
    functions f = {.arena = c->arena};
    const char *why;
    const fv_mapping *file = fv_map_file(c->session, c->arena, path, O_NONBLOCK, &why);
    if (!file || !file->start)
        return false;
    const char *text = fv_strndup(c->arena, file->start, file->size);
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        read_call_line(&f, fv_strndup(c->arena, line, n));
        line += n + (line[n] == '\n');
    }
    f.indirect = function_of(&f, "__indirect_call");
    int first = function_of(&f, from);
    d->stack = deepest(&f, first);
    return f.all[first].seen;
}

static const char *in(fv_context *c, const char *folder, const char *name) {
    return fv_printf(c->arena, "%s/%s", folder, name);
}

/* The words of the command that compiles model.c of the folder. */
static const char *const *command_of(fv_context *c, const fv_program *p, const char *compiler,
                                     const char *folder) {
    const char **words = NULL;
    int n = 0, cap = 0;
    const char *const first[] = {"env",
                                 compiler,
                                 "-std=c99",
                                 "-ffreestanding",
                                 c->args->code.level == 's' ? "-Os" : "-O2",
                                 "-fcallgraph-info=su",
                                 "-c",
                                 in(c, folder, "model.c"),
                                 "-o",
                                 in(c, folder, "model.o")};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        FV_PUSH(c->arena, words, n, cap, first[i]);
    for (const char *at = p->target->c.flags; *at;) {
        size_t length = strcspn(at, " ");
        FV_PUSH(c->arena, words, n, cap, fv_strndup(c->arena, at, length));
        at += length + strspn(at + length, " ");
    }
    FV_PUSH(c->arena, words, n, cap, NULL);
    return words;
}

enum { NOT_FOUND = 127 };

/* Replaces the estimates by what the object of the target's compiler has, if there is one. */
static void measure(fv_context *c, fv_program *p, fv_device *d) {
    const char *compiler = fv_printf(c->arena, "%sgcc", p->target->c.tools);
    const char *folder = fv_staging_elsewhere(c->arena);
    fv_device measured = *d;
    fv_write_options o = {.level = c->args->code.level,
                          .weights = FV_HAVE_ELF ? FV_WEIGHTS_OBJECT : FV_WEIGHTS_TEXT};
    if (!folder) {
        fv_note(c, "no temporary folder can be made: sizes are estimates");
        return;
    }
    if (!fv_driver_write(c->session, p, FV_EMIT_C, in(c, folder, "model.c"), &o))
        return;
    int status =
        fv_child_run(c, "/usr/bin/env", command_of(c, p, compiler, folder), in(c, folder, "said"));
    if (status == NOT_FOUND)
        return;
    const char *run = fv_printf(c->arena, "%s_run", p->name);
    measured.compiler = compiler;
    if (status)
        fv_note(c, "%s refuses the options of target %s: sizes are estimates", compiler,
                p->target->name);
    else if (!read_sections(c, in(c, folder, "model.o"), &measured) ||
             !read_calls(c, in(c, folder, "model.ci"), run, &measured))
        fv_note(c, "what %s wrote does not say its sizes: they are estimates", compiler);
    else
        *d = measured;
}

/* The bytes of all constants as C text aligns them: to a vector or a word (--weights=text, the
 * default of models of up to 1 MiB; other kinds align them to 64). */
static int64_t weights_of(const fv_program *p) {
    enum { WORD = 4 };
    const size_t vector = (size_t)p->target->vector_bits / 8, step = vector > WORD ? vector : WORD;
    size_t bytes = 0;
    for (int i = 0; i < p->memory.nconstants; i++)
        bytes += (p->memory.constants[i].bytes + step - 1) / step * step;
    return (int64_t)bytes;
}

bool fv_device_of(fv_context *c, fv_program *p, const int64_t *dims, fv_device *out) {
    size_t workspace;
    *out = (fv_device){.weights = weights_of(p)};
    predict(c, p, dims, out);
    fv_program_expand(p);
    estimate(c, p, out);
    int status = fv_driver_plan(p, dims, &workspace, NULL);
    if (status == FV_NO_MEMORY)
        fv_out_of_memory(c->session);
    if (status != FV_OK)
        return false;
    out->workspace = (int64_t)workspace;
    measure(c, p, out);
    return !fv_error_count(c->session);
}
