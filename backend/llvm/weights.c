/* weights.c - adds the constants of the program to its object, as a section.
 *
 * LLVM writes the code, which refers to an undefined symbol NAME_weights. In objects of ELF this
 * file adds a section .rodata.NAME and defines the symbol in it. In COFF and Mach-O, LLVM defines
 * the symbol as zeros in a section of its own, and this file overwrites them. Constants are written
 * from where they are in memory without a copy, each aligned to 64 bytes. (Objects with weights
 * only: backend/consumer/weights_elf.c.) */
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <string.h>
#include <unistd.h>

#include "backend/llvm/emit.h"

typedef struct object {
    fv_ll_module *m;
    Elf *elf;
    const char *section, *symbol;
    size_t names; /* number of the section that contains the names of sections */
} object;

static bool elf_error(object *o, const char *path) {
    return fv_error(o->m->session, "%s: cannot add the weights: %s", path, elf_errmsg(-1));
}

/* Appends the section's name to a copy of the table of names, since the table itself is libelf's.
 * *at: its offset. */
static bool add_name(object *o, size_t *at) {
    Elf_Scn *scn = elf_getscn(o->elf, o->names);
    Elf_Data *d = scn ? elf_getdata(scn, NULL) : NULL;
    if (!d)
        return false;
    size_t length = strlen(o->section) + 1;
    char *names = fv_alloc(o->m->arena, d->d_size + length, 1);
    memcpy(names, d->d_buf, d->d_size);
    memcpy(names + d->d_size, o->section, length);
    *at = d->d_size;
    d->d_buf = names;
    d->d_size += length;
    elf_flagdata(d, ELF_C_SET, ELF_F_DIRTY);
    return true;
}

static bool add_constant(Elf_Scn *scn, const fv_constant *c) {
    if (c->bytes == 0)
        return true;
    Elf_Data *d = elf_newdata(scn);
    if (!d)
        return false;
    d->d_buf = (void *)(uintptr_t)fv_constant_data(c); /* libelf only reads it */
    d->d_size = c->bytes;
    d->d_align = FV_BUFFER_ALIGN;
    d->d_type = ELF_T_BYTE;
    d->d_version = EV_CURRENT;
    return true;
}

static bool add_section(object *o, size_t name, size_t *index) {
    const fv_program *p = o->m->program;
    Elf_Scn *scn = elf_newscn(o->elf);
    GElf_Shdr h;
    if (!scn || !gelf_getshdr(scn, &h))
        return false;
    for (int i = 0; i < p->memory.nconstants; i++)
        if (!add_constant(scn, &p->memory.constants[i]))
            return false;
    h.sh_name = (GElf_Word)name;
    h.sh_type = SHT_PROGBITS;
    h.sh_flags = SHF_ALLOC;
    h.sh_addralign = FV_BUFFER_ALIGN;
    *index = elf_ndxscn(scn);
    return gelf_update_shdr(scn, &h) != 0;
}

static bool find_symbols(object *o, Elf_Data **data, GElf_Shdr *h) {
    Elf_Scn *scn = NULL;
    while ((scn = elf_nextscn(o->elf, scn)))
        if (gelf_getshdr(scn, h) && h->sh_type == SHT_SYMTAB)
            return (*data = elf_getdata(scn, NULL)) != NULL;
    return false;
}

static bool define_symbol(object *o, size_t section) {
    Elf_Data *d;
    GElf_Shdr h;
    if (!find_symbols(o, &d, &h) || h.sh_entsize == 0)
        return false;
    for (int i = 0; i < (int)(h.sh_size / h.sh_entsize); i++) {
        GElf_Sym s;
        const char *name = gelf_getsym(d, i, &s) ? elf_strptr(o->elf, h.sh_link, s.st_name) : NULL;
        if (!name || strcmp(name, o->symbol) != 0)
            continue;
        s.st_shndx = (GElf_Section)section;
        s.st_info = GELF_ST_INFO(STB_GLOBAL, STT_OBJECT);
        s.st_other = STV_HIDDEN;
        s.st_value = 0;
        s.st_size = o->m->weights.bytes;
        return gelf_update_sym(d, i, &s) != 0;
    }
    return true; /* the object does not refer to the weights */
}

