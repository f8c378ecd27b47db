/* SPDX-License-Identifier: MIT
 *
 * Upkeep of the tables. What happens to contacts comes in by the watch and
 * sets `upkeep_at`; the tick then does all that is due: pings that the table
 * asks for, a query into each idle bucket, and a ping of whoever was silent
 * for longest.
 */
#include "dht/join/maintain.h"

#include "dht/contacts/contacts.h"
#include "dht/query/query.h"
#include "dht/world/world.h"

#include <stdlib.h>

/* ---- Upkeep -------------------------------------------------------------- */

/* Nobody waits for it: the answer is for the table. */
static void send_chore(struct maintain *m, const struct contact *c,
                       const struct id *target)
{
    struct query q = {
        .to = c->ep,
        .id = c->id,
        .id_known = true,
        .rtt_hint = c->state.rtt_us,
    };
    struct dht_message msg;

    dht_message_init(&msg, DHT_QUERY);
    msg.method = DHT_PING;
    if (target != NULL) {
        msg.method = DHT_FIND_NODE;
        msg.target = *target;
        msg.has |= DHT_HAS_TARGET;
    }
    if (query_send(m->queries, &msg, q) == OK)
        purse_charge(&m->purse, m->w->now);
}

/* A single query refreshes an idle bucket: its answer names candidates, which
 * are pinged in their turn. */
static void refresh(struct maintain *m, enum family f, const struct id *target)
{
    struct contact c;

    if (table_closest(&m->contacts->table[f], target, &c, 1, TABLE_ANY,
                      m->w->now) == 1)
        send_chore(m, &c, target);
}

/* Contacts that are not good are not handed out: the one that was silent for
 * longest is asked before or soon after that happens, if nothing else wants
 * what the purse has saved. */
static void keep_alive(struct maintain *m, enum family f)
{
    const uint32_t limit = (uint32_t)(CONTACT_FRESH >> CONTACT_TICK_SHIFT);
    uint64_t *at = &m->alive_at[f];
    struct contact stalest;
    uint32_t age = 0;

    if (*at > m->w->now)
        return;
    table_stalest(&m->contacts->table[f], m->w->now, &stalest, &age);
    if (age >= limit && purse_has(&m->purse, m->w->now)) {
        send_chore(m, &stalest, NULL);
        *at = time_after(m->w->now, m->w->config.query_timeout);
    } else if (age >= limit) {
        *at = purse_ready_at(&m->purse);
    } else {
        *at = time_after(m->w->now, (uint64_t)(limit - age)
                                        << CONTACT_TICK_SHIFT);
    }
}

static void upkeep(struct maintain *m, enum family f)
{
    struct contact c;
    struct id target;

    while (purse_has(&m->purse, m->w->now) &&
           table_next_ping(&m->contacts->table[f], m->w->now, &c))
        send_chore(m, &c, NULL);
    while (purse_has(&m->purse, m->w->now) &&
           table_refresh_due(&m->contacts->table[f], &m->w->random, m->w->now,
                             &target))
        refresh(m, f, &target);
    keep_alive(m, f);
}

/* When upkeep of this family has work and the purse pays for it; of a table
 * that is in no hurry not within MAINTAIN_COALESCE. */
static uint64_t upkeep_due(const struct maintain *m, enum family f)
{
    bool hurry = m->purse.credit > 0 || !m->join[f].joined;
    uint64_t wait = hurry ? 0 : MAINTAIN_COALESCE;
    uint64_t due =
        time_min(table_next_deadline(&m->contacts->table[f]), m->alive_at[f]);
    uint64_t soonest = time_after(m->w->now, wait);
    uint64_t purse = purse_ready_at(&m->purse);

    if (due < purse)
        due = purse;
    return due < soonest ? soonest : due;
}

/* ---- What happens to contacts -------------------------------------------- */

static void on_candidate(void *ctx, enum family f)
{
    struct maintain *m = ctx;

    m->upkeep_at = time_min(m->upkeep_at, upkeep_due(m, f));
}

static void on_gained(void *ctx, enum family f)
{
    struct maintain *m = ctx;

    on_candidate(m, f);
    if (join_gained(&m->join[f]))
        m->alive_at[f] = m->w->now;
}

static void on_lost(void *ctx, enum family f)
{
    struct maintain *m = ctx;

    join_lost(&m->join[f]);
}

static void on_new_id(void *ctx, enum family f)
{
    struct maintain *m = ctx;

    join_new_id(&m->join[f]);
}

static void on_doubt(void *ctx, enum family f)
{
    struct maintain *m = ctx;

    join_doubt(&m->join[f]);
}

static bool believes_anybody(void *ctx, enum family f)
{
    const struct maintain *m = ctx;

    return join_believes_anybody(&m->join[f]);
}

static const struct contacts_watch watch = {
    on_gained, on_lost, on_candidate, on_new_id, on_doubt, believes_anybody};

/* ---- Life ---------------------------------------------------------------- */

void maintain_init(struct maintain *m)
{
    m->upkeep_at = TIME_NEVER;
    for (int f = 0; f < FAMILIES; f++)
        m->alive_at[f] = TIME_NEVER;
    join_init(m);
    contacts_watch(m->contacts, &watch, m);
}

void maintain_deinit(struct maintain *m)
{
    free(m->ways_in.bootstraps);
    free(m->ways_in.stored);
}

void maintain_tick(struct maintain *m)
{
    join_tick(m);
    if (m->upkeep_at > m->w->now)
        return;
    m->upkeep_at = TIME_NEVER;
    for (int f = 0; f < FAMILIES; f++) {
        if (m->w->config.family[f])
            upkeep(m, (enum family)f);
    }
    for (int f = 0; f < FAMILIES; f++) {
        if (m->w->config.family[f])
            on_candidate(m, (enum family)f);
    }
}

uint64_t maintain_next_deadline(const struct maintain *m)
{
    uint64_t at = m->upkeep_at;

    for (int f = 0; f < FAMILIES; f++) {
        if (m->w->config.family[f])
            at = time_min(at, m->join[f].at);
    }
    return at;
}
