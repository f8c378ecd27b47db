/* SPDX-License-Identifier: MIT
 *
 * A run goes on from second to second of virtual time. Between two of them
 * the parts count what has ended and begin what is due; then, when its time
 * has come, a sample is taken. The warm-up is the same without measures.
 */
#include "sim/experiment/experiment.h"

#include "sim/measure/trace_log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct part_kind *const kinds[] = {
    &dht_work, &dht_probe, &dht_enemy, &tunnel_work, &tunnel_enemy};
#define PARTS (sizeof(kinds) / sizeof(kinds[0]))

struct experiment {
    const struct scenario *scenario;
    struct laboratory lab;
    struct trace_log traces;
    struct path *path; /* what lies between nodes */
    void *part[PARTS]; /* NULL: nothing to do for it */
    uint64_t start;    /* the network's first `now` */
    uint64_t ends;
    uint64_t sample; /* when the next one is due; TIME_NEVER: not yet */
};

static enum error make_network(struct experiment *x, struct text *why)
{
    struct sim_config config;
    enum error err;

    sim_config_init(&config);
    config.addressing = SIM_ADDRESS_GLOBAL;
    x->start = config.start;
    x->lab.begins = x->start + x->scenario->run.warmup;
    x->ends = x->lab.begins + x->scenario->run.duration;
    err =
        population_network(x->scenario, x->lab.begins, &config, &x->path, why);
    return err == OK ? sim_new(&config, &x->lab.sim) : err;
}

static enum error make_parts(struct experiment *x)
{
    enum error err = OK;

    for (size_t i = 0; i < PARTS && err == OK; i++)
        err = kinds[i]->make(&x->lab, &x->part[i]);
    return err;
}

enum error experiment_new(const struct scenario *scenario,
                          struct experiment **out, struct text *why)
{
    struct experiment *x = calloc(1, sizeof(*x));
    enum error err;

    if (x == NULL)
        return ERR_NO_MEMORY;
    x->scenario = scenario;
    x->sample = TIME_NEVER;
    x->lab = (struct laboratory){.scenario = scenario, .traces = &x->traces};
    err = make_network(x, why);
    if (err == OK) {
        x->lab.measures = measures_new(scenario->run.sample);
        err = x->lab.measures == NULL ? ERR_NO_MEMORY : OK;
    }
    if (err == OK)
        err = population_new(scenario, x->lab.sim, &x->lab.population, why);
    if (err == OK)
        err = make_parts(x);
    if (err == OK)
        err = population_begin(x->lab.population);
    if (err != OK)
        experiment_free(x);
    else
        *out = x;
    return err;
}

/* The network first: its engines may still tell the parts something. */
void experiment_free(struct experiment *x)
{
    if (x == NULL)
        return;
    sim_free(x->lab.sim);
    for (size_t i = 0; i < PARTS; i++) {
        if (x->part[i] != NULL)
            kinds[i]->free(x->part[i]);
    }
    population_free(x->lab.population);
    path_free(x->path);
    measures_free(x->lab.measures);
    trace_log_deinit(&x->traces);
    free(x);
}

/* ---- Steps --------------------------------------------------------------- */

/* The end of the second that has begun, or what comes before it. */
static uint64_t next_stop(const struct experiment *x, uint64_t now)
{
    uint64_t at = now - (now - x->start) % PART_HARVEST + PART_HARVEST;

    if (now < x->lab.begins && x->lab.begins < at)
        at = x->lab.begins;
    if (x->sample < at)
        at = x->sample;
    return x->ends < at ? x->ends : at;
}

static enum error harvest(struct experiment *x, uint64_t now)
{
    enum error err = population_error(x->lab.population);

    for (size_t i = 0; i < PARTS && err == OK; i++) {
        if (x->part[i] != NULL)
            err = kinds[i]->harvest(x->part[i], now);
    }
    return err;
}

static enum error sample(struct experiment *x, uint64_t now)
{
    for (size_t i = 0; i < PARTS; i++) {
        if (x->part[i] != NULL && kinds[i]->sample != NULL)
            kinds[i]->sample(x->part[i], now);
    }
    x->sample = now + x->scenario->run.sample;
    return measures_sample(x->lab.measures, now);
}

enum error experiment_step(struct experiment *x, bool *done)
{
    struct sim *s = x->lab.sim;
    uint64_t now = sim_now(s);
    enum error err;

    if (x->sample == TIME_NEVER && now >= x->lab.begins) {
        measures_begin(x->lab.measures, now);
        x->sample = now + x->scenario->run.sample;
    }
    *done = now >= x->ends;
    if (*done)
        return OK;
    sim_run_until(s, next_stop(x, now));
    now = sim_now(s);
    err = harvest(x, now);
    if (err == OK && now >= x->lab.begins && x->sample != TIME_NEVER &&
        (now >= x->sample || now >= x->ends))
        err = sample(x, now);
    *done = now >= x->ends;
    return err;
}

/* ---- For whoever looks on ------------------------------------------------ */

uint64_t experiment_time(const struct experiment *x, uint64_t *all)
{
    *all = x->ends - x->start;
    return sim_now(x->lab.sim) - x->start;
}

uint32_t experiment_present(const struct experiment *x)
{
    return population_present(x->lab.population);
}

uint64_t experiment_datagrams(const struct experiment *x)
{
    struct sim_stats stats;

    sim_stats(x->lab.sim, &stats);
    return stats.offered;
}

const struct measures *experiment_measures(const struct experiment *x)
{
    return x->lab.measures;
}

const struct trace_log *experiment_traces(const struct experiment *x)
{
    return &x->traces;
}

struct measures *experiment_end(struct experiment *x, struct trace_log *traces)
{
    struct measures *measures = x->lab.measures;

    x->lab.measures = NULL;
    if (traces != NULL) {
        *traces = x->traces;
        x->traces = (struct trace_log){0};
    }
    experiment_free(x);
    return measures;
}
