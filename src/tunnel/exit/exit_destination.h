/* SPDX-License-Identifier: MIT
 *
 * Whom a circuit has sent to, at its exit: a bounded list, which says whose
 * datagrams are answers and how much more a silent destination gets.
 */
#ifndef WARREN_TUNNEL_EXIT_EXIT_DESTINATION_H
#define WARREN_TUNNEL_EXIT_EXIT_DESTINATION_H

#include "base/endpoint.h"
#include "base/limiter.h"

#include <stdbool.h>
#include <stdint.h>

struct exit_destination {
    struct endpoint ep;
    uint32_t policy_version;    /* under which it was accepted */
    struct token_bucket silent; /* packets without an answer */
    uint64_t sent_at;
    uint64_t answered_at;
    bool has_sent, has_answered; /* the two above count */
};

struct exit_destinations {
    struct exit_destination *list; /* grows up to the cap */
    uint16_t count, cap;
    uint16_t last; /* the one that was found last */
};

void exit_destinations_deinit(struct exit_destinations *d);

/* NULL when the circuit has not sent there, or it was forgotten. */
struct exit_destination *exit_destinations_find(struct exit_destinations *d,
                                                const struct endpoint *ep);

/* A new one, which is not in the list yet. At `max` the one used least
 * recently makes room, if its bucket is full again at `now` and it has not
 * been sent to since `idle_since`. NULL when none does, or out of memory. */
struct exit_destination *
exit_destinations_add(struct exit_destinations *d, const struct endpoint *ep,
                      unsigned max, uint64_t idle_since, uint64_t now);

/* Forgets one that was added and never sent to. */
void exit_destinations_remove(struct exit_destinations *d,
                              struct exit_destination *it);

/* It has answered within `answer_counts` (ns). */
bool exit_destination_answers(const struct exit_destination *it,
                              uint64_t answer_counts, uint64_t now);

#endif
