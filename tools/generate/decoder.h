/* decoder.h - what the inputs and outputs of a decoder are for, found by their names and shapes:
 * ids, masks, positions, lengths, caches, logits. */
#ifndef FV_TOOLS_GENERATE_DECODER_H
#define FV_TOOLS_GENERATE_DECODER_H

#include "ir/base/arena.h"
#include "runtime/internal.h"

typedef enum {
    FV_ROLE_UNKNOWN,
    FV_ROLE_GIVEN,     /* the caller gives it, the same for each run */
    FV_ROLE_STATE,     /* takes an output of the previous run */
    FV_ROLE_IDS,       /* the ids of a run */
    FV_ROLE_MASK,      /* [batch, length], 1 for each position up to the last one */
    FV_ROLE_MASK_ROWS, /* [batch, ids, length] or [batch, heads, ids, length]: for each id, the
                        * positions that it attends to, up to its own; floats are added to scores */
    FV_ROLE_POSITIONS, /* the positions of the ids */
    FV_ROLE_ZEROS,     /* types of tokens: all are 0 */
    FV_ROLE_LAST,      /* the last position: the number of all positions - 1 */
    FV_ROLE_TOTAL,     /* the number of all positions */
    FV_ROLE_PAST,      /* the number of positions of all previous runs */
    FV_ROLE_BRANCH     /* whether there were previous runs */
} fv_role;

/* A state: input `in` takes output `out` of the previous run. */
typedef struct fv_decoder_cache {
    int in, out;
    int axis; /* the axis that grows by the ids of a run; -1: it keeps its size */
    bool in_place;
} fv_decoder_cache;

typedef struct fv_decoder {
    const fv_model *table;
    fv_role *roles; /* the role of each input */
    fv_decoder_cache *caches;
    int ncaches;
    int ids;            /* the input of ids */
    int logits;         /* the output of logits: [batch, ids, vocabulary] or [batch, vocabulary] */
    int64_t vocabulary; /* 0: the table does not have it */
} fv_decoder;

/* The output whose value the input takes in the next run, by their names, such as present.0.key for
 * past_key_values.0.key; -1: none. The input and the output have the same type and rank. */
int fv_cache_output(const fv_port_info *in, int noutputs, const fv_port_info *outputs);

/* Finds the roles of all inputs. Caches are the states of the table and those found by name.
 *  given  whether an input is given by the caller, one for each
 * Returns FV_OK; FV_BAD_MODEL after a message that names the input that cannot be filled, or
 * says what is missing. */
int fv_decoder_find(fv_arena *a, const fv_model *table, const unsigned char *given, fv_log *log,
                    fv_decoder *out) FV_MUST_USE;

/* The input as text: "'mel' (f32[batch, 20, frames])". */
const char *fv_port_str(fv_arena *a, const fv_port_info *p);

#endif
