/* damage.c - loads a compiled library after bytes of its table were flipped. */
#include <criterion/criterion.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sample.h"
#include "tools/driver/driver.h"

static const char text[] = "fovea-ir 1\nmodule \"m\"\nsymbol n 0..100\nsymbol `a\\\\b` 1..9\n"
                           "func @main(%x: f32[n, 2], %other: f32[n, `a\\\\b`]) -> (%y, %z) {\n"
                           "  %y = Relu(%x) : f32[n, 2]\n  %z = Neg(%other)\n  return %y, %z\n}\n";
static char folder[] = "/tmp/fovea-damage-XXXXXX";
static char library[64], damaged[64];
static unsigned char *bytes;
static size_t size;

static void begin(void) {
    char model[64];
    cr_assert(mkdtemp(folder));
    setenv("FOVEA_CACHE_DIR", "", 1);
    snprintf(model, sizeof model, "%s/m.fvir", folder);
    snprintf(library, sizeof library, "%s/m.so", folder);
    snprintf(damaged, sizeof damaged, "%s/damaged.so", folder);
    FILE *f = fopen(model, "w");
    cr_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
    fv_log *log = fv_log_new();
    cr_assert_eq(fv_compile_file(model, library, NULL, log), FV_OK, "%s", fv_log_text(log));
    fv_log_free(log);
    f = fopen(library, "rb");
    cr_assert(f && fseek(f, 0, SEEK_END) == 0);
    size = (size_t)ftell(f);
    rewind(f);
    bytes = malloc(size);
    cr_assert(bytes && fread(bytes, 1, size, f) == size);
    fclose(f);
}

static void end(void) {
    char command[100];
    free(bytes);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(damage, .init = begin, .fini = end);

static const Elf64_Shdr *section(const char *name) {
    const Elf64_Ehdr *head = (const void *)bytes;
    const Elf64_Shdr *all = (const void *)(bytes + head->e_shoff);
    for (int i = 0; i < head->e_shnum; i++)
        if (!strcmp((const char *)bytes + all[head->e_shstrndx].sh_offset + all[i].sh_name, name))
            return &all[i];
    return NULL;
}

/* Everything that the table holds is read. */
static void read_all(const fv_model *m) {
    size_t n = m->name ? strlen(m->name) : 0;
    int64_t dims[2] = {3, 4}, v;
    for (int i = 0; i < m->nsymbols; i++)
        n += strlen(m->symbols[i].name);
    for (int i = 0; i < m->ninputs + m->noutputs; i++) {
        const fv_port_info *p = i < m->ninputs ? &m->inputs[i] : &m->outputs[i - m->ninputs];
        n += strlen(p->name);
        for (int k = 0; k < p->rank; k++)
            n += m->nsymbols <= 2 && fv_eval_dim_text(m, dims, p->dims[k], &v);
    }
    for (int i = 0; i < m->nlaunches; i++)
        n += strlen(m->launches[i].kernel) + strlen(m->launches[i].nodes);
    _exit(n > 0 ? 0 : 1);
}

/* 0: loads and can be read; 1: refused with a line; else what it died of. */
static int load(void) {
    FILE *f = fopen(damaged, "wb");
    cr_assert(f && fwrite(bytes, 1, size, f) == size && fclose(f) == 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        fv_artifact *a;
        fv_log *log = fv_log_new();
        int status = fv_load(damaged, log, &a);
        if (status == FV_OK)
            read_all(fv_artifact_model(a));
        _exit(status == FV_BAD_FILE && strstr(fv_log_text(log), "error: ") ? 1 : 2);
    }
    int how;
    cr_assert_eq(waitpid(child, &how, 0), child);
    return WIFEXITED(how) ? WEXITSTATUS(how) : 1000 + WTERMSIG(how);
}

static int flip(size_t at, unsigned char mask) {
    bytes[at] ^= mask;
    int how = load();
    cr_expect(how <= 1, "byte %zu ^ %#x: %d", at, mask, how);
    bytes[at] ^= mask;
    return how;
}

/* A number that is as plausible as the right one. */
Test(damage, bound) {
    const Elf64_Shdr *table = section(".data.rel.ro");
    const int64_t bound = 100;
    int found = 0;
    for (size_t i = 0; i + sizeof bound <= table->sh_size; i += sizeof bound)
        if (!memcmp(bytes + table->sh_offset + i, &bound, sizeof bound)) {
            cr_expect_eq(flip(table->sh_offset + i, 1), 1);
            found++;
        }
    cr_expect_eq(found, 1);
}

Test(damage, tables, .timeout = 900) {
    const Elf64_Shdr *table = section(".data.rel.ro"), *moves = section(".rela.dyn");
    unsigned seed = (unsigned)sample_seed(1);
    int refused = 0, loaded = 0;
    cr_assert(table && moves && bytes[EI_CLASS] == ELFCLASS64);
    cr_assert_eq(load(), 0);
    srand(seed);
    for (int i = 0; i < 150; i++) /* counts, types, ranks */
        *(flip(table->sh_offset + (size_t)rand() % table->sh_size, (unsigned char)(1 << rand() % 8))
              ? &refused
              : &loaded) += 1;
    const Elf64_Rela *all = (const void *)(bytes + moves->sh_offset);
    for (size_t i = 0; i < moves->sh_size / sizeof *all; i++) { /* pointers */
        bool in_table =
            all[i].r_offset >= table->sh_addr && all[i].r_offset < table->sh_addr + table->sh_size;
        size_t at = (size_t)((const unsigned char *)&all[i].r_addend - bytes);
        for (int k = 0; k < 8 && in_table; k++)
            *(flip(at + (size_t)k, (unsigned char)(1 << rand() % 8)) ? &refused : &loaded) += 1;
    }
    fprintf(stderr, "FV_SEED=%u: %d refused, %d loaded\n", seed, refused, loaded);
    cr_expect(refused > 50, "%d refused, %d loaded", refused, loaded);
}
