/* weights_elf.c - writes weights as an ELF object, with libelf. Targets differ only in class,
 * machine and flags. */
#include "backend/consumer/weights.h"

#include <string.h>

fv_weights_object fv_weights_object_of(fv_arena *a, const fv_program *p) {
    return (fv_weights_object){p, fv_printf(a, ".rodata.%s", p->name),
                               fv_printf(a, "%s_weights", p->name), false};
}

#if FV_HAVE_ELF
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <unistd.h>

/* ---- targets ---- */

static const struct machine {
    fv_isa isa;
    int pointer_bits, class;
    GElf_Half machine;
    GElf_Word flags;
} machines[] = {
    {FV_ISA_X86, 64, ELFCLASS64, EM_X86_64, 0},
    {FV_ISA_AARCH64, 64, ELFCLASS64, EM_AARCH64, 0},
    {FV_ISA_RISCV, 64, ELFCLASS64, EM_RISCV, EF_RISCV_RVC | EF_RISCV_FLOAT_ABI_DOUBLE},
    {FV_ISA_RISCV, 32, ELFCLASS32, EM_RISCV, EF_RISCV_RVC},
    {FV_ISA_CORTEX_M, 32, ELFCLASS32, EM_ARM, EF_ARM_EABI_VER5},
};

/* The target generic is C for any machine; its objects are for this machine. */
static const struct machine *machine_of(const fv_target *t) {
    fv_isa isa = t->isa == FV_ISA_PORTABLE ? fv_isa_here() : t->isa;
    if (t->system != FV_SYSTEM_ELF)
        return NULL;
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++)
        if (machines[i].isa == isa && machines[i].pointer_bits == t->pointer_bits)
            return &machines[i];
    return NULL;
}

bool fv_weights_has_object(const fv_target *t) {
    return machine_of(t) != NULL;
}

/* ---- sections ---- */

/* The data of all sections except the weights: names, and two symbols. */
typedef struct tables {
    char section_names[512], symbol_names[300];
    GElf_Word weights, symtab, strtab, shstrtab, stack; /* offsets of the names in section_names */
    unsigned char symbols[2 * sizeof(Elf64_Sym)];
} tables;

static GElf_Word add_name(char *names, size_t *n, const char *name) {
    size_t at = *n, length = strlen(name) + 1;
    memcpy(names + at, name, length);
    *n += length;
    return (GElf_Word)at;
}

static Elf_Data *add_data(Elf_Scn *scn, const void *data, size_t bytes, Elf_Type type,
                          size_t align) {
    Elf_Data *d = elf_newdata(scn);
    if (!d)
        return NULL;
    d->d_buf = (void *)(uintptr_t)data; /* libelf only reads it */
    d->d_size = bytes;
    d->d_align = align;
    d->d_type = type;
    d->d_version = EV_CURRENT;
    return d;
}

static bool set_header(Elf_Scn *scn, GElf_Shdr h) {
    GElf_Shdr now;
    if (!scn || !gelf_getshdr(scn, &now))
        return false;
    now.sh_name = h.sh_name;
    now.sh_type = h.sh_type;
    now.sh_flags = h.sh_flags;
    now.sh_link = h.sh_link;
    now.sh_info = h.sh_info;
    now.sh_addralign = h.sh_addralign;
    now.sh_entsize = h.sh_entsize;
    return gelf_update_shdr(scn, &now) != 0;
}

enum { WEIGHTS = 1, SYMTAB, STRTAB, STACK, SHSTRTAB }; /* numbers of the sections */

static bool add_weights(Elf *elf, const tables *t, const fv_program *p) {
    Elf_Scn *scn = elf_newscn(elf);
    for (int i = 0; scn && i < p->memory.nconstants; i++)
        if (p->memory.constants[i].bytes &&
            !add_data(scn, fv_constant_data(&p->memory.constants[i]), p->memory.constants[i].bytes,
                      ELF_T_BYTE, FV_WEIGHTS_ALIGN))
            return false;
    return set_header(scn, (GElf_Shdr){.sh_name = t->weights,
                                       .sh_type = SHT_PROGBITS,
                                       .sh_flags = SHF_ALLOC,
                                       .sh_addralign = FV_WEIGHTS_ALIGN});
}

static size_t size_of(const fv_program *p) {
    int last = p->memory.nconstants - 1;
    return last < 0 ? 0 : fv_weights_at(p, last) + p->memory.constants[last].bytes;
}

