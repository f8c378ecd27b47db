/* SPDX-License-Identifier: MIT
 *
 * What a hop of a circuit may make up and send to the client: messages of
 * every type with fields by chance, whole or not, in a layer of its own, so
 * that they are authentic; the same as a message of a service, or as an end
 * cell; and noise.
 */
#ifndef WARREN_TESTS_CIRCUIT_LIES_H
#define WARREN_TESTS_CIRCUIT_LIES_H

#include "tunnel/transit/transit.h"

#include "testing.h"

struct lie {
    struct circuit_message m;
    uint8_t bytes[CELL_MAX];
};

static inline struct endpoint lie_endpoint(struct test_random *r)
{
    struct endpoint ep = {.port = (uint16_t)test_random_next(r)};

    if (test_random_below(r, 4) == 0)
        ep.family = FAMILY_IPV6;
    test_random_fill(r, ep.addr, endpoint_addr_len(&ep));
    return ep;
}

/* `nonce` is one that the client may wait for. */
static inline void lie_make(struct lie *lie, struct test_random *r,
                            const struct transit *relay, uint64_t nonce)
{
    struct circuit_message *m = &lie->m;
    bool long_one = test_random_below(r, 3) == 0;

    test_random_fill(r, lie->bytes, sizeof(lie->bytes));
    *m = (struct circuit_message){
        .type = (enum circuit_message_type)(1 + test_random_below(r, 10)),
        .attempt = relay->attempt,
        .reason = (enum reason)test_random_below(r, REASON_END_),
        .ep = lie_endpoint(r),
        .nonce = nonce,
        .piece_id = (uint16_t)test_random_below(r, 3),
        .piece_index = (uint8_t)test_random_below(r, 4),
        .piece_count = (uint8_t)test_random_below(r, 5),
    };
    m->identity = m->handshake_key = lie->bytes;
    m->noise = bytes_of(lie->bytes, m->type == CIRCUIT_EXTEND ? HOP_NOISE1_BYTES
                                                              : NOISE_OVERHEAD);
    m->payload = bytes_of(lie->bytes + 64,
                          1 + test_random_below(r, long_one ? 1100 : 100));
    if (test_random_below(r, 3) == 0)
        m->attempt = 0;
    if (test_random_below(r, 3) == 0)
        m->attempt = (uint8_t)test_random_next(r);
    if (test_random_below(r, 3) == 0)
        m->nonce = test_random_next(r);
    if (m->type == CIRCUIT_DATA && test_random_below(r, 3) == 0) {
        m->name = bytes_of(lie->bytes, 1 + test_random_below(r, 30));
        m->port = 53;
    }
}

static inline void lie_send(struct lie *lie, struct test_random *r,
                            const struct router *e, struct transit *relay,
                            uint64_t now)
{
    uint8_t d[CELL_MAX], *body = d + CELL_BODY_OFFSET;
    size_t body_len = CELL_LARGE_BODY, used;
    uint32_t how = test_random_below(r, 8);

    test_random_fill(r, d, sizeof(d));
    if (circuit_message_write(&lie->m, body, onion_message_len(body_len),
                              &used) != OK)
        return;
    if (used <= onion_message_len(CELL_SMALL_BODY) && how % 2 == 0)
        body_len = CELL_SMALL_BODY;
    if (how == 1) /* cut, or another value somewhere */
        used -= 1 + test_random_below(r, (uint32_t)used - 1);
    else if (how == 2)
        body[test_random_below(r, (uint32_t)used)] ^=
            (uint8_t)(1 + test_random_below(r, 255));
    else if (how == 4)
        body[1] = (uint8_t)(CIRCUIT_SERVICE_FIRST + test_random_below(r, 48));
    onion_message(body, body_len, relay->depth, used);
    if (how == 5)
        body[onion_text_len(body_len, relay->depth) - 1] = 1;
    if (how != 3) /* else not even authentic */
        onion_add(&relay->out, body, body_len, relay->depth);
    link_send_relay(e->shared.links, relay->prev.link, relay->prev.remote, d,
                    CELL_BODY_OFFSET + body_len, now);
}

#endif
