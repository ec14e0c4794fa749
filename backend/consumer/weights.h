/* weights.h - the constants of a program as one block of bytes: the offset of each, and the block
 * as a file (runtime/weights_file.h) or an ELF object. The bytes are written from where they are in
 * memory, without a copy. */
#ifndef FV_BACKEND_CONSUMER_WEIGHTS_H
#define FV_BACKEND_CONSUMER_WEIGHTS_H

#include <stdio.h>

#include "ir/base/diag.h"
#include "ir/kernel/program.h"
#include "runtime/weights_file.h"

/* Where what is written keeps its weights: --weights. */
typedef enum {
    FV_WEIGHTS_AUTO,   /* each kind of output has its own default */
    FV_WEIGHTS_OBJECT, /* within the object; for C: an object of its own */
    FV_WEIGHTS_FILE,   /* in a file that the caller maps: fv_env.weights */
    FV_WEIGHTS_INCBIN, /* C: a file that an assembler includes */
    FV_WEIGHTS_TEXT    /* C: array initialisers */
} fv_weights_kind;
const char *const *fv_weights_names(void); /* of all but AUTO, in that order; NULL terminated */
fv_weights_kind fv_weights_by_name(const char *name); /* AUTO: there is none */

/* Each constant is aligned to FV_WEIGHTS_ALIGN; the size is a multiple of it. SIZE_MAX: they
 * overflow. */
size_t fv_weights_at(const fv_program *p, int constant);
size_t fv_weights_bytes(const fv_program *p);

/* Code reaches what is linked to it by a distance of 32 bits. False after a diagnostic that names
 * `path`. */
bool fv_weights_can_be_linked(fv_session *s, const fv_program *p, const char *path) FV_MUST_USE;

/* The head of the program's file; reads all constants. */
fv_weights_head fv_weights_head_of(const fv_program *p);
/* The blob alone; the file, head and blob. False: errno tells. */
bool fv_weights_put(const fv_program *p, FILE *f) FV_MUST_USE;
bool fv_weights_put_file(const fv_program *p, FILE *f) FV_MUST_USE;

/* ---- ELF: only where FV_HAVE_ELF, the build has libelf ---- */

#ifndef FV_HAVE_ELF
#define FV_HAVE_ELF 0
#endif

/* A relocatable object for the program's target: a section .rodata.NAME with the global, or hidden,
 * symbol NAME_weights. The names come from the caller, as no arena is asked for memory while a file
 * is open. False: errno tells. */
typedef struct fv_weights_object {
    const fv_program *program;
    const char *section, *symbol;
    bool hidden;
} fv_weights_object;
fv_weights_object fv_weights_object_of(fv_arena *a, const fv_program *p);
bool fv_weights_put_object(const fv_weights_object *o, FILE *f) FV_MUST_USE;
/* Is there an object format for the target? */
bool fv_weights_has_object(const fv_target *t) FV_MUST_USE;

#endif
