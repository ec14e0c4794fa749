/* call_arguments.h - random arguments of functions of fovea.h: NULL, wrong or right ones. A pointer
 * is NULL or points to an object of its type. */
#ifndef FV_TESTS_TOOLS_CALL_ARGUMENTS_H
#define FV_TESTS_TOOLS_CALL_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/fovea.h"

enum { MODELS = 4, PORTS = 8, MEMORY = 1 << 18, KEPT = 3 };

/* Models as text, and the states with which they are compiled. */
extern const char *const texts[MODELS];
extern const char *const states_of_models[MODELS][3];

typedef struct calls {
    uint64_t random;
    char folder[64], path[80], out[80], adapter[80];
    unsigned char *memory; /* of all arrays */
    fv_log *log;
    fv_artifact *models[MODELS];
    fv_pool *pool;
    fv_states *states[KEPT];
    int model_of[KEPT]; /* of states */
    fv_generator *generators[KEPT];
    fv_ranks *ranks;
    fv_adapter *values;                  /* of h, an input of the model `two` */
    int function, refused[40], done[40]; /* which is called, and how often with which result */
} calls;

extern calls t;

/* A random number below n. */
uint64_t below(uint64_t n);
/* True once in n times. */
bool one_in(uint64_t n);
fv_log *a_log(void);
fv_artifact *a_model(void);
const fv_model *a_table(void);
/* A name, a dim, an option, or text that is none of these; may be NULL. */
const char *a_text(void);
/* A list that ends with NULL, or NULL. */
const char *const *a_list(void);
/* Dims that a real array could have: those of one with data are small. */
int64_t a_dim(bool has_data);
fv_array an_array(void);
/* An array that fits the port if the symbols are 2; often with one fault. */
fv_array fitting(const fv_model *m, const fv_port_info *p);
/* Inputs of m, or NULL; `may_leave_out`: most inputs but the first are not given. */
const fv_array *some_inputs(const fv_model *m, bool may_leave_out);
fv_array *some_outputs(const fv_model *m);
/* Is p in the memory of all arrays? */
bool is_ours(const void *p);
void free_outputs(fv_array *out);
const fv_run_options *run_options(void);
const fv_compile_options *compile_options(void);
const fv_generate_options *generate_options(void);
const char *a_path(void);
/* A file to write, in the folder of the test; NULL, or in a folder that does not exist. */
const char *an_out(void);

#endif
