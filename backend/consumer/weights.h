/* weights.h - the constants of a program as one block of bytes: the offset of each, and the block
 * as a file (runtime/weights_file.h) or an ELF object. The bytes are written from where they are in
 * memory, without a copy. */
#ifndef FV_BACKEND_CONSUMER_WEIGHTS_H
#define FV_BACKEND_CONSUMER_WEIGHTS_H

#include <stdio.h>

#include "backend/have.h"
#include "ir/base/diag.h"
#include "ir/kernel/program.h"
#include "runtime/weights_file.h"

/* Where the weights are stored: the values of --weights. */
typedef enum {
    FV_WEIGHTS_AUTO,   /* the default of the kind of output */
    FV_WEIGHTS_OBJECT, /* in the object; for C, IR and assembly in an object of its own */
    FV_WEIGHTS_FILE,   /* in a file that the caller maps, and passes as fv_env.weights */
    FV_WEIGHTS_INCBIN, /* for generated C: in a file that an assembler source includes */
    FV_WEIGHTS_TEXT    /* for generated C: as array initialisers */
} fv_weights_kind;
/* names of all kinds but AUTO, in that order; NULL terminated */
const char *const *fv_weights_names(void);
/* The kind with this name; FV_WEIGHTS_AUTO: there is none. */
fv_weights_kind fv_weights_by_name(const char *name);

/* The offset of a constant in the block, and the size of the block. Both are multiples of
 * FV_WEIGHTS_ALIGN. SIZE_MAX: they overflow. */
size_t fv_weights_at(const fv_program *p, int constant);
size_t fv_weights_bytes(const fv_program *p);

/* Are the weights small enough to be linked with the code, which reaches them by a distance of 32
 * bits? False after a diagnostic that names `path`. */
bool fv_weights_can_be_linked(fv_session *s, const fv_program *p, const char *path) FV_MUST_USE;

/* Binds files of weights of an expanded program to its layout (fv_program_print_layout) in place of
 * their content. Returns the text of the layout. Before it is expanded, p->memory.is_replaceable
 * must be set. */
const char *fv_weights_bind_layout(fv_arena *a, fv_program *p);

/* The head of the program's file of weights; reads all constants to compute it. */
fv_weights_head fv_weights_head_of(const fv_program *p);
/* Write the weights alone, or the file with its head. False with errno. */
bool fv_weights_put(const fv_program *p, FILE *f) FV_MUST_USE;
bool fv_weights_put_file(const fv_program *p, FILE *f) FV_MUST_USE;

/* ---- ELF: without libelf, where FV_HAVE_ELF is 0, no object can be written ---- */

/* The arguments of fv_weights_put_object, which writes a relocatable object for the program's
 * target: the names of its section (.rodata.NAME) and its symbol (NAME_weights), and whether the
 * symbol is hidden or global. fv_weights_object_of allocates the names before the file is opened,
 * since an allocation that fails leaves by a longjmp, which would not close the file.
 * fv_weights_put_object returns false with errno. */
typedef struct fv_weights_object {
    const fv_program *program;
    const char *section, *symbol;
    bool hidden;
} fv_weights_object;
fv_weights_object fv_weights_object_of(fv_arena *a, const fv_program *p);
bool fv_weights_put_object(const fv_weights_object *o, FILE *f) FV_MUST_USE;
/* Is there libelf, and an object format for the target? */
bool fv_weights_has_object(const fv_target *t) FV_MUST_USE;

#endif
