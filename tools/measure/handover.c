/* handover.c - see handover.h. Two threads increment a counter in turns; each waits until it has
 * seen the other's value, for which the line of the cache moves from core to core. */
#include "tools/measure/handover.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tools/measure/caches.h"
#include "tools/model/runner.h"

enum {
    TURNS = 20000,
    SAMPLES = 9,
    /* a thread that has read the counter so often without a change ends the measurement, because
     * the other thread does not run */
    PATIENCE = 100000000
};

typedef struct counter {
    _Alignas(128) _Atomic int64_t value;
    _Atomic int given_up;
} counter;

/* Waits until the counter has the parity of this thread, and increments it, TURNS times. */
static void take_turns(counter *c, int64_t parity) {
    for (int i = 0; i < TURNS; i++) {
        int64_t waited = 0;
        while ((atomic_load_explicit(&c->value, memory_order_acquire) & 1) != parity)
            if (++waited == PATIENCE || atomic_load_explicit(&c->given_up, memory_order_relaxed)) {
                atomic_store(&c->given_up, 1);
                return;
            }
        atomic_fetch_add_explicit(&c->value, 1, memory_order_acq_rel);
    }
}

static void *other(void *arg) {
    take_turns(arg, 1);
    return NULL;
}

fv_measure fv_measure_handover(void) {
    double values[SAMPLES];
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
        return (fv_measure){0};
    for (int i = 0; i < SAMPLES; i++) {
        counter c = {0};
        pthread_t thread;
        if (pthread_create(&thread, NULL, other, &c))
            return (fv_measure){0};
        double start = fv_now_ms();
        take_turns(&c, 0);
        values[i] = 1e6 * (fv_now_ms() - start) / (double)(2 * TURNS);
        pthread_join(thread, NULL);
        if (atomic_load(&c.given_up))
            return (fv_measure){0};
    }
    return fv_measure_best(SAMPLES, values, false);
}
