/* args.c - the arguments of all subcommands: one table of options. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/diag.h"
#include "tools/command.h"

typedef enum { FLAG, TEXT, NUMBER, REAL, DIMS, INPUTS, LEVEL, COUNT } kind;

typedef struct option {
    const char *name;  /* "--target" */
    const char *brief; /* "-o", or NULL */
    kind kind;
    size_t offset;
    const char *value; /* as help shows it: "N" */
    const char *doc;
    bool common;
} option;

#define AT(member) offsetof(fv_args, member)
static const option options[] = {
    {"--output", "-o", TEXT, AT(output), "OUT", "where the result goes; the suffix tells the kind", false},
    {"--emit", NULL, TEXT, AT(emit), "KIND", "what to write: so obj lib c llvm asm ir kernels", false},
    {"--name", NULL, TEXT, AT(name), "P", "prefix of every name in the result", false},
    {"--backend", NULL, TEXT, AT(backend), "B", "jit, c, interp; several with commas", false},
    {"--passes", NULL, TEXT, AT(passes), "A,B", "run these passes instead of a level's", false},
    {"--list-passes", NULL, FLAG, AT(list_passes), NULL, "list the passes", false},
    {"--dump-after", NULL, TEXT, AT(dump_after), "PASS", "print the graph after that pass", false},
    {"--input", NULL, INPUTS, AT(inputs), "N=F", "input N from a .npy or .pb file", false},
    {"--data-set", NULL, TEXT, AT(data_set), "DIR", "inputs from input_0.pb ... in DIR", false},
    {"--expect", NULL, TEXT, AT(expect), "DIR", "compare with output_0.pb ... in DIR", false},
    {"--ops", NULL, FLAG, AT(ops), NULL, "the operators, and what became of them", false},
    {"--memory", NULL, FLAG, AT(memory), NULL, "buffers and workspace", false},
    {"--schedules", NULL, FLAG, AT(schedules), NULL, "kernels and how they are scheduled", false},
    {"--target", NULL, TEXT, AT(target), "T", "x86-64-v2, -v3, -v4, native, aarch64, riscv64, cortex-m4, generic", true},
    {"--dim", NULL, DIMS, AT(dims), "S=N|LO..HI", "fix or bound a dim; also INPUT:AXIS=N", true},
    {"--threads", NULL, NUMBER, AT(threads), "N", "threads to run with", true},
    {"-O", NULL, LEVEL, AT(level), "N", "optimise: -O0 to -O3, -Os", true},
    {"--schedule", NULL, TEXT, AT(schedule), "naive", "lower each op alone, as serial loops", true},
    {"--atol", NULL, REAL, AT(atol), "X", "absolute tolerance of comparisons", true},
    {"--rtol", NULL, REAL, AT(rtol), "X", "relative tolerance of comparisons", true},
    {"--verify", NULL, FLAG, AT(verify), NULL, "check the IR after every pass", true},
    {"--json", NULL, FLAG, AT(json), NULL, "one JSON document on standard output", true},
    {"--quiet", "-q", FLAG, AT(quiet), NULL, "errors only", true},
    {"--verbose", "-v", COUNT, AT(verbose), NULL, "say more", true},
    {"--color", NULL, TEXT, AT(color), "WHEN", "auto, always, never", true},
    {"--help", "-h", FLAG, AT(help), NULL, "this text", true},
};
enum { NOPTIONS = sizeof options / sizeof *options };

/* Is the option one of the subcommand's? Its list is words separated by spaces. */
static bool takes(const fv_command *c, const option *o) {
    if (o->common)
        return true;
    size_t n = strlen(o->name);
    for (const char *p = c->options; p && (p = strstr(p, o->name)); p += n)
        if (p[n] == ' ' || !p[n])
            return true;
    return false;
}

