/* attend_scores.h - what register tiles store for the scores of an attention. */
#ifndef FV_BACKEND_SCHEDULE_ATTEND_ATTEND_SCORES_H
#define FV_BACKEND_SCHEDULE_ATTEND_ATTEND_SCORES_H

#include "backend/schedule/attend/attend.h"

/* Chooses what tiles store for a score, as an expression of the score: sets p->stored, and p->tiled
 * to p->weights with loads of that. p->weights must be complete. */
void fv_attend_choose_stored(fv_attend_plan *p);

#endif
