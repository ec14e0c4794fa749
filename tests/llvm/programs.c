/* programs.c - see programs.h. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/expand/expand.h"
#include "ir/base/text.h"
#include "ir/kernel/parse.h"
#include "tests/llvm/programs.h"

const char *const rows_text =
    "fovea-program 1\n"
    "name rows\n"
    "target \"%s\"\n"
    "source \"5ca1ab1e\"\n"
    "producer \"test\"\n"
    "symbol n as n in 0..1000\n"
    "plan {\n"
    "}\n"
    "workspace 0\n"
    "constant \"pad\" hex \"2a\"\n"
    "constant \"w\" hex \"0000803f0000004000004040000080400000a0400000c0400000e04000000041\"\n"
    "buffer x: f32[n, 8] input 0\n"
    "buffer w: f32[8] const 1\n"
    "buffer y: f32[n, 8] output 0\n"
    "input x = \"x\" as x: f32[n, 8] extents [n, 8]\n"
    "output y = \"y\" as y: f32[n, 8] extents [n, 8]\n"
    "kernel row_0(X: f32[n, 8], W: f32[8], out Y: f32[n, 8]; n in 0..1000) task t < n {\n"
    "  for j < 8 {\n"
    "    Y[t, j] = max(X[t, j] * 2.0 + W[j], 0.0)\n"
    "  }\n"
    "}\n"
    "run {\n"
    "  launch row_0(x, w, y; n)\n"
    "}\n";

bench bench_open(const char *text, const char *target) {
    bench b = {.s = fv_session_new()};
    b.a = fv_arena_new(b.s);
    const char *at = strstr(text, "%s");
    const char *whole = text;
    if (at)
        whole = fv_printf(b.a, "%.*s%s%s", (int)(at - text), text, target, at + 2);
    b.p = fv_program_parse(b.a, whole, NULL);
    cr_assert(b.p, "%s", said(&b));
    fv_program_expand(b.p);
    return b;
}

void bench_close(bench *b) {
    fv_session_free(b->s);
}

const char *said(const bench *b) {
    fv_text t = {.arena = b->a};
    fv_text_put(&t, "");
    for (const fv_message *m = fv_messages(b->s); m; m = m->next)
        fv_text_printf(&t, "%s\n", fv_message_str(b->a, m));
    return t.s;
}

bool has_tool(const char *name) {
    char command[200];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", name);
    return system(command) == 0;
}

const char *new_folder(fv_arena *a) {
    const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    char *folder = fv_printf(a, "%s/fv-llvm-XXXXXX", tmp);
    cr_assert(mkdtemp(folder));
    return folder;
}

void remove_folder(const char *folder) {
    shell("rm -rf '%s'", folder);
}

bool shell(const char *format, ...) {
    va_list args;
    va_start(args, format);
    char command[4000];
    int n = vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return n < (int)sizeof command && system(command) == 0;
}

static void list_undefined(Elf *e, Elf_Scn *scn, const GElf_Shdr *h, fv_text *t) {
    Elf_Data *d = elf_getdata(scn, NULL);
    for (int i = 1; d && i < (int)(h->sh_size / h->sh_entsize); i++) {
        GElf_Sym s;
        if (gelf_getsym(d, i, &s) && s.st_shndx == SHN_UNDEF)
            fv_text_printf(t, "%s ", elf_strptr(e, h->sh_link, s.st_name));
    }
}

const char *undefined_symbols(fv_arena *a, const char *path) {
    fv_text t = {.arena = a};
    GElf_Shdr h;
    fv_text_put(&t, "");
    elf_version(EV_CURRENT);
    int fd = open(path, O_RDONLY);
    Elf *e = fd >= 0 ? elf_begin(fd, ELF_C_READ, NULL) : NULL;
    bool is_elf = e && elf_kind(e) == ELF_K_ELF;
    for (Elf_Scn *scn = NULL; is_elf && (scn = elf_nextscn(e, scn));)
        if (gelf_getshdr(scn, &h) && (h.sh_type == SHT_SYMTAB || h.sh_type == SHT_DYNSYM))
            list_undefined(e, scn, &h, &t);
    if (e)
        elf_end(e);
    if (fd >= 0)
        close(fd);
    return is_elf ? t.s : NULL;
}
