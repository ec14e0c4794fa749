/* llvm_missing.c - LD_PRELOAD for programs that load LLVM's library: it is not found. */
#include <dlfcn.h>
#include <string.h>

void *dlopen(const char *path, int flags) {
    void *(*next)(const char *, int);
    *(void **)&next = dlsym(RTLD_NEXT, "dlopen");
    return next(path && strstr(path, "libLLVM") ? "libLLVM-absent.so" : path, flags);
}
