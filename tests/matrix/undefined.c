/* undefined.c - symbols that an object or library expects from others. */
#include <fcntl.h>
#include <gelf.h>
#include <string.h>
#include <unistd.h>

#include "tests/matrix/build.h"

bool allow_none(const char *name) {
    (void)name;
    return false;
}

static bool is_one_of(const char *name, const char *const *list) {
    for (int i = 0; list[i]; i++)
        if (!strcmp(name, list[i]))
            return true;
    return false;
}

bool allow_memory(const char *name) {
    static const char *const list[] = {"memcpy", "memset", "memmove", "memcmp", NULL};
    return is_one_of(name, list);
}

/* The run-time ABI of ARM: double arithmetic, 64-bit division and shifts; the others are libgcc's
 * under their old names. */
bool allow_helpers(const char *name) {
    static const char *const list[] = {"__popcountsi2", "__popcountdi2", "__clzsi2", "__clzdi2",
                                       "__ctzsi2",      "__ctzdi2",      "__divdi3", "__udivdi3",
                                       "__moddi3",      "__umoddi3",     "__muldi3", NULL};
    return !strncmp(name, "__aeabi_", 8) || allow_memory(name) || is_one_of(name, list);
}

static const char *undefined_in(fv_arena *a, Elf *elf, Elf_Scn *section, const GElf_Shdr *head,
                                bool (*allowed)(const char *)) {
    Elf_Data *data = elf_getdata(section, NULL);
    for (size_t i = 1; data && head->sh_entsize && i < head->sh_size / head->sh_entsize; i++) {
        GElf_Sym sym;
        if (!gelf_getsym(data, (int)i, &sym) || sym.st_shndx != SHN_UNDEF)
            continue;
        const char *name = elf_strptr(elf, head->sh_link, sym.st_name);
        if (name && *name && !allowed(name))
            return fv_strdup(a, name);
    }
    return NULL;
}

const char *undefined_symbol(fv_arena *a, const char *path, bool (*allowed)(const char *name)) {
    elf_version(EV_CURRENT);
    int file = open(path, O_RDONLY);
    Elf *elf = file < 0 ? NULL : elf_begin(file, ELF_C_READ, NULL);
    const char *found = elf && elf_kind(elf) == ELF_K_ELF ? NULL : "?";
    Elf_Scn *section = NULL;
    while (!found && (section = elf_nextscn(elf, section))) {
        GElf_Shdr head;
        if (gelf_getshdr(section, &head) &&
            (head.sh_type == SHT_SYMTAB || head.sh_type == SHT_DYNSYM))
            found = undefined_in(a, elf, section, &head, allowed);
    }
    if (elf)
        elf_end(elf);
    if (file >= 0)
        close(file);
    return found;
}