/* The file is marked as changed: otherwise libelf may write the headers of sections from an array
 * that has no room for the header of the new one. */
static bool extend(object *o) {
    size_t name, section;
    elf_flagelf(o->elf, ELF_C_SET, ELF_F_DIRTY);
    return elf_getshdrstrndx(o->elf, &o->names) == 0 && add_name(o, &name) &&
           add_section(o, name, &section) && define_symbol(o, section) &&
           elf_update(o->elf, ELF_C_WRITE) >= 0;
}

static bool add_to_elf(fv_ll_module *m, int fd, const char *path) {
    const fv_program *p = m->program;
    object o = {m, NULL, fv_printf(m->arena, ".rodata.%s", p->name),
                fv_printf(m->arena, "%s_weights", p->name), 0};
    elf_version(EV_CURRENT);
    m->weights.object = o.elf = elf_begin(fd, ELF_C_RDWR, NULL);
    bool ok = o.elf && extend(&o);
    if (!ok)
        elf_error(&o, path);
    fv_ll_close_object(m);
    return ok;
}

/* ---- COFF and Mach-O: a section of zeros is overwritten ---- */

/* The offset, in the object, of its section `name` with at least `bytes` bytes; 0: there is
 * none. */
static size_t find_section(LLVMBinaryRef binary, LLVMMemoryBufferRef code, const char *name,
                           size_t bytes) {
    size_t at = 0;
    LLVMSectionIteratorRef i = LLVMObjectFileCopySectionIterator(binary);
    for (; !at && !LLVMObjectFileIsSectionIteratorAtEnd(binary, i); LLVMMoveToNextSection(i))
        if (!strcmp(LLVMGetSectionName(i), name) && LLVMGetSectionSize(i) >= bytes)
            at = (size_t)(LLVMGetSectionContents(i) - LLVMGetBufferStart(code));
    LLVMDisposeSectionIterator(i);
    return at;
}

/* The offset of the section for weights in the object `code`; 0 after a diagnostic. */
static size_t section_offset(fv_ll_module *m, LLVMMemoryBufferRef code, const char *path) {
    const char *name = m->weights.section, *comma = strchr(name, ',');
    char *error = NULL;
    LLVMBinaryRef binary = LLVMCreateBinary(code, m->context, &error);
    if (!binary) {
        fv_error(m->session, "%s: cannot add the weights: %s", path, error);
        LLVMDisposeMessage(error);
        return 0;
    }
    size_t at = find_section(binary, code, comma ? comma + 1 : name, m->weights.bytes);
    LLVMDisposeBinary(binary);
    if (!at)
        fv_error(m->session, "internal error: %s: no section %s of %zu bytes", path, name,
                 m->weights.bytes);
    return at;
}

static bool write_at(int fd, const unsigned char *data, size_t bytes, size_t at) {
    while (bytes > 0) {
        ssize_t done = pwrite(fd, data, bytes, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        data += done;
        at += (size_t)done;
        bytes -= (size_t)done;
    }
    return true;
}

static bool overwrite(fv_ll_module *m, LLVMMemoryBufferRef code, int fd, const char *path) {
    const fv_program *p = m->program;
    size_t at = section_offset(m, code, path);
    for (int i = 0; at && i < p->memory.nconstants; i++) {
        const fv_constant *c = &p->memory.constants[i];
        if (!write_at(fd, fv_constant_data(c), c->bytes, at + m->weights.offset[i]))
            return fv_error(m->session, "%s: cannot write: %s", path, strerror(errno));
    }
    return at != 0;
}

bool fv_ll_add_weights(fv_ll_module *m, LLVMMemoryBufferRef code, int fd, const char *path) {
    if (m->weights.bytes == 0 || m->weights.file)
        return true;
    return m->weights.section ? overwrite(m, code, fd, path) : add_to_elf(m, fd, path);
}

void fv_ll_close_object(fv_ll_module *m) {
    if (m->weights.object)
        elf_end(m->weights.object);
    m->weights.object = NULL;
}
