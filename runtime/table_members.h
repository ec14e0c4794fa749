/* table_members.h - lists the members of the structures in a model's table (fovea_model.h) as data.
 * Code that writes a table, as constants of an object or as C, computes its checksum, or checks a
 * table from a file loops over these lists: a new member of the interface needs one line here. */
#ifndef FV_TABLE_MEMBERS_H
#define FV_TABLE_MEMBERS_H

#include <stdbool.h>
#include <string.h>

#include "fovea_model.h"

typedef enum fv_member_kind {
    FV_MEMBER_NUMBER, /* int32_t, uint32_t */
    FV_MEMBER_WIDE,   /* int64_t */
    FV_MEMBER_TEXT,   /* NULL and "" are equivalent */
    FV_MEMBER_MAYBE,  /* a text or NULL, which differ in meaning */
    FV_MEMBER_TEXTS,  /* an array of texts */
    FV_MEMBER_LIST,   /* an array of structures */
    FV_MEMBER_CODE,   /* a function */
    FV_MEMBER_SIZE,   /* uint32_t, the size of the structure */
    FV_MEMBER_SUM     /* uint64_t, the result of fv_table_sum */
} fv_member_kind;

typedef struct fv_member {
    const char *name;
    fv_member_kind kind;
    size_t at; /* offset of the member */
    /* TEXTS, LIST: offset of the member with the number of elements, which precedes this one */
    size_t count;
    const struct fv_structure *of; /* LIST */
    int32_t least, most;           /* NUMBER: range of valid values */
    bool traced;                   /* launches, which generated C has only if it is traced */
} fv_member;

typedef struct fv_structure {
    const char *type;
    size_t size;
    int n;
    const fv_member *members; /* in order of their offsets */
} fv_structure;

#define FV_STRUCTURE_(t, list)   {#t, sizeof(t), (int)(sizeof list / sizeof *list), list}
#define FV_PLAIN_(t, kind, name) {#name, FV_MEMBER_##kind, offsetof(t, name), 0, NULL, 0, 0, false}
#define FV_NUMBER_(t, name, least, most)                                                           \
    {#name, FV_MEMBER_NUMBER, offsetof(t, name), 0, NULL, least, most, false}
#define FV_MANY_(t, kind, name, count, of)                                                         \
    {#name, FV_MEMBER_##kind, offsetof(t, name), offsetof(t, count), of, 0, 0, false}

static const fv_member fv_symbol_members[] = {
    FV_PLAIN_(fv_symbol_info, TEXT, name),
    FV_PLAIN_(fv_symbol_info, WIDE, lo),
    FV_PLAIN_(fv_symbol_info, WIDE, hi),
};
static const fv_member fv_port_members[] = {
    FV_PLAIN_(fv_port_info, TEXT, name),
    FV_NUMBER_(fv_port_info, type, 1, 26), /* TensorProto.INT2 */
    FV_NUMBER_(fv_port_info, rank, 0, 255),
    FV_MANY_(fv_port_info, TEXTS, dims, rank, NULL),
    FV_NUMBER_(fv_port_info, depends_on_data, 0, 1),
    FV_NUMBER_(fv_port_info, state_of, 0, INT32_MAX),
    FV_NUMBER_(fv_port_info, in_place, 0, 255),
    FV_PLAIN_(fv_port_info, MAYBE, capacity),
};
static const fv_member fv_launch_members[] = {
    FV_PLAIN_(fv_launch_info, TEXT, kernel),
    FV_PLAIN_(fv_launch_info, TEXT, nodes),
    FV_PLAIN_(fv_launch_info, TEXT, indexes),
};
static const fv_member fv_relation_members[] = {
    FV_PLAIN_(fv_relation_info, TEXT, left),
    FV_PLAIN_(fv_relation_info, TEXT, right),
    FV_PLAIN_(fv_relation_info, TEXT, why),
};
static const fv_structure fv_symbol_structure = FV_STRUCTURE_(fv_symbol_info, fv_symbol_members);
static const fv_structure fv_port_structure = FV_STRUCTURE_(fv_port_info, fv_port_members);
static const fv_structure fv_launch_structure = FV_STRUCTURE_(fv_launch_info, fv_launch_members);
static const fv_structure fv_relation_structure =
    FV_STRUCTURE_(fv_relation_info, fv_relation_members);

static const fv_member fv_model_members[] = {
    FV_NUMBER_(fv_model, abi, 2, 2),
    FV_PLAIN_(fv_model, SIZE, size),
    FV_PLAIN_(fv_model, TEXT, name),
    FV_PLAIN_(fv_model, TEXT, target),
    FV_PLAIN_(fv_model, TEXT, source_hash),
    FV_PLAIN_(fv_model, TEXT, producer),
    FV_NUMBER_(fv_model, nsymbols, 0, INT32_MAX),
    FV_NUMBER_(fv_model, ninputs, 0, INT32_MAX),
    FV_NUMBER_(fv_model, noutputs, 0, INT32_MAX),
    FV_NUMBER_(fv_model, uses_allocator, 0, 1),
    FV_MANY_(fv_model, LIST, symbols, nsymbols, &fv_symbol_structure),
    FV_MANY_(fv_model, LIST, inputs, ninputs, &fv_port_structure),
    FV_MANY_(fv_model, LIST, outputs, noutputs, &fv_port_structure),
    FV_PLAIN_(fv_model, CODE, plan),
    FV_PLAIN_(fv_model, CODE, run),
    {"nlaunches", FV_MEMBER_NUMBER, offsetof(fv_model, nlaunches), 0, NULL, 0, INT32_MAX, true},
    {"launches", FV_MEMBER_LIST, offsetof(fv_model, launches), offsetof(fv_model, nlaunches),
     &fv_launch_structure, 0, 0, true},
    FV_PLAIN_(fv_model, MAYBE, weights_file),
    FV_NUMBER_(fv_model, nrelations, 0, INT32_MAX),
    FV_MANY_(fv_model, LIST, relations, nrelations, &fv_relation_structure),
    FV_PLAIN_(fv_model, SUM, checksum),
};
static const fv_structure fv_model_structure = FV_STRUCTURE_(fv_model, fv_model_members);

/* ---- access to a member of the structure at `s` ---- */

static inline int32_t fv_member_number(const void *s, const fv_member *m) {
    int32_t n;
    memcpy(&n, (const char *)s + m->at, sizeof n);
    return n;
}

static inline int64_t fv_member_wide(const void *s, const fv_member *m) {
    int64_t n;
    memcpy(&n, (const char *)s + m->at, sizeof n);
    return n;
}

/* The pointer in a TEXT, TEXTS or LIST: to the text or the first element. */
static inline const void *fv_member_pointer(const void *s, const fv_member *m) {
    const void *p;
    memcpy(&p, (const char *)s + m->at, sizeof p);
    return p;
}

static inline int32_t fv_member_count(const void *s, const fv_member *m) {
    int32_t n;
    memcpy(&n, (const char *)s + m->count, sizeof n);
    return n;
}

static inline const char *fv_member_text(const void *s, const fv_member *m, int32_t i) {
    return ((const char *const *)fv_member_pointer(s, m))[i];
}

/* Element i of a LIST. */
static inline const void *fv_member_element(const void *s, const fv_member *m, int32_t i) {
    return (const char *)fv_member_pointer(s, m) + (size_t)i * m->of->size;
}

#endif
