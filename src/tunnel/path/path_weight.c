/* SPDX-License-Identifier: MIT
 *
 * One draw, in proportion to capacity times trust. The medians that capacities
 * are measured by are those of the relays to choose from, not of all that are
 * known.
 */
#include "tunnel/path/path_weight.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define HALVINGS 8

static uint32_t clamp(uint32_t value, uint32_t min, uint32_t max)
{
    return value < min ? min : value > max ? max : value;
}

uint32_t relay_trust(const struct known_relay *relay, uint64_t now)
{
    unsigned failures = known_failures(relay, now);
    uint32_t left = DOUBT_WHOLE - known_doubt(relay, now);
    uint32_t trust = left * left; /* at most TRUST_WHOLE */

    trust >>= failures < HALVINGS ? failures : HALVINGS;
    return trust == 0 ? 1 : trust;
}

bool weighing_init(struct weighing *w, unsigned max)
{
    size_t room = max == 0 ? 1 : max;

    *w = (struct weighing){.max = max};
    w->relays = malloc(room * sizeof(const struct known_relay *));
    w->trusts = malloc(room * sizeof(*w->trusts));
    w->sorted = malloc(room * sizeof(*w->sorted));
    if (w->relays != NULL && w->trusts != NULL && w->sorted != NULL)
        return true;
    weighing_deinit(w);
    return false;
}

void weighing_deinit(struct weighing *w)
{
    free(w->relays);
    free(w->trusts);
    free(w->sorted);
}

void weighing_add(struct weighing *w, const struct known_relay *relay,
                  uint64_t now)
{
    assert(w->count < w->max);
    w->relays[w->count] = relay;
    w->trusts[w->count] = relay_trust(relay, now);
    w->count++;
}

/* By where they answered from, if they have. */
static bool are_neighbours(const struct known_relay *a,
                           const struct known_relay *b)
{
    return source_same(&a->d.addresses[0], &b->d.addresses[0], SOURCE_NETWORK);
}

void weighing_by_network(struct weighing *w, bool testing_network)
{
    for (unsigned i = 0; i < w->count && !testing_network; i++) {
        unsigned same = 0;

        for (unsigned j = 0; j < w->count; j++)
            same += are_neighbours(w->relays[i], w->relays[j]);
        w->trusts[i] /= same;
        if (w->trusts[i] == 0)
            w->trusts[i] = 1;
    }
}

/* ---- Capacities --------------------------------------------------------- */

/* kB/s; `usual` is the median of those that were measured, or 0. */
static uint32_t capacity_of(const struct known_relay *relay, uint32_t usual)
{
    uint32_t declared = relay->d.bandwidth;

    if (relay->record.capacity != 0)
        return clamp(relay->record.capacity, WEIGHT_MIN, WEIGHT_MEASURED_MAX);
    if (usual != 0)
        return declared == 0 ? usual : clamp(declared, WEIGHT_MIN, usual);
    return declared == 0 ? WEIGHT_DECLARED_DEFAULT
                         : clamp(declared, WEIGHT_MIN, WEIGHT_DECLARED_MAX);
}

static int ascending(const void *a, const void *b)
{
    uint32_t x, y;

    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return (x > y) - (x < y);
}

/* The lower of the two in the middle; 0 of none. */
static uint32_t median(uint32_t *values, unsigned count)
{
    if (count == 0)
        return 0;
    qsort(values, count, sizeof(*values), ascending);
    return values[(count - 1) / 2];
}

static uint32_t usual_of(const struct weighing *w)
{
    unsigned count = 0;

    for (unsigned i = 0; i < w->count; i++)
        if (w->relays[i]->record.capacity != 0)
            w->sorted[count++] = capacity_of(w->relays[i], 0);
    return median(w->sorted, count);
}

static uint32_t middle_of(const struct weighing *w, uint32_t usual)
{
    for (unsigned i = 0; i < w->count; i++)
        w->sorted[i] = capacity_of(w->relays[i], usual);
    return median(w->sorted, w->count);
}

/* ---- Choosing ----------------------------------------------------------- */

struct scale {
    uint32_t usual, middle;
};

static uint64_t weight_of(const struct weighing *w, unsigned i,
                          const struct scale *s)
{
    const struct known_relay *relay = w->relays[i];
    uint64_t capacity = capacity_of(relay, s->usual);
    uint64_t most = (uint64_t)s->middle * WEIGHT_RATIO;
    uint64_t least = s->middle / WEIGHT_RATIO;

    if (capacity > most)
        capacity = most;
    if (relay->record.capacity != 0 && capacity < least)
        capacity = least;
    return capacity * w->trusts[i];
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
    struct scale s = {.usual = usual_of(w)};
    uint64_t total = 0, at;

    if (w->count == 0)
        return NULL;
    s.middle = middle_of(w, s.usual);
    for (unsigned i = 0; i < w->count; i++)
        total += weight_of(w, i, &s);
    at = uniform(random, total);
    for (unsigned i = 0; i < w->count; i++) {
        uint64_t weight = weight_of(w, i, &s);

        if (at < weight)
            return w->relays[i];
        at -= weight;
    }
    assert(0);
    return NULL;
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
            if (source_same(&a->addresses[i], &b->addresses[j], SOURCE_NETWORK))
                return true;
    return false;
}
