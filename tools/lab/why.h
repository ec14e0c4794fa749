/* why.h - `inspect --why`: reports the decisions of lowering and their reasons. */
#ifndef FV_TOOLS_LAB_WHY_H
#define FV_TOOLS_LAB_WHY_H

#include "backend/lowering/why.h"
#include "tools/command/named.h"
#include "tools/model/model.h"

/* The question of --why; it is created before the model is read. */
typedef struct fv_why_query {
    fv_context *c;
    /* name of a node, value or kernel; NULL: the kernels with the largest estimated time */
    const char *name;
    /* the record of decisions, set in the options of the driver; NULL: --why is not given */
    fv_reasons *reasons;
    bool is; /* whether a node or value of that name was found */
    /* the pass after which the name does not occur any more; NULL: there is no such pass */
    const char *gone;
    fv_name_list names; /* names of nodes and values of the model as it was read */
    struct answer *answer;
} fv_why_query;

/* Prepares the options of a driver for --why. */
void fv_why_begin(fv_why_query *q, fv_context *c, fv_driver_options *o);
/* Records the names of the model; must be called before the passes run. */
void fv_why_read(fv_why_query *q, const fv_source *source);
/* Prepares the report, with the costs of the program's launches at the dims of m. False after a
 * message: there is no such name. */
bool fv_why_find(fv_why_query *q, const fv_subject *m, const fv_launch_cost *costs,
                 int ncosts) FV_MUST_USE;
void fv_why_print(const fv_why_query *q);
/* Adds the member "why" to the document. */
void fv_why_json(const fv_why_query *q, json_t *document);

#endif
