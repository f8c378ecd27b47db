/* SPDX-License-Identifier: MIT */
#include "sim/part/dht/trace.h"

#include "sim/measure/trace_log.h"

#include <stdlib.h>

#define STEPS_MAX 256 /* a lookup has some twenty */

struct errand_trace {
    size_t count;
    struct {
        struct dht_step step;
        uint64_t told; /* when; after a time-out no answer says it */
    } steps[STEPS_MAX];
};

static bool is_hostile(const struct laboratory *lab, const struct endpoint *ep)
{
    uint32_t node = sim_node_at(lab->sim, ep);
    const struct population_member *m =
        node == SIM_NODE_NONE ? NULL
                              : population_of_node(lab->population, node);

    return m != NULL && m->hostile;
}

static void on_step(void *arg, const struct dht_step *step)
{
    struct errand *a = arg;
    struct errand_trace *t = a->trace;

    a->seen = a->seen || is_hostile(a->lab, &step->to);
    /* Where the lookup ended first, nothing came of it. */
    if (t == NULL || t->count == STEPS_MAX || step->early)
        return;
    t->steps[t->count].step = *step;
    t->steps[t->count++].told = sim_now(a->lab->sim);
}

enum error dht_trace_start(struct errand *a, bool keep)
{
    if (keep) {
        a->trace = malloc(sizeof(*a->trace));
        if (a->trace == NULL)
            return ERR_NO_MEMORY;
        a->trace->count = 0;
    }
    a->r.on_step = on_step;
    a->r.on_step_arg = a;
    return OK;
}

static enum trace_outcome outcome_of(const struct dht_step *step)
{
    switch (step->outcome) {
    case DHT_STEP_ANSWERED:
        return step->values > 0 ? TRACE_VALUES : TRACE_ANSWERED;
    case DHT_STEP_ERROR:
        return TRACE_ANSWERED;
    case DHT_STEP_DISTRUST:
        return TRACE_DISTRUSTED;
    case DHT_STEP_TIMEOUT:
    case DHT_STEP_UNSENT:
        break;
    }
    return TRACE_TIMEOUT;
}

enum error dht_trace_keep(const struct laboratory *lab, const struct errand *a,
                          uint32_t lookup)
{
    const struct errand_trace *t = a->trace;
    const struct sim_dht *n = sim_dht_of(lab->sim, a->r.node);

    for (size_t i = 0; n != NULL && i < t->count; i++) {
        const struct dht_step *step = &t->steps[i].step;
        uint64_t ended = step->answered_at != TIME_NEVER ? step->answered_at
                                                         : t->steps[i].told;
        const struct trace_step row = {
            .lookup = lookup,
            .target = a->target,
            .asker = n->id[step->to.family],
            .asked = step->id,
            .asked_at = time_since(a->r.began, step->asked_at),
            .took = time_since(step->asked_at, ended),
            .hop = step->hop,
            .outcome = outcome_of(step),
            .hostile = is_hostile(lab, &step->to),
        };
        enum error err = trace_log_add(lab->traces, &row);

        if (err != OK)
            return err;
    }
    return OK;
}
