/* library.c - the table of library functions that kernels can call. */
#include "ir/kernel/library.h"

#include <string.h>

static const fv_library_fn functions[] = {
#define LIBRARY(name, doc, ...)                                                                    \
    {#name,                                                                                        \
     doc,                                                                                          \
     false,                                                                                        \
     false,                                                                                        \
     (int)(sizeof(fv_library_param[]){__VA_ARGS__} / sizeof(fv_library_param)),                    \
     {__VA_ARGS__}},
#define COLLECTIVE(name, doc)                                                                      \
    {#name, doc, true, false, 2, {{FV_F32, FV_LIBRARY_ANY, false}, {FV_F32, FV_LIBRARY_ANY, true}}},
#define ADDRESSED(name, doc, ...)                                                                  \
    {#name,                                                                                        \
     doc,                                                                                          \
     true,                                                                                         \
     true,                                                                                         \
     (int)(sizeof(fv_library_param[]){__VA_ARGS__} / sizeof(fv_library_param)),                    \
     {__VA_ARGS__}},
#include "ir/kernel/library.def"
#undef ADDRESSED
#undef COLLECTIVE
#undef LIBRARY
};

const char *const fv_call_mode_names[] = {"call", "start", "wait"};

const fv_library_fn *fv_library_fn_of(fv_library_id id) {
    return &functions[id];
}

const fv_library_fn *fv_library_fn_called(const char *name) {
    for (int i = 0; i < FV_LIBRARY_FNS; i++)
        if (!strcmp(functions[i].name, name))
            return &functions[i];
    return NULL;
}

fv_library_id fv_library_id_of(const fv_library_fn *fn) {
    return (fv_library_id)(fn - functions);
}
