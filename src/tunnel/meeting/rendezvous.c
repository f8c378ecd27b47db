/* SPDX-License-Identifier: MIT
 *
 * Cookies that wait are in a table with a secret hash; those that were used
 * stay with the two circuits alone, for what is said again.
 */
#include "tunnel/meeting/rendezvous.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* Of a circuit that waits, or is joined. */
struct rendezvous {
    struct keyed_entry by_cookie;
    struct place place; /* while it waits */
    struct meeting_circuit *circuit;
    struct meeting_circuit *with; /* NULL while it waits, or alone again */
    uint64_t until;               /* while it waits */
    bool waits;
    bool joins; /* it said JOIN */
    uint8_t cookie[MEETING_COOKIE_BYTES];
    uint8_t noise2[MEETING_NOISE2_BYTES]; /* of JOINED, once it is joined */
};

static struct bytes cookie_of(const struct keyed_entry *e)
{
    const struct rendezvous *r = (const void *)e;

    return bytes_of(r->cookie, sizeof(r->cookie));
}

static struct rendezvous *of_place(struct place *place)
{
    size_t offset = offsetof(struct rendezvous, place);

    return (struct rendezvous *)(void *)((uint8_t *)place - offset);
}

void rendezvous_init(struct meeting *m)
{
    uint8_t secret[KEYED_TABLE_SECRET];

    m->env.random.fill(m->env.random.ctx, secret, sizeof(secret));
    keyed_table_init(&m->by_cookie, SIZE_MAX, cookie_of, secret);
    places_init(&m->cookies, m->config.max_cookies, m->config.testing_network,
                &m->env.random);
}

void rendezvous_deinit(struct meeting *m)
{
    places_deinit(&m->cookies);
}

size_t rendezvous_memory(const struct meeting *m)
{
    return places_memory(&m->cookies) + keyed_table_memory(&m->by_cookie) +
           m->cookies.count * sizeof(struct rendezvous);
}

/* ---- Waiting ------------------------------------------------------------ */

static void wait_no_more(struct meeting *m, struct rendezvous *r)
{
    if (!r->waits)
        return;
    keyed_table_remove(&m->by_cookie, &r->by_cookie);
    places_remove(&m->cookies, &r->place);
    r->waits = false;
}

static void forget(struct meeting *m, struct rendezvous *r)
{
    if (r == NULL)
        return;
    wait_no_more(m, r);
    if (r->with != NULL)
        r->with->rendezvous->with = NULL;
    r->circuit->rendezvous = NULL;
    sodium_memzero(r, sizeof(*r));
    free(r);
}

static struct rendezvous *find(const struct meeting *m, const uint8_t *cookie)
{
    return (void *)keyed_table_find(&m->by_cookie,
                                    bytes_of(cookie, MEETING_COOKIE_BYTES));
}

static bool has_cookie(const struct rendezvous *r, const uint8_t *cookie)
{
    return r != NULL &&
           sodium_memcmp(r->cookie, cookie, sizeof(r->cookie)) == 0;
}

static struct rendezvous *new_rendezvous(struct meeting_circuit *c,
                                         const uint8_t *cookie)
{
    struct rendezvous *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->circuit = c;
    memcpy(r->cookie, cookie, sizeof(r->cookie));
    return r;
}

static enum error add_waiting(struct meeting *m, struct rendezvous *r,
                              uint64_t now)
{
    const struct endpoint *source = &r->circuit->relay->source;
    struct place *way;
    enum error e;

    if (!places_find(&m->cookies, source, now, &way))
        return ERR_FULL;
    if (way != NULL) {
        m->stats.made_way++;
        forget(m, of_place(way));
    }
    e = keyed_table_add(&m->by_cookie, &r->by_cookie);
    if (e != OK)
        return e;
    e = places_add(&m->cookies, &r->place, source, now);
    if (e != OK) {
        keyed_table_remove(&m->by_cookie, &r->by_cookie);
        return e;
    }
    r->waits = true;
    r->until = time_after(now, COOKIE_LIFE);
    meeting_wake(m, r->until);
    return OK;
}

