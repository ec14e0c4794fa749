/* rank_limits.h - limits of runs of several ranks. */
#ifndef FV_RUNTIME_RANK_LIMITS_H
#define FV_RUNTIME_RANK_LIMITS_H

#define FV_MAX_RANKS   1024 /* largest number of ranks that are threads, or of parts of a model */
#define FV_MAX_TIMEOUT 1e6  /* largest number of seconds that a rank waits for others */

#endif