static int usage(const fv_command *c, const char *format, const char *what) {
    fprintf(stderr, "fovea %s: error: ", c->name);
    fprintf(stderr, format, what);
    fprintf(stderr, "; see `fovea %s --help`\n", c->name);
    return FV_EXIT_USAGE;
}

static int unknown(const fv_command *c, const char *arg) {
    const char *names[NOPTIONS + 1];
    int n = 0;
    char word[256];
    snprintf(word, sizeof word, "%.*s", (int)strcspn(arg, "="), arg);
    for (int i = 0; i < NOPTIONS; i++)
        if (takes(c, &options[i]))
            names[n++] = options[i].name;
    names[n] = NULL;
    const char *near = fv_nearest(word, names);
    if (near)
        fprintf(stderr, "fovea %s: error: unknown option %s; did you mean %s?\n", c->name, word, near);
    else
        fprintf(stderr, "fovea %s: error: unknown option %s; see `fovea %s --help`\n", c->name, word,
                c->name);
    return FV_EXIT_USAGE;
}

static int set_value(fv_args *a, const fv_command *c, const option *o, const char *value) {
    char *end;
    char *at = (char *)a + o->offset;
    errno = 0;
    switch (o->kind) {
    case TEXT: *(const char **)(void *)at = value; break;
    case NUMBER: {
        long v = strtol(value, &end, 10);
        if (*end || !*value || v < 0 || v > 4096)
            return usage(c, "'%s' is no number of that kind", value);
        *(int *)(void *)at = (int)v;
        break;
    }
    case REAL: {
        double v = strtod(value, &end);
        if (*end || !*value || !(v >= 0))
            return usage(c, "'%s' is no tolerance", value);
        *(double *)(void *)at = v;
        break;
    }
    case DIMS:
        if (a->ndims == FV_MAX_DIM_ARGS)
            return usage(c, "too many --dim at '%s'", value);
        a->dims[a->ndims++] = value;
        break;
    case INPUTS:
        if (a->ninputs == FV_MAX_DIM_ARGS)
            return usage(c, "too many --input at '%s'", value);
        a->inputs[a->ninputs++] = value;
        break;
    case LEVEL:
        if (strlen(value) != 1 || !strchr("0123s", *value))
            return usage(c, "there is no level -O%s", value);
        a->level = *value;
        break;
    case FLAG:
    case COUNT: break;
    }
    return FV_EXIT_OK;
}

static int parse_one(fv_args *a, const fv_command *c, int argc, char **argv, int *i) {
    const char *arg = argv[*i];
    for (int k = 0; k < NOPTIONS; k++) {
        const option *o = &options[k];
        size_t n = strlen(o->name);
        if (!takes(c, o))
            continue;
        if (o->kind == LEVEL && !strncmp(arg, "-O", 2) && strlen(arg) == 3)
            return set_value(a, c, o, arg + 2);
        bool brief = o->brief && !strcmp(arg, o->brief), whole = !strcmp(arg, o->name);
        if (o->kind == FLAG || o->kind == COUNT) {
            if (!brief && !whole)
                continue;
            if (o->kind == FLAG)
                *(bool *)((char *)a + o->offset) = true;
            else
                ++*(int *)(void *)((char *)a + o->offset);
            return FV_EXIT_OK;
        }
        if (!strncmp(arg, o->name, n) && arg[n] == '=')
            return set_value(a, c, o, arg + n + 1);
        if (!brief && !whole)
            continue;
        if (*i + 1 >= argc)
            return usage(c, "%s needs a value", arg);
        return set_value(a, c, o, argv[++*i]);
    }
    return unknown(c, arg);
}

