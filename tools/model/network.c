/* network.c - the time of exchanges, and the syntax of --link. */
#include "tools/model/network.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const topologies[] = {
    [FV_DIRECT] = "direct", [FV_RING] = "ring", [FV_TREE] = "tree"};

/* A unit, and how many bytes per second, or seconds, one of it is. */
typedef struct unit {
    const char *name;
    double size;
} unit;

static const unit rates[] = {{"B/s", 1},          {"kB/s", 1e3},        {"MB/s", 1e6},
                             {"GB/s", 1e9},       {"TB/s", 1e12},       {"Mbit/s", 1e6 / 8},
                             {"Gbit/s", 1e9 / 8}, {"Tbit/s", 1e12 / 8}, {NULL, 0}};
static const unit times[] = {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {NULL, 0}};

/* Parses a number with a unit, the first n characters of the text; false: it is none. */
static bool quantity(const char *text, size_t n, const unit *units, double *out) {
    char *end;
    double x = strtod(text, &end);
    size_t number = (size_t)(end - text);
    if (!number || number >= n || !(x >= 0))
        return false;
    for (; units->name; units++)
        if (strlen(units->name) == n - number && !strncmp(end, units->name, n - number)) {
            *out = x * units->size;
            return isfinite(*out);
        }
    return false;
}

static bool parse_topology(const char *text, fv_network *out) {
    for (int i = 0; i <= FV_TREE; i++)
        if (!strcmp(text, topologies[i])) {
            out->topology = (fv_topology)i;
            return true;
        }
    return false;
}

bool fv_network_parse(const fv_args *a, const char *text, fv_network *out) {
    size_t rate = strcspn(text, ","), time = text[rate] ? strcspn(text + rate + 1, ",") : 0;
    const char *rest = text + rate + (text[rate] != 0) + time;
    *out = (fv_network){0};
    bool ok = quantity(text, rate, rates, &out->bandwidth) && out->bandwidth >= 1 && time &&
              quantity(text + rate + 1, time, times, &out->latency) &&
              (!*rest || parse_topology(rest + 1, out));
    return ok || fv_usage(a,
                          "--link takes a bandwidth and a latency, such as 25GB/s,2us, and then "
                          "direct, ring or tree: not '%s'",
                          text) == FV_EXIT_OK;
}

/* The logarithm of n to the base 2, rounded up. */
static int steps_of(int n) {
    int steps = 0;
    while ((1 << steps) < n)
        steps++;
    return steps;
}

int fv_network_messages(const fv_network *w, int n) {
    return w->topology == FV_TREE ? steps_of(n) : n - 1;
}

double fv_network_seconds(const fv_network *w, int n, double bytes) {
    int steps = n < 2 ? 0 : w->topology == FV_DIRECT ? 1 : fv_network_messages(w, n);
    return steps * w->latency + (n - 1) * bytes / w->bandwidth;
}

const char *fv_topology_name(fv_topology t) {
    return topologies[t];
}

const char *fv_network_str(fv_arena *a, const fv_network *w) {
    return fv_printf(a, "%g GB/s, %g us, %s", 1e-9 * w->bandwidth, 1e6 * w->latency,
                     topologies[w->topology]);
}
