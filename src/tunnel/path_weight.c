/* SPDX-License-Identifier: MIT */
#include "tunnel/path_weight.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SUBNET4     16
#define SUBNET6     32
#define HALVINGS    8
#define WEIGHT_UNIT 256 /* so that halved weights stay apart */

static uint32_t clamp(uint32_t value, uint32_t min, uint32_t max)
{
    return value < min ? min : value > max ? max : value;
}

uint32_t relay_weight(const struct known_relay *relay, uint64_t now)
{
    unsigned failures = known_failures(relay, now);
    uint32_t weight;

    if (relay->capacity != 0)
        weight =
            clamp(relay->capacity, WEIGHT_DECLARED_MIN, WEIGHT_MEASURED_MAX);
    else if (relay->d.bandwidth != 0)
        weight =
            clamp(relay->d.bandwidth, WEIGHT_DECLARED_MIN, WEIGHT_DECLARED_MAX);
    else
        weight = WEIGHT_DECLARED_DEFAULT;
    return weight * WEIGHT_UNIT >> (failures < HALVINGS ? failures : HALVINGS);
}

bool weighing_init(struct weighing *w, unsigned max)
{
    size_t room = max == 0 ? 1 : max;

    *w = (struct weighing){.max = max};
    w->relays = malloc(room * sizeof(const struct known_relay *));
    w->weights = malloc(room * sizeof(*w->weights));
    if (w->relays != NULL && w->weights != NULL)
        return true;
    weighing_deinit(w);
    return false;
}

void weighing_deinit(struct weighing *w)
{
    free(w->relays);
    free(w->weights);
}

void weighing_add(struct weighing *w, const struct known_relay *relay,
                  uint64_t now)
{
    assert(w->count < w->max);
    w->relays[w->count] = relay;
    w->weights[w->count] = relay_weight(relay, now);
    w->count++;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x, y;

    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return (x > y) - (x < y);
}

/* The lower of the two in the middle. 0 when there is no memory. */
static uint32_t median(const struct weighing *w)
{
    uint32_t *sorted = malloc(w->count * sizeof(*sorted)), result;

    if (sorted == NULL)
        return 0;
    memcpy(sorted, w->weights, w->count * sizeof(*sorted));
    qsort(sorted, w->count, sizeof(*sorted), ascending);
    result = sorted[(w->count - 1) / 2];
    free(sorted);
    return result;
}

static uint64_t capped(const struct weighing *w, unsigned i, uint64_t cap)
{
    return w->weights[i] < cap ? w->weights[i] : cap;
}

/* Below `bound`, without bias: what is left over at the top is drawn anew. */
static uint64_t uniform(const struct random_source *random, uint64_t bound)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound, value;

    do {
        random->fill(random->ctx, &value, sizeof(value));
    } while (value >= limit);
    return value % bound;
}

const struct known_relay *weighing_choose(const struct weighing *w,
                                          const struct random_source *random)
{
    uint64_t total = 0, cap, at;

    if (w->count == 0)
        return NULL;
    /* Out of memory, all weigh the same. */
    cap = (uint64_t)median(w) * WEIGHT_RATIO;
    if (cap == 0)
        cap = 1;
    for (unsigned i = 0; i < w->count; i++)
        total += capped(w, i, cap);
    at = uniform(random, total);
    for (unsigned i = 0; i < w->count; i++) {
        if (at < capped(w, i, cap))
            return w->relays[i];
        at -= capped(w, i, cap);
    }
    assert(0);
    return NULL;
}

static bool same_subnet(const struct endpoint *a, const struct endpoint *b)
{
    return endpoint_same_prefix(a, b,
                                a->family == FAMILY_IPV4 ? SUBNET4 : SUBNET6);
}

bool path_conflict(const struct descriptor *a, const struct descriptor *b,
                   bool testing_network)
{
    if (memcmp(a->identity, b->identity, sizeof(a->identity)) == 0)
        return true;
    if (a->has_family && b->has_family &&
        memcmp(a->family, b->family, sizeof(a->family)) == 0)
        return true;
    if (testing_network)
        return false;
    for (unsigned i = 0; i < a->address_count; i++)
        for (unsigned j = 0; j < b->address_count; j++)
            if (same_subnet(&a->addresses[i], &b->addresses[j]))
                return true;
    return false;
}
