/* SPDX-License-Identifier: MIT
 *
 * What circuit.c, circuit_build.c and circuit_receive.c share; nobody else
 * includes it.
 */
#ifndef WARREN_TUNNEL_CIRCUIT_CIRCUIT_TABLE_H
#define WARREN_TUNNEL_CIRCUIT_CIRCUIT_TABLE_H

#include "base/patience.h"
#include "tunnel/circuit/circuit.h"

struct circuits {
    struct circuit_shared *shared;
    struct circuit_config config;
    struct circuit_env env;
    struct circuit **circuits;
    size_t count, room;
    uint32_t next_id;
    uint64_t deadline;
    struct patience step[ONION_HOPS_MAX]; /* by hop: its distance makes most
                                             of the time */
    struct patience sure[ONION_HOPS_MAX]; /* of messages said only once */
    struct lost_relays lost;
    struct circuit_stats stats;
};

struct circuit *circuit_of(struct circuit_end *end);
void circuit_set_deadline(struct circuits *cs, struct circuit *c, uint64_t at);
/* Ends with a call of env.closed; `hop` from 1, or 0. */
void circuit_end_with(struct circuits *cs, struct circuit *c, enum reason why,
                      unsigned hop, uint64_t now);

/* circuit_build.c */
void circuit_build_next(struct circuits *cs, struct circuit *c, uint64_t now);
/* A deadline is over: the message goes out again, or the hop has failed. */
void circuit_build_late(struct circuits *cs, struct circuit *c, uint64_t now);
/* The next hop has answered with this noise message. */
void circuit_build_answer(struct circuits *cs, struct circuit *c,
                          struct bytes noise2, uint64_t now);
/* Hop `hop` (from 1) cannot be had, or is gone: another one takes its place,
 * or the circuit ends. */
void circuit_build_failed(struct circuits *cs, struct circuit *c, unsigned hop,
                          enum reason why, uint64_t now);
void circuit_build_forget(struct circuit *c);

#endif
