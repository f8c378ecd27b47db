/* SPDX-License-Identifier: MIT
 *
 * The peers of one info-hash: for each family one array of records, in no
 * order. One that is removed gives its place to the last.
 */
#include "dht/storage/peer_swarm.h"

#include <assert.h>
#include <stdlib.h>

static_assert(sizeof(struct peer_swarm) <= 64, "a hash is small");

struct peer_clock peer_clock_of(const struct peer_store *s, uint64_t now)
{
    /* One more, as the first step may have been almost over. */
    return (struct peer_clock){
        .step = (uint16_t)(now / s->unit & RECORD_STEP),
        .limit = (uint16_t)(s->config.lifetime / s->unit + 1)};
}

static void set_step(uint8_t *record, enum family family, unsigned step,
                     bool seed)
{
    uint16_t bits = (uint16_t)((step & RECORD_STEP) | (seed ? RECORD_SEED : 0));

    memcpy(record + record_len(family) - sizeof(bits), &bits, sizeof(bits));
}

struct peer_at peer_swarm_find(const struct peer_swarm *w,
                               const struct endpoint *peer)
{
    enum family family = peer->family;
    const struct peer_records *r = &w->of[family];
    struct peer_at at = {.family = peer->family};
    uint8_t compact[ENDPOINT_COMPACT_MAX];
    size_t len = endpoint_write_compact(peer, compact);

    for (at.i = 0; at.i < r->count && !at.found;) {
        at.found = memcmp(record_at(r, family, at.i), compact, len) == 0;
        at.i += !at.found;
    }
    return at;
}

struct peer_at peer_swarm_oldest(const struct peer_swarm *w,
                                 const struct endpoint *ep,
                                 enum source_level level,
                                 struct peer_clock clock)
{
    const struct peer_records *r = &w->of[ep->family];
    enum family f = ep->family;
    struct peer_at oldest = {.family = ep->family};
    unsigned oldest_age = 0;

    for (unsigned i = 0; i < r->count; i++) {
        const uint8_t *record = record_at(r, f, i);
        struct endpoint source = record_source(record, f);
        unsigned age = record_age(record, f, clock);

        if ((oldest.found && age <= oldest_age) ||
            !source_same(&source, ep, level))
            continue;
        oldest = (struct peer_at){true, ep->family, i};
        oldest_age = age;
    }
    return oldest;
}

void peer_swarm_renew(struct peer_swarm *w, struct peer_at at, bool seed,
                      struct peer_clock clock)
{
    set_step(record_at(&w->of[at.family], at.family, at.i), at.family,
             clock.step, seed);
}

static enum error resize(struct peer_store *s, struct peer_records *r,
                         enum family family, unsigned cap)
{
    size_t len = record_len(family);
    uint8_t *at = realloc(r->at, cap * len);

    if (at == NULL)
        return ERR_NO_MEMORY;
    s->memory += cap * len;
    s->memory -= r->cap * len;
    r->at = at;
    r->cap = (uint16_t)cap;
    return OK;
}

enum error peer_swarm_append(struct peer_store *s, struct peer_swarm *w,
                             const struct endpoint *peer, bool seed,
                             struct peer_clock clock)
{
    enum family family = peer->family;
    struct peer_records *r = &w->of[family];
    enum error e;

    if (r->count == r->cap) {
        /* An eighth of slack: small enough for the budget of 32 bytes. */
        unsigned cap = r->count + r->count / 8u + 1;

        if (cap > PEER_STORE_HASH_MAX)
            cap = PEER_STORE_HASH_MAX;
        e = cap == r->count ? ERR_FULL : resize(s, r, family, cap);
        if (e != OK)
            return e;
    }
    e = peer_sources_add(s, peer);
    if (e != OK)
        return e;
    endpoint_write_compact(peer, record_at(r, family, r->count));
    set_step(record_at(r, family, r->count), family, clock.step, seed);
    r->count++;
    s->peers++;
    s->next_out.swarm = NULL;
    return OK;
}

void peer_swarm_remove(struct peer_store *s, struct peer_swarm *w,
                       struct peer_at at)
{
    struct peer_records *r = &w->of[at.family];
    uint8_t *record = record_at(r, at.family, at.i);
    struct endpoint source = record_source(record, at.family);

    peer_sources_remove(s, &source);
    s->next_out.swarm = NULL;
    r->count--;
    if (at.i != r->count)
        memcpy(record, record_at(r, at.family, r->count),
               record_len(at.family));
    s->peers--;
}

static void give_back(struct peer_store *s, struct peer_records *r,
                      enum family family)
{
    if (r->count == 0 && r->cap > 0) {
        free(r->at);
        s->memory -= r->cap * record_len(family);
        *r = (struct peer_records){0};
    } else if (r->cap > 4 && r->count < r->cap / 2) {
        resize(s, r, family, r->count); /* all the same when it fails */
    }
}

void peer_swarm_restep(struct peer_swarm *w, struct peer_clock was,
                       uint64_t old_unit, struct peer_clock is, uint64_t unit)
{
    for (uint8_t f = 0; f < FAMILIES; f++) {
        for (unsigned i = 0; i < w->of[f].count; i++) {
            uint8_t *record = record_at(&w->of[f], f, i);
            uint64_t steps = record_age(record, f, was);
            bool expired = record_is_expired(record, f, was);
            /* Of the first step only the last moment may have been lived. */
            uint64_t age = steps > 0 ? (steps - 1) * old_unit / unit : 0;

            if (expired || age > is.limit)
                age = is.limit + 1u;
            set_step(record, f, (unsigned)(is.step - age),
                     record_is_seed(record, f));
        }
    }
}

void peer_swarm_expire(struct peer_store *s, struct peer_swarm *w,
                       struct peer_clock clock)
{
    for (uint8_t f = 0; f < FAMILIES; f++) {
        struct peer_records *r = &w->of[f];

        for (unsigned i = 0; i < r->count;) {
            if (record_is_expired(record_at(r, f, i), f, clock))
                peer_swarm_remove(s, w, (struct peer_at){true, f, i});
            else
                i++;
        }
        give_back(s, r, f);
    }
}
