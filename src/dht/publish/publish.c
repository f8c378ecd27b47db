/* SPDX-License-Identifier: MIT */
#include "dht/publish/publish.h"

#include "dht/engine.h"
#include "dht/lookup/lookup.h"
#include "dht/publish/publication.h"

#include <stdlib.h>

static void free_publication(struct publication *p)
{
    free(p->value);
    free(p);
}

void publish_free_all(struct dht *d)
{
    while (d->publications != NULL) {
        struct publication *p = d->publications;

        d->publications = p->next;
        free_publication(p);
    }
}

void publish_sweep(struct dht *d)
{
    struct publication **at = &d->publications;

    while (*at != NULL) {
        struct publication *p = *at;

        if (p->dead) {
            *at = p->next;
            free_publication(p);
        } else {
            at = &p->next;
        }
    }
}

size_t publish_memory(const struct dht *d)
{
    size_t sum = 0;

    for (const struct publication *p = d->publications; p; p = p->next)
        sum += sizeof(*p) + (p->value != NULL ? sizeof(*p->value) : 0);
    return sum;
}

/* ---- Rounds -------------------------------------------------------------- */

static void start_round(struct dht *d, struct publication *p)
{
    const struct lookup_params params = {
        .purpose = LOOKUP_PUBLISH,
        .method = p->is_item ? DHT_GET : DHT_GET_PEERS,
        .target = &p->target,
        .handler = &p->handler,
        .family = {true, true},
        .request = p->request,
        .publication = p,
        .salt = p->item.salt,
    };

    if (lookup_start(d, &params, &p->round) != OK)
        p->at = time_after(d->now, PUBLISH_RETRY_MIN);
    else
        p->at = TIME_NEVER;
}

/* Rounds at a time: the other half of the lookups is for requests. */
static unsigned max_rounds(const struct dht *d)
{
    return (d->config.max_lookups + 1) / 2;
}

void publish_tick(struct dht *d)
{
    unsigned rounds = 0;

    if (d->publish_at > d->now)
        return;
    for (struct publication *p = d->publications; p != NULL; p = p->next)
        rounds += p->round != NULL;
    d->publish_at = TIME_NEVER;
    for (struct publication *p = d->publications; p != NULL; p = p->next) {
        if (p->dead || p->round != NULL)
            continue;
        if (p->at <= d->now && rounds < max_rounds(d)) {
            start_round(d, p);
            rounds++;
        }
        /* What has to wait for a place starts when a round ends. */
        if (p->at > d->now)
            d->publish_at = time_min(d->publish_at, p->at);
    }
}

void publish_hurry(struct dht *d)
{
    uint64_t at = time_after(d->now, TIME_S);

    for (struct publication *p = d->publications; p != NULL; p = p->next) {
        if (p->dead || p->is_item)
            continue;
        p->at = time_min(p->at, at);
        at = time_after(at, PUBLISH_HURRY);
    }
    d->publish_at = d->now;
}

uint64_t publish_next_deadline(const struct dht *d)
{
    return d->publish_at;
}

static uint64_t next_round(const struct dht *d, const struct publication *p)
{
    uint64_t every = p->is_item ? PUBLISH_ITEM_EVERY : PUBLISH_PEER_EVERY;
    uint64_t delay;

    if (p->failed == 0)
        return time_after(d->now,
                          engine_jitter(d, every - every / 10, every / 10));
    delay = p->failed < 8 ? PUBLISH_RETRY_MIN << (p->failed - 1)
                          : PUBLISH_PEER_EVERY;
    delay = time_min(delay, PUBLISH_PEER_EVERY);
    return time_after(d->now, engine_jitter(d, delay, delay / 4));
}

/* Where the condition did not hold nothing of `p` is out there, and what it
 * was to replace goes on; else `p` goes on without it. */
static void settle_condition(struct dht *d, struct publication *p,
                             enum error err)
{
    if (err != ERR_CAS) {
        publication_remove_others(d, p);
        return;
    }
    p->dead = true;
    d->publication_count--;
}

void publish_round_ended(struct dht *d, struct lookup *l, enum error err)
{
    struct publication *p = l->publication;
    struct dht_event event = {
        .kind = DHT_EVENT_PUBLISHED,
        .id = p->target,
        .stored = l->stored,
        .error = err,
    };

    p->round = NULL;
    p->request = 0;
    p->handler = (struct dht_handler){0};
    if (p->has_cas)
        settle_condition(d, p, err);
    p->has_cas = false;
    p->failed = err == OK ? 0 : p->failed + 1;
    p->at = p->beaten ? TIME_NEVER : next_round(d, p);
    d->publish_at = d->now;
    d->env.event(d->env.ctx, &event);
}

