/* attention.h - what others ask of the schedule of attention. */
#ifndef FV_BACKEND_SCHEDULE_ATTENTION_H
#define FV_BACKEND_SCHEDULE_ATTENTION_H

#include "backend/fuse/attention.h"

/* Is d attention, both of whose products are contractions? Decides, and does nothing. */
bool fv_is_attended(fv_lowerer *l, const fv_definition *d, fv_attention *at) FV_MUST_USE;

#endif
