/* SPDX-License-Identifier: MIT */
#include "sim/path/path.h"

#include "base/timestamp.h"
#include "sim/path/regions.h"

#include <assert.h>
#include <stdlib.h>

#define QUANTILES      4096
#define QUANTILE_SHIFT 52 /* the upper 12 bits of a number choose one */
#define LONGEST        (4 * TIME_S)
#define JITTER_SHIFT   4 /* a sixteenth */
#define LEAST_SHIFT    5 /* a 32nd of the median */

/* Streams of the seed, apart from each other and from those of nodes. */
enum stream { OF_PAIRS = 1, OF_REGIONS, OF_UPLINKS, OF_PARTITIONS };

struct path {
    struct path_config config;
    uint64_t streams[OF_PARTITIONS + 1];
    struct regions regions; /* count 0: none */
    uint32_t least;
    uint32_t delays[QUANTILES]; /* ascending */
};

/* ---- Numbers that follow from others ----------------------------------- */

static uint64_t number_of(const struct path *p, enum stream stream, uint64_t n)
{
    return sim_mix(p->streams[stream] + n * UINT64_C(0x9e3779b97f4a7c15));
}

/* ---- Making ------------------------------------------------------------ */

/* In ns; not 0, so that time passes on every path. */
static uint32_t delay_at(const struct spread *s, unsigned i)
{
    uint64_t ns = spread_quantile(s, (i + 0.5) / QUANTILES);
    uint64_t least = spread_quantile(s, 0.5) >> LEAST_SHIFT;

    if (ns < least)
        ns = least;
    if (ns == 0)
        ns = 1;
    return ns < LONGEST ? (uint32_t)ns : (uint32_t)LONGEST;
}

static void fill_delays(struct path *p)
{
    if (p->config.latency.kind == SPREAD_FOREVER)
        return;
    for (unsigned i = 0; i < QUANTILES; i++)
        p->delays[i] = delay_at(&p->config.latency, i);
    p->least = p->delays[0];
}

static bool is_given(const char *file)
{
    return file != NULL && file[0] != '\0';
}

static enum error load_regions(struct path *p, struct text *why)
{
    enum error err = OK;

    if (!is_given(p->config.regions))
        return OK;
    err = regions_load(&p->regions, p->config.regions, why);
    if (err == OK && is_given(p->config.places))
        err = regions_load_places(&p->regions, p->config.places, why);
    if (err == OK)
        p->least = regions_least(&p->regions);
    return err;
}

enum error path_new(const struct path_config *config, struct path **out,
                    struct text *why)
{
    struct path *p = calloc(1, sizeof(*p));
    enum error err;

    assert(config->partition_count <= PATH_PARTITIONS_MAX);
    if (p == NULL)
        return ERR_NO_MEMORY;
    p->config = *config;
    for (unsigned i = 0; i <= OF_PARTITIONS; i++)
        p->streams[i] = sim_mix(config->seed ^ sim_mix(i));
    fill_delays(p);
    err = load_regions(p, why);
    p->config.regions = p->config.places = NULL; /* not ours */
    if (err != OK) {
        path_free(p);
        return err;
    }
    *out = p;
    return OK;
}

void path_free(struct path *p)
{
    if (p == NULL)
        return;
    regions_deinit(&p->regions);
    free(p);
}

/* ---- Latency ----------------------------------------------------------- */

bool path_has_latency(const struct path *p)
{
    return p->least > 0;
}

uint32_t path_least(const struct path *p)
{
    assert(path_has_latency(p));
    return p->least;
}

uint16_t path_region(const struct path *p, uint32_t node)
{
    if (p->regions.count == 0)
        return 0;
    return regions_of_node(&p->regions, node, number_of(p, OF_REGIONS, node));
}

static uint32_t delay_of_pair(const struct path *p, uint32_t a, uint32_t b)
{
    uint64_t pair = a < b ? (uint64_t)a << 32 | b : (uint64_t)b << 32 | a;

    return p->delays[number_of(p, OF_PAIRS, pair) >> QUANTILE_SHIFT];
}

uint32_t path_delay(const struct path *p, struct path_end a, struct path_end b,
                    uint64_t draw)
{
    uint32_t delay;
    uint64_t jitter;

    if (p->regions.count > 0)
        delay = regions_delay(&p->regions, a.region, b.region);
    else
        delay = delay_of_pair(p, a.node, b.node);
    if (p->regions.count == 0 && p->config.latency.kind == SPREAD_FIXED)
        return delay;
    jitter = (draw >> 32) * (delay >> JITTER_SHIFT) >> 32;
    return delay + (uint32_t)jitter;
}

/* ---- Uplinks and partitions -------------------------------------------- */

uint32_t path_uplink(const struct path *p, uint32_t node)
{
    struct sim_rng r;
    uint64_t rate;

    if (p->config.uplink.kind == SPREAD_FOREVER)
        return 0;
    sim_rng_init(&r, p->streams[OF_UPLINKS], node);
    rate = spread_draw(&p->config.uplink, &r);
    if (rate == 0)
        return 1;
    return rate < UINT32_MAX ? (uint32_t)rate : UINT32_MAX;
}

static bool is_inside(const struct path *p, size_t partition, uint32_t node)
{
    uint64_t draw =
        number_of(p, OF_PARTITIONS, ((uint64_t)partition + 1) << 32 | node);

    return draw >> 11 <
           sim_rng_threshold(p->config.partitions[partition].share);
}

bool path_cuts(const struct path *p, uint32_t a, uint32_t b, uint64_t now)
{
    for (size_t i = 0; i < p->config.partition_count; i++)
        if (now >= p->config.partitions[i].from &&
            now < p->config.partitions[i].to &&
            is_inside(p, i, a) != is_inside(p, i, b))
            return true;
    return false;
}