static bool add_symbols(Elf *elf, tables *t, int class, const fv_weights_object *o) {
    size_t entry = class == ELFCLASS64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
    Elf_Scn *scn = elf_newscn(elf);
    Elf_Data *d = scn ? add_data(scn, t->symbols, 2 * entry, ELF_T_SYM, 8) : NULL;
    GElf_Sym none = {0}, weights = {.st_name = 1,
                                    .st_info = GELF_ST_INFO(STB_GLOBAL, STT_OBJECT),
                                    .st_other = o->hidden ? STV_HIDDEN : STV_DEFAULT,
                                    .st_shndx = WEIGHTS,
                                    .st_size = size_of(o->program)};
    return d && gelf_update_sym(d, 0, &none) && gelf_update_sym(d, 1, &weights) &&
           set_header(scn, (GElf_Shdr){.sh_name = t->symtab,
                                       .sh_type = SHT_SYMTAB,
                                       .sh_link = STRTAB,
                                       .sh_info = 1,
                                       .sh_addralign = 8,
                                       .sh_entsize = entry});
}

static bool add_strings(Elf *elf, GElf_Word name, const char *strings, size_t bytes) {
    Elf_Scn *scn = elf_newscn(elf);
    return scn && add_data(scn, strings, bytes, ELF_T_BYTE, 1) &&
           set_header(scn, (GElf_Shdr){.sh_name = name, .sh_type = SHT_STRTAB, .sh_addralign = 1});
}

/* Adds the section which says that no executable stack is needed. */
static bool add_stack_note(Elf *elf, const tables *t) {
    return set_header(elf_newscn(elf),
                      (GElf_Shdr){.sh_name = t->stack, .sh_type = SHT_PROGBITS, .sh_addralign = 1});
}

static bool add_elf_header(Elf *elf, const struct machine *m, const fv_target *target) {
    GElf_Ehdr h;
    if (!gelf_newehdr(elf, m->class) || !gelf_getehdr(elf, &h))
        return false;
    h.e_ident[EI_DATA] = ELFDATA2LSB;
    h.e_type = ET_REL;
    h.e_machine = m->machine;
    h.e_version = EV_CURRENT;
    h.e_flags = m->flags;
    if (m->class == ELFCLASS32 && m->machine == EM_RISCV && target->single.fma32)
        h.e_flags |= EF_RISCV_FLOAT_ABI_SINGLE;
    h.e_shstrndx = SHSTRTAB;
    return gelf_update_ehdr(elf, &h) != 0;
}

static bool add_all(Elf *elf, tables *t, const struct machine *m, const fv_weights_object *o) {
    size_t n = 1, symbols = 1;
    t->weights = add_name(t->section_names, &n, o->section);
    t->symtab = add_name(t->section_names, &n, ".symtab");
    t->strtab = add_name(t->section_names, &n, ".strtab");
    t->stack = add_name(t->section_names, &n, ".note.GNU-stack");
    t->shstrtab = add_name(t->section_names, &n, ".shstrtab");
    add_name(t->symbol_names, &symbols, o->symbol);
    return add_elf_header(elf, m, o->program->target) && add_weights(elf, t, o->program) &&
           add_symbols(elf, t, m->class, o) &&
           add_strings(elf, t->strtab, t->symbol_names, symbols) && add_stack_note(elf, t) &&
           add_strings(elf, t->shstrtab, t->section_names, n) && elf_update(elf, ELF_C_WRITE) >= 0;
}

bool fv_weights_put_object(const fv_weights_object *o, FILE *f) {
    tables t = {0};
    const struct machine *m = machine_of(o->program->target);
    errno = 0;
    if (!m || strlen(o->section) + 64 > sizeof t.section_names ||
        strlen(o->symbol) + 2 > sizeof t.symbol_names) {
        errno = ENAMETOOLONG;
        return false;
    }
    elf_version(EV_CURRENT);
    Elf *elf = fflush(f) ? NULL : elf_begin(fileno(f), ELF_C_WRITE, NULL);
    bool ok = elf && add_all(elf, &t, m, o);
    int error = errno ? errno : EIO;
    if (elf)
        elf_end(elf);
    errno = error;
    return ok;
}
#else
bool fv_weights_has_object(const fv_target *t) {
    (void)t;
    return false;
}

bool fv_weights_put_object(const fv_weights_object *o, FILE *f) {
    (void)o;
    (void)f;
    return false;
}
#endif
