/* help.c - the texts that `fovea --help` and `fovea COMMAND --help` print. */
#include <stdio.h>

#include "tools/command/option.h"

const char fv_help_models[] = "A model is an ONNX file, graph IR text, or the text of kernels and "
                              "their program; `-` is\nstandard input.\n";

const fv_help_row fv_help_statuses[] = {
    {"0", "success"},
    {"1", "an error in the model or the data, or a difference that a comparison found"},
    {"2", "an error in the command line"},
    {"3", "an internal error of Fovea"},
    {0}};

const fv_help_row fv_help_variables[] = {
    {"FOVEA_FLAGS", "options for every use; those that a command does not take are ignored"},
    {"FOVEA_NUM_THREADS", "the default of --threads"},
    {"FOVEA_CACHE_DIR",
     "folder where compiled models are kept (~/.cache/fovea); if empty, none are kept"},
    {"FOVEA_CACHE_SIZE", "largest size of that folder (5G)"},
    {"FOVEA_PROCESSOR", "file with the profile of this machine, which `fovea calibrate` writes "
                        "(~/.config/fovea/processor)"},
    {"NO_COLOR", "messages have no colours if it is set and not empty"},
    {0}};

static void print_options(const fv_command *c, bool common) {
    const fv_option *o;
    for (int i = 0; (o = fv_option_at(i)); i++) {
        char left[64];
        if (o->common != common || !fv_option_taken(c, o))
            continue;
        snprintf(left, sizeof left, "%s%s%s%s%s", o->brief ? o->brief : "", o->brief ? ", " : "",
                 o->name, o->value && o->kind != FV_OPTION_LEVEL ? "=" : "",
                 o->value ? o->value : "");
        fv_out("  %-20s %s", left, o->doc ? o->doc : "");
        for (const char *const *name = o->names ? o->names() : NULL; name && *name; name++)
            fv_out("%s%s", name == o->names() ? "" : ", ", *name);
        fv_out("\n");
    }
}

static void print_rows(const char *title, const fv_help_row *r) {
    fv_out("\n%s:\n", title);
    for (; r->name; r++)
        fv_out("  %-*s %s\n", r->name[1] ? 17 : 1, r->name, r->doc);
}

static void print_commands(void) {
    fv_out("usage: fovea COMMAND [OPTIONS] ...\n\ncommands:\n");
    for (const fv_command *k = fv_commands; k->name; k++)
        fv_out("  %-9s %s\n", k->name, k->doc);
    fv_out("\n");
    fv_put_text(stdout, fv_help_models);
    print_rows("exit status", fv_help_statuses);
    print_rows("environment", fv_help_variables);
    fv_out("\n`fovea COMMAND --help` tells more; `fovea --version` prints the version, and\n"
           "`fovea --manual [COMMAND]` a manual page; `fovea --complete WORD...` is for shells.\n");
}

void fv_print_help(const fv_command *c) {
    if (!c) {
        print_commands();
        return;
    }
    fv_out("usage: fovea %s %s%s[OPTIONS]\n\n%s\n", c->name, c->operands, *c->operands ? " " : "",
           c->doc);
    if (c->options && *c->options) {
        fv_out("\noptions:\n");
        print_options(c, false);
    }
    fv_out("\ncommon options:\n");
    print_options(c, true);
    if (c->more) {
        fv_out("\n");
        fv_put_text(stdout, c->more);
    }
}
