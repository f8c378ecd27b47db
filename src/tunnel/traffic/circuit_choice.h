/* SPDX-License-Identifier: MIT
 *
 * Which of our circuits will do for what is to be sent, and one more where none
 * does: for deliveries, flows and streams alike.
 */
#ifndef WARREN_TUNNEL_TRAFFIC_CIRCUIT_CHOICE_H
#define WARREN_TUNNEL_TRAFFIC_CIRCUIT_CHOICE_H

#include "base/random_source.h"
#include "tunnel/member/member.h"

#include <stdbool.h>
#include <stdint.h>

#define CHOICE_MAX 64 /* circuits to choose one from */

struct claims;

/* All outlive it. */
struct chooser {
    struct member *member;
    struct claims *claims;
    struct random_source random;
};

/* What a circuit is to be like. */
struct circuit_wish {
    unsigned hops;
    uint64_t isolation;
    /* Its exit says that it sends to the port, and is none of these; port 0:
     * any exit of datagrams, or one that connects streams at all. */
    enum member_protocol protocol;
    uint16_t port;
    const uint8_t (*avoid)[32];
    unsigned avoid_count;
};

/* Of the circuits that are ready those that nobody with another key has, and
 * that are as wished. Returns how many. */
unsigned choose_fitting(const struct chooser *c,
                        const struct circuit_wish *wish,
                        uint32_t ids[CHOICE_MAX]);
/* One of `count`; 0 of none. */
uint32_t choose_one(const struct chooser *c, const uint32_t *ids,
                    unsigned count);

/* Builds one more, which is the key's. When the pool is full the circuit of
 * another key that rests longest makes room: its end is told in the next turn.
 * `in_use` may keep more than claims_spare does. As member_open returns. */
enum error choose_to_open(const struct chooser *c,
                          const struct circuit_wish *wish,
                          bool (*in_use)(const void *arg, uint32_t circuit),
                          const void *arg, uint64_t now, uint32_t *opening);

#endif