/* Of two values of one version neither is newer: later rounds go on, lest
 * both of the writers give up. */
static bool is_taken(const struct publication *p, const struct dht_item *found)
{
    return p->request != 0 && found->seq == p->item.seq &&
           !bytes_equal(value_bytes(found->value), value_bytes(p->value));
}

void publish_saw_item(struct lookup *l, const struct dht_item *item)
{
    struct publication *p = l->publication;

    if (item->seq > p->item.seq || is_taken(p, item))
        p->beaten = true;
    /* Reported in ascending order: the last one is the newest. */
    p->differs = item->seq != p->cas;
}

/* ---- Storing ------------------------------------------------------------- */

static void fill_announce(const struct publication *p, struct dht_message *m)
{
    m->method = DHT_ANNOUNCE_PEER;
    m->target = p->target;
    m->port = p->port;
    m->implied_port = p->implied_port;
    m->has |= DHT_HAS_TARGET | DHT_HAS_PORT;
}

static void fill_put(const struct publication *p, struct dht_message *m)
{
    m->method = DHT_PUT;
    m->value = *p->value;
    m->has |= DHT_HAS_VALUE;
    if (!p->item.mutable_item)
        return;
    m->key = p->item.key;
    m->signature = p->item.signature;
    m->seq = p->item.seq;
    m->has |= DHT_HAS_KEY | DHT_HAS_SIGNATURE | DHT_HAS_SEQ;
    if (p->item.salt.len > 0) {
        m->salt = p->item.salt;
        m->has |= DHT_HAS_SALT;
    }
    if (p->has_cas) {
        m->cas = p->cas;
        m->has |= DHT_HAS_CAS;
    }
}

static enum error send_store(struct dht *d, struct lookup *l, uint8_t slot)
{
    const struct publication *p = l->publication;
    struct candidate *c = lookup_candidate(l, slot);
    struct query q = {
        .to = c->ep,
        .id = c->id,
        .id_known = true,
        .owner = l,
        .candidate = slot,
        .purpose = QUERY_STORE,
        .rtt_hint = c->rtt,
    };
    struct dht_message m;

    dht_message_init(&m, DHT_QUERY);
    m.token = bytes_of(c->token, c->token_len);
    m.has |= DHT_HAS_TOKEN;
    if (p->is_item)
        fill_put(p, &m);
    else
        fill_announce(p, &m);
    c->store_tries++;
    return rpc_send(d, &m, q);
}

static enum error round_error(const struct lookup *l)
{
    if (l->stored > 0)
        return OK;
    if (l->store_error != OK)
        return l->store_error;
    if (l->answered > 0)
        return ERR_FULL; /* they gave no tokens */
    return l->asked > 0 ? ERR_TIMEOUT : ERR_NO_NODES;
}

void publish_store(struct dht *d, struct lookup *l)
{
    l->storing = true;
    if (l->publication->beaten) {
        lookup_end(d, l, ERR_SEQ);
        return;
    }
    /* Those that have no item would take ours on any condition. */
    if (l->publication->has_cas && l->publication->differs) {
        lookup_end(d, l, ERR_CAS);
        return;
    }
    for (int f = 0; f < FAMILIES; f++) {
        uint8_t slots[DHT_K];
        size_t n = lookup_side_closest(&l->side[f], true, slots, DHT_K);

        for (size_t i = 0; i < n; i++) {
            uint8_t slot = lookup_slot((enum family)f, slots[i]);
            enum error err = send_store(d, l, slot);

            if (err != OK) {
                l->store_error = err;
                continue;
            }
            lookup_candidate(l, slot)->store_pending = true;
            l->store_pending++;
        }
    }
    if (l->store_pending == 0)
        lookup_end(d, l, round_error(l));
}

/* A store that was lost is sent once more: it does no harm twice, unless it
 * is conditional. */
static bool try_again(struct dht *d, struct lookup *l, uint8_t slot)
{
    return lookup_candidate(l, slot)->store_tries == 1 &&
           !l->publication->has_cas && send_store(d, l, slot) == OK;
}

void publish_store_ended(struct dht *d, struct lookup *l, uint8_t slot,
                         enum error err)
{
    struct candidate *c = lookup_candidate(l, slot);

    if (!c->store_pending)
        return;
    if (err == ERR_TIMEOUT && try_again(d, l, slot))
        return;
    c->store_pending = false;
    l->store_pending--;
    if (err == OK)
        l->stored++;
    else if (l->store_error == OK || err == ERR_CAS || err == ERR_SEQ)
        l->store_error = err;
    if (l->store_pending == 0)
        lookup_end(d, l, round_error(l));
}
