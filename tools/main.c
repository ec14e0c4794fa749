/* main.c - the fovea command: finds the subcommand. */
#include <stdio.h>
#include <string.h>

#include "ir/diag.h"
#include "tools/command.h"

const fv_command fv_commands[] = {
    {"test", "DIR...", "run folders in the ONNX backend-test layout", "--backend", fv_cmd_test, NULL},
    {0}};

static const fv_command *find(const char *name) {
    for (const fv_command *c = fv_commands; c->name; c++)
        if (!strcmp(c->name, name))
            return c;
    return NULL;
}

static int unknown(const char *name) {
    const char *names[32] = {0};
    for (int i = 0; fv_commands[i].name && i < 31; i++)
        names[i] = fv_commands[i].name;
    const char *near = fv_nearest(name, names);
    fprintf(stderr, "fovea: error: unknown command '%s'%s%s%s; see `fovea --help`\n", name,
            near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
    return FV_EXIT_USAGE;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: fovea COMMAND [OPTIONS] ...; see `fovea --help`\n");
        return FV_EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        const fv_command *c = argc > 2 ? find(argv[2]) : NULL;
        fv_print_help(c);
        return FV_EXIT_OK;
    }
    if (!strcmp(argv[1], "--version")) {
        printf("fovea %s\n", FV_VERSION);
        return FV_EXIT_OK;
    }
    const fv_command *c = find(argv[1]);
    if (!c)
        return unknown(argv[1]);
    static fv_args args; /* large; set once, here */
    int status = fv_args_parse(&args, c, argc - 2, argv + 2);
    if (status)
        return status;
    if (args.help) {
        fv_print_help(c);
        return FV_EXIT_OK;
    }
    return c->run(&args);
}
