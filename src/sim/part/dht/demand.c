/* SPDX-License-Identifier: MIT */
#include "sim/part/dht/demand.h"

#include "base/timestamp.h"
#include "sim/chance/real.h"
#include "sim/chance/spread.h"

#include <stdlib.h>

#define WHOLE       (UINT64_C(1) << 63)
#define KEY_STREAMS UINT64_C(0x6b65790000000000) /* "key" */

unsigned demand_arrivals(struct sim_rng *r, double rate, uint32_t nodes,
                         uint64_t time)
{
    double mean;
    struct spread wait = {.kind = SPREAD_EXPONENTIAL};
    uint64_t at = 0;
    unsigned n = 0;

    if (rate * nodes <= 0)
        return 0;
    mean = (double)TIME_HOUR / (rate * nodes);
    if (mean >= 1e18)
        return 0;
    wait.a = mean < 1000 ? 1000 : (uint64_t)mean; /* a million a second */
    /* What is left of a wait is again exponential: nothing is to be kept. */
    while ((at = time_after(at, spread_draw(&wait, r))) < time)
        n++;
    return n;
}

enum error popularity_init(struct popularity *p, enum scenario_popularity how,
                           double exponent, uint32_t count)
{
    double sum = 0, all = 0;

    *p = (struct popularity){.count = count};
    if (how == POPULAR_UNIFORM || count == 0)
        return OK;
    p->below = malloc(count * sizeof(*p->below));
    if (p->below == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        all += real_pow(i + 1.0, -exponent);
    for (uint32_t i = 0; i < count; i++) {
        sum += real_pow(i + 1.0, -exponent);
        p->below[i] = (uint64_t)(sum / all * (double)WHOLE);
    }
    p->below[count - 1] = WHOLE;
    return OK;
}

void popularity_deinit(struct popularity *p)
{
    free(p->below);
    *p = (struct popularity){0};
}

uint32_t popularity_draw(const struct popularity *p, struct sim_rng *r)
{
    uint32_t low = 0, high = p->count;
    uint64_t x;

    if (p->below == NULL)
        return sim_rng_below(r, p->count);
    x = sim_rng_next(r) >> 1;
    while (low < high) { /* the first that x is below of */
        uint32_t middle = low + (high - low) / 2;

        if (x < p->below[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void demand_key(uint64_t seed, uint32_t key, struct id *out)
{
    struct sim_rng r;

    sim_rng_init(&r, seed, KEY_STREAMS + key);
    sim_rng_fill(&r, out->b, ID_BYTES);
}
