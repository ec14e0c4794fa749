/* transfers.c - see transfers.h. */
#include "backend/cost/transfers.h"

static double most(double a, double b) {
    return a > b ? a : b;
}

static double least(double a, double b) {
    return a < b ? a : b;
}

void fv_moved_also(fv_moved *block, const fv_moved *part) {
    block->touched = most(block->touched, part->touched);
    for (int l = 0; l < FV_CACHE_LEVELS; l++) {
        block->bytes[l] += part->bytes[l];
        block->during[l] += part->during[l];
    }
    block->loops |= part->loops;
}

void fv_moved_end(fv_moved *loop, double together, const fv_speeds *s) {
    for (int l = 0; l < FV_CACHE_LEVELS; l++) {
        if (together > s->capacity[l] || loop->bytes[l] <= loop->touched)
            continue;
        loop->during[l] *= loop->touched / loop->bytes[l];
        loop->bytes[l] = loop->touched;
    }
}

void fv_moved_access(fv_moved *block, double bytes, uint64_t loops) {
    block->touched += bytes;
    for (int l = 0; l < FV_CACHE_LEVELS; l++)
        block->bytes[l] += bytes;
    block->loops |= loops;
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
        varies ? loop->touched + trips * body->touched : most(loop->touched, body->touched);
    loop->touched = size >= 0 ? least(all, size) : all;
    for (int l = 0; l < FV_CACHE_LEVELS; l++) {
        bool stays = !varies && touched <= s->capacity[l];
        double bytes = body->bytes[l], during = body->during[l];
        loop->bytes[l] = stays ? most(loop->bytes[l], bytes) : loop->bytes[l] + trips * bytes;
        loop->during[l] = stays ? most(loop->during[l], during) : loop->during[l] + trips * during;
    }
    loop->loops |= body->loops & ~bit;
}
