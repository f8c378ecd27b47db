/* SPDX-License-Identifier: MIT
 *
 * Who reached us where. That an address is ours we may have from others alone,
 * who see it in front of a NAT, or lie. Such an address is not published before
 * it was reached: who asks for our descriptor says where he has sent the ASK,
 * and shows by a cookie that his own address is not made up. REACH_PROOF such
 * witnesses in networks (base/source.h) other than each other's and that of the
 * address make it ours, when no other address has more. An address that they
 * have so proven is ours whatever is said elsewhere.
 *
 * So that it does not take for ever until two come along, a relay without a
 * proof asks others to ask it: those whom it asks anyway, and one of the relays
 * that it knows after another.
 */
#ifndef WARREN_TUNNEL_DIRECTORY_DIRECTORY_REACH_H
#define WARREN_TUNNEL_DIRECTORY_DIRECTORY_REACH_H

#include "base/endpoint.h"
#include "base/limiter.h"
#include "base/timestamp.h"

#include <stdbool.h>
#include <stdint.h>

#define REACH_WITNESSES 16
#define REACH_PROOF     2
#define REACH_FRESH     TIME_HOUR /* how long a witness counts */
#define REACH_RELAYS    8         /* so many are looked for, to be asked by */

struct reach {
    struct {
        struct endpoint from, reached;
        uint64_t at;              /* monotonic; 0: none */
    } witnesses[REACH_WITNESSES]; /* one of a network */
    uint64_t ask_at;              /* when one more is asked to ask us */
    unsigned asked;               /* in a row */
    struct limiter returns;       /* ASKs to those who wanted to be asked */
};

/* `from` has shown that it is there, and sent to `reached`. */
void reach_note(struct reach *r, const struct endpoint *from,
                const struct endpoint *reached, uint64_t now);
bool reach_is_proven(const struct reach *r, const struct endpoint *ep,
                     uint64_t now);
/* Where we are, by witnesses; NULL while nothing is proven. */
const struct endpoint *reach_proven(const struct reach *r, enum family f,
                                    uint64_t now);

struct directory;

/* Asks a relay to ask us, while an address of ours waits for a proof. */
void reach_tick(struct directory *d, uint64_t now);

#endif
