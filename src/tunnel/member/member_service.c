/* SPDX-License-Identifier: MIT
 *
 * Where services are plugged in: the services of this node, on circuits of its
 * own (tunnel/service), and what it does as a relay for those of others
 * (tunnel/meeting). Both are here for as long as the member is; they cost
 * little while nobody uses them.
 */
#include "tunnel/member/member_internal.h"

#include "base/timestamp.h"

#include <sodium.h>
#include <string.h>

/* ---- Circuits of our own ------------------------------------------------ */

void member_service_ready(struct member *t, struct circuit *c, uint64_t now)
{
    (void)t;
    route_ready(c, now);
}

void member_service_closed(struct member *t, struct circuit *c, enum reason why,
                           unsigned hop, uint64_t now)
{
    (void)t;
    route_closed(c, why, hop, now);
}

void member_service_refused(struct member *t, struct circuit *c,
                            enum reason why, uint64_t now)
{
    (void)t;
    route_refused(c, why, now);
}

void member_service_answered(struct member *t, struct circuit *c, unsigned hop,
                             const struct circuit_message *m, uint64_t now)
{
    (void)t, (void)c, (void)hop, (void)m, (void)now;
}

bool member_service_message(void *ctx, struct circuit *c, unsigned hop,
                            struct bytes text, uint64_t now)
{
    (void)ctx;
    return route_message(c, hop, text, now);
}

void member_service_end(void *ctx, struct circuit *c, uint8_t *body,
                        size_t body_len, uint64_t now)
{
    struct member *t = ctx;

    t->telling = true;
    route_end(c, body, body_len, now);
    t->telling = false;
}

enum error member_services_new(struct member *t, uint64_t now)
{
    struct service_config c = t->config.service;
    struct service_env env = {.random = t->env.random,
                              .circuits = t->router.circuits,
                              .directory = t->directory,
                              .guards = &t->guards,
                              .dht = t->env.dht,
                              .world = t->env.service};

    memcpy(c.network, t->config.network, sizeof(c.network));
    c.testing_network = t->config.testing_network;
    c.max_time = t->config.max_time;
    return services_new(&c, &env, &t->config.layer2, t->wall, now,
                        &t->services);
}

struct services *member_services(const struct member *t)
{
    return t->services;
}

/* ---- Circuits of others ------------------------------------------------- */

enum reason member_service_asked(void *ctx, struct transit *relay,
                                 struct bytes text, uint64_t now)
{
    struct member *t = ctx;
    const struct member_tail *tail = relay->above;
    bool busy = !transit_ends_here(relay) ||
                (tail != NULL && tail->exit != NULL);

    if (!t->config.introduces)
        return REASON_FULL;
    return meeting_message(t->meeting, &relay->meeting, relay, busy, text,
                           relay->transcript, t->wall, now);
}

void member_service_parted(struct member *t, struct transit *relay,
                           uint64_t now)
{
    if (relay->meeting != NULL)
        meeting_circuit_free(t->meeting, relay->meeting, now);
    relay->meeting = NULL;
}

static void answer(void *ctx, struct transit *relay, struct bytes text,
                   size_t cell, uint64_t now)
{
    struct member *t = ctx;

    transit_answer_text(t->router.transits, relay, text, cell, now);
}

static enum error join(void *ctx, struct transit *a, struct transit *b,
                       uint64_t now)
{
    struct member *t = ctx;

    (void)now;
    return transit_join(t->router.transits, a, b);
}

static enum error tell(void *ctx, const struct endpoint *ep, uint64_t wall,
                       uint64_t now)
{
    struct member *t = ctx;

    return directory_ask_for(t->directory, ep, wall, now);
}

void member_service_told(void *ctx, const struct endpoint *ep,
                         struct bytes text, uint64_t now)
{
    struct member *t = ctx;

    if (t->meeting != NULL)
        meeting_told(t->meeting, ep, text, t->wall, now);
}

static struct meeting_config meeting_config_of(const struct member *t)
{
    struct meeting_config c = t->config.meeting;

    memcpy(c.network, t->config.network, sizeof(t->config.network));
    memcpy(c.identity, t->config.identity, sizeof(c.identity));
    c.testing_network = t->config.testing_network;
    c.max_sources = t->config.max_sources;
    return c;
}

enum error member_meeting_new(struct member *t)
{
    struct meeting_config c = meeting_config_of(t);
    struct meeting_env env = {.ctx = t,
                              .random = t->env.random,
                              .answer = answer,
                              .join = join,
                              .tell = tell,
                              .dht = t->env.dht};

    return meeting_new(&c, &env, &t->meeting);
}

void member_meeting_configure(struct member *t)
{
    struct meeting_config c = meeting_config_of(t);

    meeting_configure(t->meeting, &c);
}

const struct meeting *member_meeting(const struct member *t)
{
    return t->meeting;
}
