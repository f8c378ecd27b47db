/* SPDX-License-Identifier: MIT */
#include "dht/join/maintain.h"

#include "dht/engine.h"

#include <stdlib.h>

/* One query in an interval, MAINTAIN_BURST at once. */
static const struct token_rate purse_rate = {
    .interval = MAINTAIN_INTERVAL,
    .depth = (MAINTAIN_BURST - 1) * MAINTAIN_INTERVAL,
};

void maintain_init(struct dht *d)
{
    d->maintain.upkeep_at = TIME_NEVER;
    for (int f = 0; f < FAMILIES; f++) {
        d->maintain.alive_at[f] = TIME_NEVER;
        d->maintain.join[f] = (struct join){.at = TIME_NEVER, .fill = -1};
    }
}

void maintain_deinit(struct dht *d)
{
    free(d->maintain.bootstraps);
    free(d->maintain.stored);
}

/* ---- The purse ----------------------------------------------------------- */

static bool can_spend(const struct dht *d)
{
    return d->maintain.credit > 0 ||
           token_bucket_has(&d->maintain.purse, &purse_rate, d->now);
}

void maintain_charge(struct dht *d)
{
    if (d->maintain.credit > 0)
        d->maintain.credit--;
    else
        token_bucket_take(&d->maintain.purse, &purse_rate, d->now);
}

static uint64_t purse_ready_at(const struct dht *d)
{
    uint64_t full_at = d->maintain.purse.full_at;

    if (d->maintain.credit > 0 || full_at <= purse_rate.depth)
        return 0;
    return full_at - purse_rate.depth;
}

/* ---- Upkeep -------------------------------------------------------------- */

static void send_chore(struct dht *d, const struct contact *c,
                       const struct id *target)
{
    struct query q = {
        .to = contact_endpoint(c),
        .id = c->id,
        .id_known = true,
        .purpose = QUERY_CHORE,
        .rtt_hint = c->rtt_us,
    };
    struct dht_message m;

    dht_message_init(&m, DHT_QUERY);
    m.method = DHT_PING;
    if (target != NULL) {
        m.method = DHT_FIND_NODE;
        m.target = *target;
        m.has |= DHT_HAS_TARGET;
    }
    if (rpc_send(d, &m, q) == OK)
        maintain_charge(d);
}

/* A single query refreshes an idle bucket: its answer names candidates, which
 * are pinged in their turn. */
static void refresh(struct dht *d, enum family f, const struct id *target)
{
    struct contact c;

    if (table_closest(&d->table[f], target, &c, 1, TABLE_ANY, d->now) == 1)
        send_chore(d, &c, target);
}

/* Contacts that are not good are not handed out: the one that was silent for
 * longest is asked before or soon after that happens, if nothing else wants
 * what the purse has saved. */
struct stalest {
    uint64_t now;
    uint32_t age; /* ticks */
    const struct contact *contact;
};

static void find_stalest(void *ctx, const struct contact *c, unsigned bucket)
{
    struct stalest *s = ctx;
    uint32_t tick = contact_tick(s->now);
    uint32_t age = contact_age(c->last_answer, tick);
    uint32_t heard = contact_age(c->last_heard, tick);

    (void)bucket;
    if (heard < age && c->fails == 0)
        age = heard;
    if (age > s->age) {
        s->age = age;
        s->contact = c;
    }
}

static void keep_alive(struct dht *d, enum family f)
{
    const uint32_t limit = (uint32_t)(CONTACT_FRESH >> CONTACT_TICK_SHIFT);
    struct stalest s = {.now = d->now};
    uint64_t *at = &d->maintain.alive_at[f];

    if (*at > d->now)
        return;
    table_visit(&d->table[f], find_stalest, &s);
    if (s.age >= limit && can_spend(d)) {
        send_chore(d, s.contact, NULL);
        *at = time_after(d->now, d->config.query_timeout);
    } else if (s.age >= limit) {
        *at = purse_ready_at(d);
    } else {
        *at =
            time_after(d->now, (uint64_t)(limit - s.age) << CONTACT_TICK_SHIFT);
    }
}

static void upkeep(struct dht *d, enum family f)
{
    struct contact c;
    struct id target;

    while (can_spend(d) && table_next_ping(&d->table[f], d->now, &c))
        send_chore(d, &c, NULL);
    while (can_spend(d) &&
           table_refresh_due(&d->table[f], &d->random, d->now, &target))
        refresh(d, f, &target);
    keep_alive(d, f);
}

/* When upkeep of this family has work and may do it. */
static uint64_t upkeep_due(const struct dht *d, enum family f)
{
    bool hurry = d->maintain.credit > 0 || !d->maintain.join[f].joined;
    uint64_t wait = hurry ? 0 : MAINTAIN_COALESCE;
    uint64_t due =
        time_min(table_next_deadline(&d->table[f]), d->maintain.alive_at[f]);
    uint64_t soonest = time_after(d->now, wait);
    uint64_t purse = purse_ready_at(d);

    if (due < purse)
        due = purse;
    return due < soonest ? soonest : due;
}

void maintain_candidate(struct dht *d, enum family f)
{
    d->maintain.upkeep_at = time_min(d->maintain.upkeep_at, upkeep_due(d, f));
}

void maintain_tick(struct dht *d)
{
    struct maintain *m = &d->maintain;

    join_tick(d);
    if (m->upkeep_at > d->now)
        return;
    m->upkeep_at = TIME_NEVER;
    for (int f = 0; f < FAMILIES; f++)
        upkeep(d, (enum family)f);
    for (int f = 0; f < FAMILIES; f++)
        maintain_candidate(d, (enum family)f);
}

uint64_t maintain_next_deadline(const struct dht *d)
{
    uint64_t at = d->maintain.upkeep_at;

    for (int f = 0; f < FAMILIES; f++)
        at = time_min(at, d->maintain.join[f].at);
    return at;
}
