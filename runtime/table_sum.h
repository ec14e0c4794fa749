/* table_sum.h - the checksum of a model's table: of all that it says but its functions, and its launches, which
 * generated C has only where it is traced. The contract between who writes a table and who opens one from a file; it
 * protects from accidents, not from forgery. FNV-1a, 64 bits:
 * Fowler, Noll, Vo, Eastlake: The FNV Non-Cryptographic Hash Algorithm. */
#ifndef FV_TABLE_SUM_H
#define FV_TABLE_SUM_H

#include "fovea_model.h"

static inline uint64_t fv_sum_byte(uint64_t sum, unsigned byte) {
    return (sum ^ byte) * UINT64_C(0x100000001b3);
}

/* The same on machines of any byte order. */
static inline uint64_t fv_sum_number(uint64_t sum, int64_t n) {
    for (int i = 0; i < 8; i++)
        sum = fv_sum_byte(sum, (unsigned)((uint64_t)n >> 8 * i) & 0xff);
    return sum;
}

/* NULL is as good as "": objects of LLVM's have no other. */
static inline uint64_t fv_sum_text(uint64_t sum, const char *s) {
    for (s = s ? s : ""; *s; s++)
        sum = fv_sum_byte(sum, (unsigned char)*s);
    return fv_sum_byte(sum, 0);
}

static inline uint64_t fv_sum_ports(uint64_t sum, const fv_port_info *ports, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        const fv_port_info *p = &ports[i];
        const int32_t numbers[] = {p->type, p->rank, p->depends_on_data, p->state_of, p->in_place};
        sum = fv_sum_text(sum, p->name);
        for (int k = 0; k < 5; k++)
            sum = fv_sum_number(sum, numbers[k]);
        for (int32_t k = 0; k < p->rank; k++)
            sum = fv_sum_text(sum, p->dims[k]);
    }
    return sum;
}

static inline uint64_t fv_table_sum(const fv_model *t) {
    const char *texts[] = {t->name, t->target, t->source_hash, t->producer, t->weights_file};
    const int32_t numbers[] = {(int32_t)t->abi, t->nsymbols, t->ninputs, t->noutputs, t->uses_allocator, t->nrelations,
                               t->weights_file != NULL};
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (int i = 0; i < 5; i++)
        sum = fv_sum_text(sum, texts[i]);
    for (int i = 0; i < 7; i++)
        sum = fv_sum_number(sum, numbers[i]);
    for (int32_t i = 0; i < t->nsymbols; i++) {
        sum = fv_sum_text(sum, t->symbols[i].name);
        sum = fv_sum_number(fv_sum_number(sum, t->symbols[i].lo), t->symbols[i].hi);
    }
    sum = fv_sum_ports(fv_sum_ports(sum, t->inputs, t->ninputs), t->outputs, t->noutputs);
    for (int32_t i = 0; i < t->nrelations; i++) {
        const fv_relation_info *r = &t->relations[i];
        sum = fv_sum_text(fv_sum_text(fv_sum_text(sum, r->left), r->right), r->why);
    }
    return sum;
}

#endif
