/* transfers.c - see transfers.h. */
#include "backend/cost/transfers.h"

#include <math.h>

fv_task_order fv_order_of_both(fv_task_order a, fv_task_order b) {
    double same = a.same > 0 && b.same > 0 ? fmin(a.same, b.same) : fmax(a.same, b.same);
    return (fv_task_order){same, fmax(a.most, b.most), a.cyclic || b.cyclic};
}

void fv_moved_add(fv_moved *block, const fv_moved *part) {
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
    fv_windows_add(&block->windows, &part->windows);
}

void fv_moved_access(fv_moved *block, const fv_cost_access *is) {
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
    fv_windows_add(&block->windows, &is->windows);
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

static void add_iterations(fv_iterations *to, double trips, double touched, double together) {
    to->n += trips;
    to->touched += trips * touched;
    to->together += trips * together;
}

void fv_moved_repeat(fv_moved *loop, const fv_moved *body, double trips, uint64_t bit,
                     double touched, double size, const fv_speeds *s) {
    bool varies = body->loops & bit;
    double apart = fv_windows_trips(&body->windows, bit, loop->iterations.n, trips);
    double all =
        varies ? loop->touched + apart * body->touched : fmax(loop->touched, body->touched);
    loop->touched = size >= 0 ? fmin(all, size) : all;
    for (int l = 0; l < FV_CACHE_LEVELS; l++) {
        bool stays = !varies && touched <= s->capacity[l];
        double bytes = body->bytes[l], during = body->during[l];
        double moving = touched <= s->capacity[l] ? apart : trips;
        loop->bytes[l] = stays ? fmax(loop->bytes[l], bytes) : loop->bytes[l] + moving * bytes;
        loop->during[l] = stays && !(body->ahead && l > 0) ? fmax(loop->during[l], during)
                                                           : loop->during[l] + trips * during;
    }
    fv_windows_repeat(&loop->windows, &body->windows, bit, loop->iterations.n, trips);
    if (varies && trips > 0)
        add_iterations(&loop->iterations, trips, body->touched * apart / trips, touched);
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

/* How many of `trips` iterations of a loop on which the addresses depend move their data into a
 * cache of `capacity` bytes; the other ones find in it what an earlier iteration moved. size: the
 * bytes of the buffer, negative if that is not known. */
static double moving_trips(const fv_moved *loop, double trips, double size, double capacity) {
    double touched = loop->iterations.touched / loop->iterations.n,
           together = loop->iterations.together / loop->iterations.n;
    double same = fmin(fmax(loop->order.same, 1), trips), places = trips / same;
    if (size < 0 || touched <= 0 || trips * touched <= size || together > capacity)
        return trips;
    /* iterations after which an address is accessed again, apart from consecutive ones */
    double different = fmax(size / touched, 1), cycle = same * different;
    if (loop->order.most > same)
        cycle = fmin(cycle, loop->order.most);
    bool again = different < places && (!loop->order.cyclic || cycle * together <= capacity);
    return again ? different : places;
}

/* Is the cache of this level one of a core? The last one is shared by all threads. */
static bool is_private(int level) {
    return level < FV_CACHE_LEVELS - 1;
}

/* Takes off what iterations find that earlier ones of the same thread have moved. */
static void find_again(fv_moved *loop, double threads, double size, const fv_speeds *s) {
    for (int l = 0; loop->iterations.n > 0 && l < FV_CACHE_LEVELS; l++) {
        double trips = is_private(l) ? loop->iterations.n / threads : loop->iterations.n;
        double part = moving_trips(loop, trips, size, s->capacity[l]) / trips;
        loop->bytes[l] *= part;
        loop->during[l] *= loop->ahead && l > 0 ? 1 : part;
    }
}

double fv_moved_by_thread(const fv_moved *loop, double threads) {
    double same = fmax(loop->order.same, 1), trips = loop->iterations.n / threads;
    if (loop->iterations.n <= 0 || threads <= 1)
        return loop->touched;
    double touched = loop->iterations.touched / loop->iterations.n;
    return fmin(loop->touched, fmax(trips / same, 1) * touched);
}

void fv_moved_end(fv_moved *loop, double together, double threads, double size,
                  const fv_speeds *s) {
    double mine = fv_moved_by_thread(loop, threads);
    find_again(loop, threads, size, s);
    for (int l = 0; l < FV_CACHE_LEVELS; l++) {
        double once = is_private(l) ? threads * mine : loop->touched;
        if (together > s->capacity[l] || loop->bytes[l] <= 0)
            continue;
        if (loop->bytes[l] > once || (is_private(l) && loop->iterations.n <= 0)) {
            loop->during[l] *= once / loop->bytes[l];
            loop->bytes[l] = once;
        }
    }
    loop->iterations = (fv_iterations){0};
}
