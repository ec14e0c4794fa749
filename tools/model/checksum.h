/* checksum.h - XXH64, a hash that notices what happens by accident. It is as fast as memory. */
#ifndef FV_TOOLS_MODEL_CHECKSUM_H
#define FV_TOOLS_MODEL_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "ir/base/arena.h"

/* seed: 0, or the checksum of what precedes the data */
uint64_t fv_checksum(const void *data, size_t bytes, uint64_t seed);
/* The same of data in a file that the session has mapped: they leave the memory once they were
 * read. */
uint64_t fv_checksum_mapped(fv_session *s, const void *data, size_t bytes, uint64_t seed);

#endif
