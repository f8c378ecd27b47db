/* SPDX-License-Identifier: MIT
 *
 * Looking into a directory: what the functions of directory.h that take a const
 * one give. A new figure of its status goes here.
 */
#include "tunnel/directory/directory_internal.h"

unsigned directory_count(const struct directory *d)
{
    return d->known.count;
}

const struct known_relay *directory_at(const struct directory *d, unsigned i)
{
    return d->known.relays[i];
}

const struct known_relay *directory_find(const struct directory *d,
                                         const uint8_t identity[32])
{
    return known_find(&d->known, identity);
}

const struct directory_config *directory_config_of(const struct directory *d)
{
    return &d->config;
}

const struct descriptor *directory_self_of(const struct directory *d)
{
    return d->own.present ? &d->own.d : NULL;
}

const struct clock_hint *directory_clock(const struct directory *d)
{
    return &d->clock;
}

const struct directory_twin *directory_twin(const struct directory *d)
{
    return &d->twin;
}

const struct directory_stats *directory_stats(const struct directory *d)
{
    return &d->stats;
}

static size_t memory_of(const struct directory *d)
{
    const struct directory_config *c = &d->config;

    return sizeof(*d) + known_memory(&d->known) + limiter_memory(&d->tells) +
           limiter_memory(&d->proven) + limiter_memory(&d->samples) +
           c->max_asks * sizeof(*d->asks) +
           c->max_candidates * sizeof(*d->candidates) +
           c->max_neighbours * sizeof(*d->neighbours);
}

void directory_status(const struct directory *d, uint64_t wall, uint64_t now,
                      struct directory_status *out)
{
    *out = (struct directory_status){.known = d->known.count,
                                     .asks = d->ask_count,
                                     .candidates = d->candidate_count,
                                     .neighbours = d->neighbour_count,
                                     .memory = memory_of(d)};
    for (unsigned i = 0; i < LOOKUPS_MAX; i++)
        out->lookups += d->key_search.slots[i].busy;
    for (unsigned i = 0; i < d->known.count; i++) {
        const struct known_relay *relay = d->known.relays[i];
        bool usable = known_is_usable(relay, wall);

        out->usable += usable;
        out->exits += usable && (relay->d.roles & ROLE_EXIT) != 0;
        out->guards += relay->record.guard_since != 0;
        out->reached += relay->reached;
        out->failing += known_is_failing(relay, now);
        out->doubtful += known_is_doubtful(relay, now);
    }
}
