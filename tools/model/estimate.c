/* estimate.c - see estimate.h. */
#include "tools/model/estimate.h"

#include "backend/cost/predict.h"

static double at_peak_ms(const fv_speeds *s, double flops) {
    const double bytes = 4, operations = 2; /* of an f32; of a multiply-add */
    double per_cycle = operations * s->vector.bytes / bytes * s->multiplies;
    return per_cycle > 0 ? 1e-6 * flops / (per_cycle * s->ghz) : 0;
}

fv_estimate *fv_estimate_launches(fv_arena *a, const fv_program *p, const int64_t *dims,
                                  int threads, int n, const fv_launch_cost *costs) {
    fv_prediction *predicted = FV_NEW(a, fv_prediction, n + 1);
    fv_estimate *each = FV_NEW(a, fv_estimate, n + 1);
    fv_speeds s = fv_speeds_of(p->target);
    fv_predict_launches(a, p, dims, &s, threads, n, costs, predicted);
    for (int i = 0; i < n; i++) {
        double computing = at_peak_ms(&s, costs[i].cost.flops) / threads;
        double moving = predicted[i].transfers;
        each[i].known = costs[i].known && predicted[i].known;
        each[i].ms = each[i].known ? predicted[i].ms : 0;
        each[i].into_cores = each[i].known ? predicted[i].into_cores : 0;
        each[i].from_memory = each[i].known ? predicted[i].from_memory : 0;
        each[i].least = !each[i].known ? 0 : computing > moving ? computing : moving;
    }
    return each;
}

fv_estimate fv_estimate_sum(const fv_kernel *kernel, int n, const fv_launch_cost *costs,
                            const fv_estimate *each) {
    fv_estimate sum = {0};
    for (int i = 0; i < n; i++) {
        if (kernel && costs[i].kernel != kernel)
            continue;
        sum.known |= each[i].known;
        sum.ms += each[i].ms;
        sum.least += each[i].least;
        sum.into_cores += each[i].into_cores;
        sum.from_memory += each[i].from_memory;
    }
    return sum;
}

const char *fv_estimate_source(fv_arena *a, const fv_target *t) {
    return fv_printf(a, "%s, %s",
                     t->own.speeds ? "the profile of the machine" : "the table of processors",
                     fv_processor_of(t)->name);
}
