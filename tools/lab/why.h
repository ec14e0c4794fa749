/* why.h - `inspect --why`: what lowering decided, and why. */
#ifndef FV_TOOLS_LAB_WHY_H
#define FV_TOOLS_LAB_WHY_H

#include "backend/lowering/why.h"
#include "tools/command/named.h"
#include "tools/model/model.h"

/* What --why asks about; made before the model is read. */
typedef struct fv_why_query {
    fv_context *c;
    /* of a node, a value or a kernel, as the model has it; NULL: what costs most */
    const char *name;
    fv_reasons *reasons; /* for the driver's options; NULL: nobody asks */
    bool is;             /* there is such a node or value, by now */
    const char *gone;    /* the pass that left nothing of it; NULL: none did */
    fv_name_list names;  /* of nodes and values of the model as it was read */
    struct answer *answer;
} fv_why_query;

/* Sees to --why in the options of a driver. */
void fv_why_begin(fv_why_query *q, fv_context *c, fv_driver_options *o);
/* The model, before passes. */
void fv_why_read(fv_why_query *q, const fv_source *source);
/* Finds the answer, with the costs of the program's launches at the dims of m. False after a
 * message: there is no such name. */
bool fv_why_find(fv_why_query *q, const fv_subject *m, const fv_launch_cost *costs,
                 int ncosts) FV_MUST_USE;
void fv_why_print(const fv_why_query *q);
/* Sets "why" of the document, and what goes with it. */
void fv_why_json(const fv_why_query *q, json_t *document);

#endif
