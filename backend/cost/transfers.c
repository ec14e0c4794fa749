/* transfers.c - see transfers.h. */
#include "backend/cost/transfers.h"

#include <math.h>

void fv_moved_also(fv_moved *block, const fv_moved *part) {
    block->touched = fmax(block->touched, part->touched);
    for (int l = 0; l < FV_CACHE_LEVELS; l++) {
        block->bytes[l] += part->bytes[l];
        block->during[l] += part->during[l];
    }
    block->loops |= part->loops;
    block->along |= part->along;
    block->run = fmax(block->run, part->run);
    block->stored |= part->stored;
    block->ahead |= part->ahead;
}

void fv_moved_end(fv_moved *loop, double together, const fv_speeds *s) {
    for (int l = 0; l < FV_CACHE_LEVELS; l++) {
        if (together > s->capacity[l] || loop->bytes[l] <= loop->touched)
            continue;
        loop->during[l] *= loop->touched / loop->bytes[l];
        loop->bytes[l] = loop->touched;
    }
}

void fv_moved_access(fv_moved *block, const fv_access *is) {
    block->ahead |= is->is_ahead;
    if (is->is_ahead)
        return;
    block->touched += is->bytes;
    for (int l = 0; l < FV_CACHE_LEVELS; l++)
        block->bytes[l] += is->bytes;
    block->run += is->bytes;
    block->along |= is->along;
    block->loops |= is->loops;
    block->stored |= is->is_store;
}

double fv_moved_touched(int n, const fv_moved *of) {
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += of[i].touched;
    return sum;
}

void fv_moved_repeat(fv_moved *loop, const fv_moved *body, double trips, uint64_t bit,
                     double touched, double size, const fv_speeds *s) {
    bool varies = body->loops & bit;
    double all =
        varies ? loop->touched + trips * body->touched : fmax(loop->touched, body->touched);
    loop->touched = size >= 0 ? fmin(all, size) : all;
    for (int l = 0; l < FV_CACHE_LEVELS; l++) {
        bool stays = !varies && touched <= s->capacity[l];
        double bytes = body->bytes[l], during = body->during[l];
        loop->bytes[l] = stays ? fmax(loop->bytes[l], bytes) : loop->bytes[l] + trips * bytes;
        bool once = stays && !(body->ahead && l > 0);
        loop->during[l] = once ? fmax(loop->during[l], during) : loop->during[l] + trips * during;
    }
    bool goes_on = body->along & bit || !varies;
    loop->run = fmax(loop->run, body->along & bit ? trips * body->run : body->run);
    loop->loops |= body->loops & ~bit;
    loop->along |= goes_on ? body->along & ~bit : 0;
    loop->stored |= body->stored;
    loop->ahead |= body->ahead;
}
