/* SPDX-License-Identifier: MIT
 *
 * Which of the last counters were seen: the sliding window of RFC 6479, for
 * links and for onion layers. Asking and remembering are two steps, because
 * only an authentic message may move the window.
 */
#ifndef WARREN_TUNNEL_CRYPTO_REPLAY_H
#define WARREN_TUNNEL_CRYPTO_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#define REPLAY_WORDS 16 /* a power of two */
#define REPLAY_WINDOW                                       \
    (64 * (REPLAY_WORDS - 1)) /* how far back is remembered \
                               */

struct replay {
    uint64_t top; /* the highest counter accepted */
    uint64_t seen[REPLAY_WORDS];
};

/* `start` is the first counter that is expected; lower ones are refused. */
void replay_init(struct replay *r, uint64_t start);

/* True for a counter that was not accepted before and is not too old. */
bool replay_is_fresh(const struct replay *r, uint64_t counter);

/* Only after replay_is_fresh said true and the message proved authentic. */
void replay_accept(struct replay *r, uint64_t counter);

#endif
