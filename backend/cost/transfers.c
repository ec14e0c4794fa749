/* transfers.c - see transfers.h. */
#include "backend/cost/transfers.h"

#include <math.h>

fv_task_order fv_order_of_both(fv_task_order a, fv_task_order b) {
    double same = a.same > 0 && b.same > 0 ? fmin(a.same, b.same) : fmax(a.same, b.same);
    return (fv_task_order){same, a.cyclic || b.cyclic};
}

void fv_moved_also(fv_moved *block, const fv_moved *part) {
    block->touched = fmax(block->touched, part->touched);
    for (int l = 0; l < FV_CACHE_LEVELS; l++) {
        block->bytes[l] += part->bytes[l];
        block->during[l] += part->during[l];
    }
    block->loops |= part->loops;
    for (int i = 0; i < FV_STRIDES; i++)
        block->along[i] |= part->along[i];
    block->run = fmax(block->run, part->run);
    block->stored |= part->stored;
    block->loaded |= part->loaded;
    block->ahead |= part->ahead;
    block->order = fv_order_of_both(block->order, part->order);
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
    /* of a buffer that is loaded and stored, the loads move what the stores change */
    double bytes = is->is_store && block->loaded ? 0 : is->bytes;
    block->touched += bytes;
    for (int l = 0; l < FV_CACHE_LEVELS; l++)
        block->bytes[l] += bytes;
    block->run += bytes;
    block->loaded |= !is->is_store;
    for (int i = 0; i < FV_STRIDES; i++)
        block->along[i] |= is->along[i];
    block->loops |= is->loops;
    block->stored |= is->is_store;
    block->order = fv_order_of_both(block->order, is->order);
}

double fv_moved_touched(int n, const fv_moved *of) {
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += of[i].touched;
    return sum;
}

/* Do the iterations of the loop access consecutive bytes, one iteration after the other? */
static bool continues(const fv_moved *body, uint64_t bit) {
    for (int i = 0; i < FV_STRIDES; i++)
        if (body->along[i] & bit && (i == 0 || body->run >= FV_LINE << i))
            return true;
    return false;
}

/* How many of the `trips` iterations of a loop on which the addresses depend move their data into a
 * cache of `capacity` bytes; the other ones find in it what an earlier iteration moved. touched:
 * the bytes that an iteration touches of all buffers; size: those of the buffer, negative if that
 * is not known. */
static double moving_trips(const fv_moved *body, double trips, double touched, double size,
                           double capacity) {
    double same = fmin(fmax(body->order.same, 1), trips), places = trips / same;
    if (size < 0 || body->touched <= 0 || trips * body->touched <= size || touched > capacity)
        return trips;
    /* iterations after which an address is accessed again, apart from consecutive ones */
    double different = fmax(size / body->touched, 1), cycle = same * different;
    bool again = different < places && (!body->order.cyclic || cycle * touched <= capacity);
    return again ? different : places;
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
        double moving = varies ? moving_trips(body, trips, touched, size, s->capacity[l]) : trips;
        loop->bytes[l] = stays ? fmax(loop->bytes[l], bytes) : loop->bytes[l] + moving * bytes;
        bool once = stays && !(body->ahead && l > 0);
        double computing = body->ahead && l > 0 ? trips : moving;
        loop->during[l] =
            once ? fmax(loop->during[l], during) : loop->during[l] + computing * during;
    }
    bool along = continues(body, bit), goes_on = along || !varies;
    loop->run = fmax(loop->run, along ? trips * body->run : body->run);
    loop->loops |= body->loops & ~bit;
    for (int i = 0; i < FV_STRIDES; i++)
        loop->along[i] |= goes_on ? body->along[i] & ~bit : 0;
    loop->stored |= body->stored;
    loop->loaded |= body->loaded;
    loop->ahead |= body->ahead;
    loop->order = fv_order_of_both(loop->order, body->order);
}
