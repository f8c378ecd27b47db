/* SPDX-License-Identifier: MIT
 *
 * Streams of an application in a simulated community, by a carrier on top of
 * the client's member: what is written comes back from an echo behind an exit,
 * and is compared byte by byte.
 */
#ifndef WARREN_TESTS_SIM_CARRY_TEST_H
#define WARREN_TESTS_SIM_CARRY_TEST_H

#include "sim_tunnel_test.h"
#include "tunnel/traffic/carrier.h"
#include "tunnel/traffic/claims.h"

#define ECHO_PORT 80

struct cargo {
    struct stream *st;
    bool answered, failed, fin, reset, wrong;
    uint64_t in, out, may_write; /* so much may be written by now */
    uint64_t total;              /* and then it ends */
};

struct carried {
    struct world *w;
    struct sim_tunnel *client;
    struct claims claims;
    struct carrier *carrier;
};

static struct carried carried;

/* No two places of it look alike. */
static inline uint8_t cargo_byte(uint64_t at)
{
    return (uint8_t)(at * 2654435761u >> 24);
}

static inline void cargo_pump(struct cargo *c, uint64_t now)
{
    uint8_t piece[4096];

    while (c->st != NULL && c->out < c->may_write) {
        size_t len = sizeof(piece), n;

        if (len > c->may_write - c->out)
            len = (size_t)(c->may_write - c->out);
        for (size_t i = 0; i < len; i++)
            piece[i] = cargo_byte(c->out + i);
        n = stream_write(c->st, bytes_of(piece, len), now);
        c->out += n;
        if (n < len)
            return;
    }
    if (c->st != NULL && c->out == c->total)
        stream_finish(c->st, now);
}

static inline size_t cargo_data(void *arg, struct stream *st, struct bytes data,
                                bool fin, uint64_t now)
{
    struct cargo *c = arg;

    (void)st, (void)now;
    for (size_t i = 0; i < data.len; i++, c->in++)
        c->wrong |= data.p[i] != cargo_byte(c->in);
    c->fin |= fin;
    return data.len;
}

static inline void cargo_writable(void *arg, struct stream *st, uint64_t now)
{
    (void)st;
    cargo_pump(arg, now);
}

static inline void cargo_reset(void *arg, struct stream *st, bool reading,
                               uint32_t code, uint64_t now)
{
    struct cargo *c = arg;

    (void)reading, (void)code;
    c->reset = true;
    stream_reset(st, REASON_REQUESTED, now);
}

static inline void cargo_closed(void *arg, struct stream *st, uint64_t now)
{
    struct cargo *c = arg;

    (void)st, (void)now;
    c->st = NULL;
}

static inline void cargo_answered(void *arg, struct stream *st,
                                  const struct stream_answer *answer,
                                  uint64_t now)
{
    static const struct stream_handler handler = {.data = cargo_data,
                                                  .writable = cargo_writable,
                                                  .reset = cargo_reset,
                                                  .closed = cargo_closed};
    struct cargo *c = arg;

    (void)answer;
    c->answered = true;
    c->st = st;
    stream_hand_over(st, &handler, c);
    stream_resume(st, now);
    cargo_pump(c, now);
}

static inline void cargo_failed(void *arg, enum reason why, uint64_t now)
{
    struct cargo *c = arg;

    (void)now;
    print_message("  refused: %u\n", (unsigned)why);
    c->failed = true;
}

/* A stream to the echo, which carries `total` bytes there and back. */
static inline void cargo_send(struct cargo *c, uint64_t total, uint64_t first)
{
    static const struct carrier_handler handler = {.answered = cargo_answered,
                                                   .failed = cargo_failed};
    const struct carrier_target target = {
        .request = {.kind = STREAM_CONNECT,
                    .ep = {.addr = {8, 8, 8, 8}, .port = ECHO_PORT}},
        .hops = HOPS,
        .isolation = 1,
        .timeout = TIME_MIN};
    struct carrier_call *call;

    c->total = total;
    c->may_write = first;
    assert_int_equal(carrier_open(carried.carrier, &target, &handler, c,
                                  sim_now(carried.w->sim), &call),
                     OK);
    sim_wake(carried.w->sim, carried.client->node);
}

static inline void carried_event(void *arg, const struct member_event *event,
                                 uint64_t now)
{
    struct carried *c = arg;
    struct member_event copy = *event;
    uint8_t packet[STREAM_PACKET_MAX];

    if (event->kind == MEMBER_PACKET) {
        assert_true(event->payload.len <= sizeof(packet));
        memcpy(packet, event->payload.p, event->payload.len);
        copy.payload = bytes_of(packet, event->payload.len);
    }
    carrier_event(c->carrier, &copy, now);
    if (event->kind == MEMBER_CIRCUIT_CLOSED)
        claims_drop(&c->claims, event->circuit);
}

static inline void carried_tick(void *arg, uint64_t now)
{
    carrier_tick(((struct carried *)arg)->carrier, now);
}

static inline uint64_t carried_deadline(const void *arg)
{
    return carrier_next_deadline(((const struct carried *)arg)->carrier);
}

static inline void carried_random(void *ctx, void *buf, size_t len)
{
    const struct carried *c = ctx;

    sim_random(c->w->sim, c->client->node, buf, len);
}

/* On top of the client of a world whose community is there. */
static inline void carried_start(struct world *w)
{
    const struct carrier_host nobody = {0};
    struct random_source random = {.ctx = &carried, .fill = carried_random};
    struct carrier_config config;

    carrier_config_init(&config);
    carried = (struct carried){.w = w, .client = client_of(w)};
    claims_init(&carried.claims);
    assert_int_equal(carrier_new(&config, carried.client->member,
                                 &carried.claims, &random, &nobody,
                                 &carried.carrier),
                     OK);
    carried.client->above =
        (struct sim_above){.arg = &carried,
                           .event = carried_event,
                           .tick = carried_tick,
                           .next_deadline = carried_deadline};
}

static inline void carried_end(void)
{
    if (carried.carrier == NULL)
        return;
    carried.client->above = (struct sim_above){0};
    carrier_free(carried.carrier);
    claims_deinit(&carried.claims);
    carried.carrier = NULL;
}

/* A circuit that streams are on; 0: none is. */
static inline uint32_t carried_circuit(void)
{
    for (unsigned i = 0; i < carried.claims.count; i++)
        if (carried.claims.list[i].users > 0)
            return carried.claims.list[i].circuit;
    return 0;
}

#endif
