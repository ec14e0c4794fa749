/* shares.h - the shares that the parts of a model have of its inputs and outputs, and the inputs
 * and outputs that one stage has. */
#ifndef FV_TOOLS_MODEL_SHARES_H
#define FV_TOOLS_MODEL_SHARES_H

#include "tools/model/parts.h"

/* The table of the whole model, from that of one part: the sizes of the shares are added, and the
 * ports of other stages. NULL after a message: the table does not have a port of the list with a
 * share of this size, or has one of another stage. */
const fv_model *fv_shares_table(fv_context *c, const fv_parts_manifest *list, int rank,
                                const fv_subject *part);
/* A port that one stage has, from the list, with the dims that it has in a model that is compiled
 * for the values that the command gives to symbols. False after a message. */
bool fv_shares_port(fv_context *c, const fv_parts_port *p, fv_port_info *out) FV_MUST_USE;
/* Sets the inputs of a rank to its shares of those of the whole model, which have the dims of its
 * table; inputs without data (type 0) get none. States in place get memory with their capacity.
 * False after a message: a capacity is too small. */
bool fv_shares_cut(fv_context *c, const fv_parts_manifest *list, const fv_subject *whole, int rank,
                   fv_subject *part) FV_MUST_USE;
/* Sets the outputs of the whole model to those of the part `here`, and where these are shares, to
 * the shares of all ranks; those that one stage has are of its ranks. The ranks are those of `all`;
 * or, if `world` is not NULL, the other processes, which call this function as well; then only
 * process 0 gets outputs that one stage has. The arrays belong to the parts and to the arena.
 * False after a message: the outputs of two ranks do not fit together, or the exchange failed. */
bool fv_shares_join(fv_context *c, const fv_parts *p, const fv_communicator *world,
                    fv_subject *whole) FV_MUST_USE;

#endif
