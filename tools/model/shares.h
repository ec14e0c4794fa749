/* shares.h - the shares that the parts of a model have of its inputs and outputs. */
#ifndef FV_TOOLS_MODEL_SHARES_H
#define FV_TOOLS_MODEL_SHARES_H

#include "tools/model/parts.h"

/* The table of the whole model, from that of one part: the sizes of the shares are added. NULL
 * after a message: the table does not have a port of the list with a share of this size. */
const fv_model *fv_shares_table(fv_context *c, const fv_parts_manifest *list, int rank,
                                const fv_model *part);
/* Sets the inputs of a rank to its shares of those of the whole model, which have the dims of its
 * table; inputs without data (type 0) get none. */
void fv_shares_cut(fv_context *c, const fv_parts_manifest *list, const fv_subject *whole, int rank,
                   fv_subject *part);
/* Sets the outputs of the whole model to those of the part `here`, and where these are shares, to
 * the shares of all ranks: those of `all`; or, if `world` is not NULL, those of the other
 * processes, which call this function as well. The arrays belong to the parts and to the arena.
 * False after a message: the outputs of two ranks do not fit together, or the exchange failed. */
bool fv_shares_join(fv_context *c, const fv_parts *p, const fv_communicator *world,
                    fv_subject *whole) FV_MUST_USE;

#endif