int fv_args_parse(fv_args *a, const fv_command *c, int argc, char **argv) {
    *a = (fv_args){.command = c->name, .atol = 1e-4, .rtol = 1e-4, .level = '2'};
    bool options_end = false;
    for (int i = 0; i < argc; i++) {
        if (!options_end && !strcmp(argv[i], "--")) {
            options_end = true;
            continue;
        }
        if (options_end || argv[i][0] != '-' || !argv[i][1]) {
            if (a->n == FV_MAX_OPERANDS_ARGS)
                return usage(c, "too many operands at '%s'", argv[i]);
            a->operand[a->n++] = argv[i];
            continue;
        }
        int status = parse_one(a, c, argc, argv, &i);
        if (status)
            return status;
    }
    if (a->schedule && strcmp(a->schedule, "naive") && strcmp(a->schedule, "default"))
        return usage(c, "there is no schedule '%s'", a->schedule);
    return FV_EXIT_OK;
}

static void print_options(const fv_command *c, bool common) {
    for (int i = 0; i < NOPTIONS; i++) {
        const option *o = &options[i];
        char left[64];
        if (o->common != common || !takes(c, o))
            continue;
        snprintf(left, sizeof left, "%s%s%s%s%s", o->brief ? o->brief : "", o->brief ? ", " : "",
                 o->name, o->value && o->kind != LEVEL ? "=" : "", o->value ? o->value : "");
        printf("  %-24s %s\n", left, o->doc);
    }
}

void fv_print_help(const fv_command *c) {
    if (!c) {
        printf("usage: fovea COMMAND [OPTIONS] ...\n\ncommands:\n");
        for (const fv_command *k = fv_commands; k->name; k++)
            printf("  %-10s %s\n", k->name, k->doc);
        printf("\n`fovea COMMAND --help` tells more; `fovea --version` prints the version.\n");
        return;
    }
    printf("usage: fovea %s %s [OPTIONS]\n\n%s\n", c->name, c->operands, c->doc);
    if (c->options && *c->options) {
        printf("\noptions:\n");
        print_options(c, false);
    }
    printf("\ncommon options:\n");
    print_options(c, true);
    if (c->examples)
        printf("\nexamples:\n%s", c->examples);
}

/* ---- what the arguments mean ---- */

bool fv_args_driver(const fv_args *a, fv_driver_options *o, bool native) {
    const char *name = a->target ? a->target : native ? "native" : NULL;
    *o = (fv_driver_options){.dims = a->dims, .level = a->level, .name = a->name,
                             .naive = a->schedule && !strcmp(a->schedule, "naive")};
    o->target = name ? fv_target_find(name) : fv_target_baseline();
    if (!name && o->target && !strncmp(o->target->name, "x86-64", 6))
        o->target = fv_target_find("x86-64-v3");
    if (o->target)
        return true;
    const char *near = fv_nearest(name, fv_target_names());
    fprintf(stderr, "fovea %s: error: there is no target '%s'%s%s%s\n", a->command, name,
            near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return false;
}

static const char *const backend_names[] = {"jit", "interp", "c", NULL};

const char *fv_backend_name(fv_backend_kind b) {
    return backend_names[b];
}

int fv_args_backends(const fv_args *a, const char *otherwise, fv_backend_kind *out) {
    const char *s = a->backend ? a->backend : otherwise;
    int n = 0;
    while (*s && n < 3) {
        size_t len = strcspn(s, ",");
        int k = 0;
        while (backend_names[k] && (strlen(backend_names[k]) != len || strncmp(backend_names[k], s, len)))
            k++;
        if (!backend_names[k]) {
            fprintf(stderr, "fovea %s: error: there is no backend '%.*s'; expected jit, c or interp\n",
                    a->command, (int)len, s);
            return 0;
        }
        out[n++] = (fv_backend_kind)k;
        s += len + (s[len] == ',');
    }
    return n;
}

void fv_print_messages(fv_session *s, const fv_args *a) {
    fv_arena *arena = fv_arena_new(s);
    for (const fv_message *m = fv_messages(s); m; m = m->next)
        if (!a->quiet || m->severity == FV_ERROR)
            fprintf(stderr, "%s\n", fv_message_str(arena, m));
    fv_arena_free(arena);
}
