/* generator.h - the parts of a generator: sequences, and the group of them that runs. */
#ifndef FV_TOOLS_GENERATE_GENERATOR_H
#define FV_TOOLS_GENERATE_GENERATOR_H

#include "tools/generate/decoder.h"
#include "tools/generate/sample.h"

/* A prompt, and the ids that follow it. */
typedef struct fv_sequence {
    int64_t *ids;
    int n, room, prompt; /* number of ids, their capacity, and how many of them are the prompt */
    fv_random random;
    bool begun, ended;
} fv_sequence;

/* Sequences with prompts of equal length, which run together. */
typedef struct fv_group {
    fv_arena *arena; /* lives as long as the group */
    fv_sequence **members;
    int n;
    int64_t batch;     /* at least n; the entries from n on repeat the first sequence */
    int64_t past;      /* number of positions that runs of the group have computed */
    fv_array *states;  /* the value of each cache */
    fv_array *outputs; /* outputs of a run, until they are passed on; empty between runs */
    int noutputs;      /* known here, too, because the model may be freed before the generator */
} fv_group;

/* Sizes that the model has or that are chosen for it. */
typedef struct fv_generate_sizes {
    int64_t batch; /* largest number of sequences that run together; is_fixed: the only one */
    bool is_fixed;
    int64_t span;      /* number of ids of each run; 0: the model does not fix it */
    int64_t chunk;     /* with caches: largest number of ids of a prompt that one run takes */
    int64_t positions; /* number of positions that the longest sequence may need */
} fv_generate_sizes;

struct fv_generator {
    fv_session *session;
    fv_arena *arena;
    fv_artifact *artifact;
    fv_generate_options o;
    fv_decoder decoder;
    fv_generate_sizes sizes;
    fv_sequence *sequences;
    int nsequences;
    fv_group group;
    /* ids that were chosen and not yet returned, for each its sequence */
    fv_sequence **ready;
    int nready, nreturned;
    bool failed;
    fv_generate_report report;
};

/* Begins g->group, whose members are set, with empty caches. FV_OK, or a status after a message. */
int fv_group_begin(fv_generator *g, fv_log *log) FV_MUST_USE;
/* Runs the ids from position group.past to below `end` of each member. *logits: the logits of the
 * last of them, batch rows of *n; they live until `step` is freed. */
int fv_group_run(fv_generator *g, fv_arena *step, int64_t end, const double **logits, int64_t *n,
                 fv_log *log) FV_MUST_USE;
/* Checks that the dims allow a run of the ids from position `past` to below `end`: FV_OK,
 * FV_BAD_DIM, or another status after a message. */
int fv_group_plan(fv_generator *g, int64_t past, int64_t end, fv_log *log) FV_MUST_USE;
void fv_group_end(fv_generator *g);
/* Finds the sizes of the model. FV_OK, or a status after a message. */
int fv_generate_sizes_find(fv_generator *g, fv_log *log) FV_MUST_USE;

#endif
