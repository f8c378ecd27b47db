/* SPDX-License-Identifier: MIT
 *
 * What our external address is, by vote of those who answer us (`ip` in a
 * response, BEP 42). One vote per voter: a network (base/source.h) of global
 * addresses, an address of others; who rents a /48 has one. An address wins
 * with VOTE_QUORUM voters and more than any other; it stays until another has
 * more. Votes are forgotten after an hour, or when VOTE_VOTERS newer ones are
 * there. No vote counts against what the machine itself knows. One per family;
 * about 400 bytes, nothing allocated.
 */
#ifndef WARREN_DHT_CONTACTS_VOTE_H
#define WARREN_DHT_CONTACTS_VOTE_H

#include "base/endpoint.h"
#include "base/timestamp.h"

#include <stdbool.h>
#include <stdint.h>

#define VOTE_VOTERS     16
#define VOTE_CANDIDATES 4
#define VOTE_QUORUM     3
#define VOTE_LIFETIME   TIME_HOUR

struct vote {
    enum family family;
    bool known, ever_known;
    bool certain; /* the winner is not by vote */
    struct endpoint winner;
    struct endpoint candidate[VOTE_CANDIDATES];
    struct {
        uint64_t voter;
        uint32_t at; /* seconds; 0: no vote */
        uint16_t port;
        uint8_t candidate;
    } cast[VOTE_VOTERS];
};

void vote_init(struct vote *v, enum family family);

/* `voter` says that we are `claimed`. Votes for another family or for an
 * address that nobody can have are ignored. True when the winning address
 * (not merely its port) changed or became known. Its port is the one that most
 * of its voters claim; while there is none, as behind a NAT that has another
 * for each of them, the last one that there was, else 0. */
bool vote_add(struct vote *v, const struct endpoint *voter,
              const struct endpoint *claimed, uint64_t now);

/* The machine says that this is our address: nobody else is listened to until
 * it takes that back (NULL), after which it is as if it had won by vote. */
void vote_settle(struct vote *v, const struct endpoint *ours);

/* Two voters or more have named another address since the last one named the
 * winner: it is time to ask many. */
bool vote_is_contradicted(const struct vote *v);
/* Forgets the votes, and the winner too if it is not to stay until another
 * one wins. */
void vote_doubt(struct vote *v, bool keep_winner);

/* False while nothing has won yet. Once known it stays known, until it is
 * doubted. */
bool vote_winner(const struct vote *v, struct endpoint *out);

#endif
