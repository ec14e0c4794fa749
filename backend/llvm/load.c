/* load.c - see load.h; fv_llvm_missing and fv_llvm_load are declared in llvm.h. */
#define FV_LLVM_OWN_NAMES
#include "backend/llvm/load.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/llvm/llvm.h"

#ifdef FV_LLVM_LIBRARY

#define QUOTED(x) #x
#define TEXT(x)   QUOTED(x)

fv_llvm_calls fv_llvm;

static void *library;
static char missing[256]; /* why LLVM cannot be used; empty: it can */

static void set_missing(const char *why, const char *what) {
    snprintf(missing, sizeof missing, "%s%s", why, what);
}

/* Sets *at to the address of the library's function `name`; false: it has no such function. */
static bool find(void **at, const char *name) {
    *at = dlsym(library, name);
    if (!*at)
        set_missing("LLVM's library " FV_LLVM_LIBRARY " has no function ", name);
    return *at != NULL;
}

/* ---- memory ---- */

static void drop_segment(uintptr_t begin, uintptr_t end) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    begin = (begin + page - 1) / page * page;
    end = end / page * page;
    if (begin < end)
        madvise((void *)begin, end - begin, MADV_DONTNEED);
}

/* Gives the pages of segments back that are never written, if the object is LLVM's library: the one
 * that contains the address `user`. */
static int drop_segments(struct dl_phdr_info *is, size_t size, void *user) {
    bool here = false;
    (void)size;
    for (int i = 0; i < is->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &is->dlpi_phdr[i];
        uintptr_t begin = is->dlpi_addr + h->p_vaddr, at = (uintptr_t)user;
        here |= h->p_type == PT_LOAD && at >= begin && at < begin + h->p_memsz;
    }
    for (int i = 0; here && i < is->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &is->dlpi_phdr[i];
        uintptr_t begin = is->dlpi_addr + h->p_vaddr;
        if (h->p_type == PT_LOAD && !(h->p_flags & PF_W))
            drop_segment(begin, begin + h->p_filesz);
    }
    return here;
}

void fv_llvm_release_pages(void) {
    if (library)
        dl_iterate_phdr(drop_segments, (void *)(uintptr_t)fv_llvm.LLVMGetVersion);
}

/* ---- loading ---- */

static void load(void) {
    library = dlopen(FV_LLVM_LIBRARY, RTLD_LAZY | RTLD_LOCAL);
    if (!library) {
        const char *why = dlerror();
        set_missing("LLVM's library cannot be loaded: ", why ? why : FV_LLVM_LIBRARY);
        return;
    }
#define CALL(name)                                                                                 \
    if (!find((void **)&fv_llvm.name, #name))                                                      \
        return;
#include "backend/llvm/calls.def"
#undef CALL
    unsigned major;
    fv_llvm.LLVMGetVersion(&major, NULL, NULL);
    if (major != LLVM_VERSION_MAJOR)
        set_missing("LLVM's library " FV_LLVM_LIBRARY " is not of version ",
                    TEXT(LLVM_VERSION_MAJOR));
    fv_llvm_release_pages(); /* its constructors have made 18 MB of it resident */
}

const char *fv_llvm_missing(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return *missing ? missing : NULL;
}

/* ---- targets ---- */

/* Calls a function without arguments, if the library has it: it may have fewer targets than its
 * headers say, and some targets have no parser of assembly. */
static void call(const char *name) {
    void (*function)(void);
    *(void **)&function = dlsym(library, name);
    if (function)
        function();
}

static void prepare_native(void) {
    call(TEXT(LLVM_NATIVE_TARGETINFO));
    call(TEXT(LLVM_NATIVE_TARGET));
    call(TEXT(LLVM_NATIVE_TARGETMC));
    call(TEXT(LLVM_NATIVE_ASMPRINTER));
#ifdef LLVM_NATIVE_ASMPARSER
    call(TEXT(LLVM_NATIVE_ASMPARSER)); /* code has instructions as text */
#endif
}

static void prepare_all(void) {
    static const char *const targets[] = {
#define LLVM_TARGET(name) #name,
#include <llvm/Config/Targets.def>
    };
    static const char *const parts[] = {"TargetInfo", "Target", "TargetMC", "AsmPrinter",
                                        "AsmParser"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (size_t t = 0; t < sizeof targets / sizeof *targets; t++) {
            char name[128];
            snprintf(name, sizeof name, "LLVMInitialize%s%s", targets[t], parts[i]);
            call(name);
        }
    fv_llvm_release_pages(); /* the code of targets that are not used */
}

#else

fv_llvm_calls fv_llvm = {
#define CALL(name) .name = name,
#include "backend/llvm/calls.def"
#undef CALL
};

const char *fv_llvm_missing(void) {
    return NULL;
}

void fv_llvm_release_pages(void) {}

static void prepare_native(void) {
    LLVMInitializeNativeTarget();
    LLVMInitializeNativeAsmPrinter();
    LLVMInitializeNativeAsmParser();
}

static void prepare_all(void) {
    LLVMInitializeAllTargetInfos();
    LLVMInitializeAllTargets();
    LLVMInitializeAllTargetMCs();
    LLVMInitializeAllAsmPrinters();
    LLVMInitializeAllAsmParsers();
}

#endif

void fv_llvm_prepare_native(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare_native);
}

/* Two threads must not register a target for the first time at once: LLVM would enter it into its
 * list of targets twice, and a list that contains itself has no end. Hence the native one comes
 * first. */
void fv_llvm_prepare_all(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    fv_llvm_prepare_native();
    pthread_once(&once, prepare_all);
}

bool fv_llvm_load(fv_session *s) {
    const char *why = fv_llvm_missing();
    return !why || fv_error(s, "%s; the backends c and interp do not need it", why);
}
