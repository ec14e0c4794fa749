/* constant.h - constants of programs, whose bytes may be made when they are first read.
 *
 * Lowering decides in which layout kernels read a weight, and reserves the memory for it. The copy
 * into this memory is made later, when the bytes are read for the first time: most consumers read
 * them after they have generated code, so the memory of weights and that of the code generator are
 * not needed at the same time. There is no other way to the bytes than fv_constant_data, which
 * makes them, so none can be read before they are made. */
#ifndef FV_IR_KERNEL_CONSTANT_H
#define FV_IR_KERNEL_CONSTANT_H

#include "ir/base/arena.h"
#include "ir/kernel/kernel.h"

/* Where the bytes of a constant are, and how they are made. */
typedef struct fv_contents fv_contents;

typedef struct fv_constant {
    const char *name;
    /* `bytes` bytes in the layout that kernels use: of a type of less than 8 bits, each element
     * takes a byte. NULL: the contents were left out, because the program will not run */
    fv_contents *contents;
    size_t bytes;
    const fv_buf *buf;
} fv_constant;

/* Bytes of a constant that is used where it is in memory, at any address, if the consumer can do
 * that. Smaller ones are copied to an address where vectors of them do not cross cache lines. */
enum { FV_LARGE_CONSTANT = 1 << 20 };

/* New contents, in the arena: the bytes at `data`, which exist already and must outlive them. */
fv_contents *fv_contents_at(fv_arena *a, const void *data);
/* New contents, in the arena, that make(user, room) writes to `room`: zeroed memory whose pages
 * take no memory until then. `room`, `user` and what `make` reads must outlive the contents. `make`
 * must not allocate from an arena, because it may be called where no door is open, and must change
 * nothing but the memory it writes to, which may be another one. */
typedef void fv_contents_maker(void *user, void *room);
fv_contents *fv_contents_later(fv_arena *a, void *room, fv_contents_maker *make, void *user);

/* The bytes of the constant, which are made if they are not made yet; NULL: they were left out, or
 * there are none. Threads may call it for one constant at the same time only after it returned
 * once. */
const void *fv_constant_data(const fv_constant *c);
/* Are the bytes not left out? Does not make them. */
bool fv_constant_has_data(const fv_constant *c) FV_MUST_USE;
/* Are the bytes still to be made? */
bool fv_constant_is_pending(const fv_constant *c) FV_MUST_USE;
/* The function, with *user, that writes the bytes to other zeroed memory without making them here:
 * another thread may call it at any time. NULL: they are made, or left out. */
fv_contents_maker *fv_constant_maker(const fv_constant *c, void **user);
/* Is the address of the bytes a multiple of `align`? Does not make them. */
bool fv_constant_is_aligned(const fv_constant *c, size_t align) FV_MUST_USE;
/* Have the constants the same bytes in the same memory? */
bool fv_constants_are_one(const fv_constant *a, const fv_constant *b) FV_MUST_USE;

#endif