static void say(struct meeting *m, const struct rendezvous *r,
                enum meeting_message_type type, uint64_t now)
{
    struct meeting_message answer = {.type = type, .cookie = r->cookie};

    if (type == MEETING_JOINED && !r->joins)
        answer.noise = bytes_of(r->noise2, sizeof(r->noise2));
    meeting_say(m, r->circuit, &answer, now);
}

static enum reason wait_with(struct meeting *m, struct meeting_circuit *c,
                             const uint8_t *cookie, uint64_t now)
{
    struct rendezvous *r;

    /* Somebody else's, who must not hear of it. */
    if (find(m, cookie) != NULL)
        return REASON_PROTOCOL;
    forget(m, c->rendezvous);
    r = new_rendezvous(c, cookie);
    if (r == NULL || add_waiting(m, r, now) != OK) {
        free(r);
        return REASON_FULL;
    }
    c->rendezvous = r;
    say(m, r, MEETING_READY, now);
    return REASON_UNKNOWN;
}

enum reason rendezvous_wait(struct meeting *m, struct meeting_circuit *c,
                            const struct meeting_message *msg, uint64_t now)
{
    struct rendezvous *r = c->rendezvous;

    if (c->of_service || c->introduce != NULL || c->account != NULL)
        return REASON_PROTOCOL;
    if (r != NULL && !r->joins && has_cookie(r, msg->cookie) &&
        (r->waits || r->with != NULL)) {
        say(m, r, r->waits ? MEETING_READY : MEETING_JOINED, now);
        return REASON_UNKNOWN;
    }
    if (r != NULL && r->with != NULL)
        return REASON_PROTOCOL;
    return wait_with(m, c, msg->cookie, now);
}

/* ---- Joining ------------------------------------------------------------ */

static void be_joined(struct meeting *m, struct rendezvous *client,
                      struct rendezvous *service, const uint8_t *noise2,
                      uint64_t now)
{
    wait_no_more(m, client);
    client->with = service->circuit;
    service->with = client->circuit;
    service->joins = true;
    service->circuit->rendezvous = service;
    memcpy(client->noise2, noise2, sizeof(client->noise2));
    m->stats.joined++;
    say(m, client, MEETING_JOINED, now);
    say(m, service, MEETING_JOINED, now);
}

static enum reason join_with(struct meeting *m, struct meeting_circuit *c,
                             struct rendezvous *client, const uint8_t *noise2,
                             uint64_t now)
{
    struct rendezvous *service = new_rendezvous(c, client->cookie);

    if (service == NULL)
        return REASON_FULL;
    if (m->env.join(m->env.ctx, client->circuit->relay, c->relay, now) != OK) {
        free(service);
        return REASON_FULL;
    }
    forget(m, c->rendezvous);
    be_joined(m, client, service, noise2, now);
    return REASON_UNKNOWN;
}

enum reason rendezvous_join(struct meeting *m, struct meeting_circuit *c,
                            const struct meeting_message *msg, uint64_t now)
{
    struct rendezvous *own = c->rendezvous, *client;

    if (c->of_service || c->introduce != NULL || c->account != NULL)
        return REASON_PROTOCOL;
    if (own != NULL && own->joins && own->with != NULL &&
        has_cookie(own, msg->cookie)) {
        say(m, own, MEETING_JOINED, now);
        return REASON_UNKNOWN;
    }
    /* It waits itself, or is joined. */
    if (own != NULL && (own->waits || own->with != NULL))
        return REASON_PROTOCOL;
    client = find(m, msg->cookie);
    if (client == NULL || client->until <= now) {
        m->stats.join_refused++;
        return REASON_TIMEOUT;
    }
    return join_with(m, c, client, msg->noise.p, now);
}

void rendezvous_circuit_gone(struct meeting *m, struct meeting_circuit *c)
{
    forget(m, c->rendezvous);
}

void rendezvous_tick(struct meeting *m, uint64_t now)
{
    for (size_t i = m->cookies.count; i-- > 0;) {
        struct rendezvous *r = of_place(m->cookies.all[i]);

        if (r->until > now) {
            meeting_wake(m, r->until);
            continue;
        }
        m->stats.cookies_over++;
        forget(m, r);
    }
}
