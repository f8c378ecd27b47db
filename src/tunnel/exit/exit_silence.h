/* SPDX-License-Identifier: MIT
 *
 * What destinations that do not answer are still given, by all circuits
 * together: each address its allowance, and each network (an IPv4 /24, an IPv6
 * /64) that of EXIT_SILENCE_NETWORK_TIMES addresses. Somebody who answers
 * anybody is not silent: then only what each circuit has for itself counts
 * (exit_destination.h), and his network is not limited either.
 *
 * Who takes the allowance of an address for himself leaves one packet more to
 * every other source: a destination that would answer them is not denied to
 * others by somebody who has it sent what it does not answer.
 *
 * At the cap the one used least recently is forgotten. That forgives it one
 * allowance, at the price of as many packets to others as the table has
 * entries.
 */
#ifndef WARREN_TUNNEL_EXIT_EXIT_SILENCE_H
#define WARREN_TUNNEL_EXIT_EXIT_SILENCE_H

#include "base/endpoint.h"
#include "base/limiter.h"
#include "base/random_source.h"
#include "base/table/keyed_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The allowance of a network, in those of an address. */
#define EXIT_SILENCE_NETWORK_TIMES 16

/* Of a destination: not those of a source (base/source.h), as it is who is
 * sent to that is protected here. */
enum exit_silence_level {
    EXIT_SILENCE_ADDRESS,
    EXIT_SILENCE_NETWORK,
    EXIT_SILENCE_LEVELS
};

struct exit_silence {
    struct keyed_table table;
    uint64_t answer_counts; /* ns */
    /* Of an address for who used it last, and for all others. */
    struct token_rate own, reserve;
    struct token_rate network;
    uint64_t sweep_at; /* never while it is empty */
};

/* At most `max` entries, at least EXIT_SILENCE_LEVELS; `rate` and `burst` are
 * those of an address; an answer counts for `answer_counts`. */
void exit_silence_init(struct exit_silence *s, size_t max, unsigned rate,
                       unsigned burst, uint64_t answer_counts,
                       const struct random_source *random);
void exit_silence_deinit(struct exit_silence *s);

/* Whether another packet may go there, for a circuit of this source (its
 * number), from which it has not answered yet; it is taken from the
 * allowances. The port does not matter. Out of memory: it may not. */
bool exit_silence_take(struct exit_silence *s, const struct endpoint *to,
                       uint64_t source, uint64_t now);

/* It has answered somebody. */
void exit_silence_answered(struct exit_silence *s, const struct endpoint *from,
                           uint64_t now);

/* Drops what is over. Call at s->sweep_at. */
void exit_silence_tick(struct exit_silence *s, uint64_t now);

#endif
