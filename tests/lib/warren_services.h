/* SPDX-License-Identifier: MIT
 *
 * Programs that register services, on top of warren_nodes.h: nodes 0 to 6
 * relay, none of them is an exit; three are programs.
 */
#ifndef WARREN_TESTS_WARREN_SERVICES_H
#define WARREN_TESTS_WARREN_SERVICES_H

#include "warren_nodes.h"

#define RELAYS 7

enum { ALICE = RELAYS, BOB, CAROL };

/* What a program has heard of its registration. */
struct program {
    uint32_t service;
    unsigned told, gone, there; /* peers */
    unsigned heard, states;
    struct warren_peer peer; /* the last one told */
    bool has_key;
    uint8_t key[32];
    char last[10000];
    size_t last_len;
    uint16_t port;
    char state[32], why[32];
};

static struct program programs[NODES];

static inline void on_service_peer(void *arg, const struct warren_peer *peer)
{
    struct program *p = arg;

    p->told++;
    p->there++;
    p->peer = *peer;
    p->peer.key = NULL;
    p->has_key = peer->key != NULL;
    if (p->has_key)
        memcpy(p->key, peer->key, sizeof(p->key));
}

static inline void on_service_data(void *arg, const struct warren_peer *peer,
                                   uint16_t port, const void *payload,
                                   size_t len)
{
    struct program *p = arg;

    assert_true(peer->id != 0);
    assert_true(len < sizeof(p->last));
    memcpy(p->last, payload, len);
    p->last[len] = '\0';
    p->last_len = len;
    p->port = port;
    p->heard++;
}

static inline void on_service_gone(void *arg, const struct warren_peer *peer,
                                   const struct warren_reason *why)
{
    struct program *p = arg;

    assert_true(peer->id != 0);
    assert_true(strlen(why->text) > 0);
    snprintf(p->why, sizeof(p->why), "%s", why->name);
    p->gone++;
    p->there--;
}

static inline void on_service_state(void *arg,
                                    const struct warren_service_state *state)
{
    struct program *p = arg;

    assert_true(strlen(state->why.text) > 0);
    snprintf(p->state, sizeof(p->state), "%s", state->why.name);
    p->states++;
}

static inline struct warren_service_options options_of(unsigned i)
{
    return (struct warren_service_options){.arg = &programs[i],
                                           .on_peer = on_service_peer,
                                           .on_data = on_service_data,
                                           .on_gone = on_service_gone,
                                           .on_state = on_service_state};
}

static inline int register_it(unsigned i, const char *identifier, unsigned hops)
{
    struct warren_service_options o = options_of(i);

    return warren_register_service(nodes[i].w, identifier, hops, &o,
                                   &programs[i].service);
}

static inline void start_program(unsigned i)
{
    const struct warren_setting client[] = {
        {"tunnel.max_relays_or_exits", "0"}};

    memset(&programs[i], 0, sizeof(programs[i]));
    start_with(i, client, COUNT_OF(client), NULL);
}

static inline void start_network(void)
{
    for (unsigned i = 0; i < RELAYS; i++)
        start_with(i, NULL, 0, NULL);
    for (unsigned i = ALICE; i <= CAROL; i++)
        start_program(i);
}

/* Until a number that a callback changes is at least so much. */
static const unsigned *counter;
static unsigned wanted;

static inline bool is_counted(const struct node *n)
{
    (void)n;
    return *counter >= wanted;
}

static inline void wait_count(const char *what, const unsigned *number,
                              unsigned at_least)
{
    counter = number;
    wanted = at_least;
    wait_for(what, is_counted, &nodes[ALICE]);
}

static inline void stay_below(const unsigned *number, unsigned limit)
{
    counter = number;
    wanted = limit;
    assert_false(run_until(is_counted, &nodes[ALICE], 2));
}

static inline int say_to(unsigned i, const char *destination, const char *text)
{
    return warren_tunnel_data(nodes[i].w, 0, destination, "data", text,
                              strlen(text));
}

/* To the peer that was told last; `ending` is ":PORT" or nothing. */
static inline int answer(unsigned i, const char *ending, const char *text)
{
    char to[WARREN_PEER_SIZE + 8];

    snprintf(to, sizeof(to), "%s%s", programs[i].peer.destination, ending);
    return say_to(i, to, text);
}

#endif
