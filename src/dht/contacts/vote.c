/* SPDX-License-Identifier: MIT
 *
 * The vote on our address: VOTE_CANDIDATES addresses, and VOTE_VOTERS votes
 * that name one of them by its place. They are few enough to be counted anew
 * with each that comes.
 */
#include "dht/contacts/vote.h"

#include "base/bytes.h"
#include "base/source.h"

#include <string.h>

void vote_init(struct vote *v, enum family family)
{
    *v = (struct vote){.family = family};
}

/* A number for the network that votes as one. */
static uint64_t voter_of(const struct endpoint *ep)
{
    struct endpoint network = source_of(ep, SOURCE_NETWORK);

    if (!endpoint_is_global(ep))
        return bytes_get_number64(ep->addr) ^ bytes_get_number64(ep->addr + 8);
    return bytes_get_number64(network.addr);
}

/* Second 0 is that of no vote. */
static uint32_t second_of(uint64_t now)
{
    return (uint32_t)(now / TIME_S) + 1;
}

/* The first second whose votes still count. */
static uint32_t oldest_at(uint32_t second)
{
    const uint32_t lifetime = VOTE_LIFETIME / TIME_S;

    return second > lifetime ? second - lifetime : 1;
}

/* How many vote for each candidate: of those since `oldest`, as below. */
static void count_votes(const struct vote *v, uint32_t oldest,
                        unsigned votes[VOTE_CANDIDATES])
{
    memset(votes, 0, VOTE_CANDIDATES * sizeof(*votes));
    for (int i = 0; i < VOTE_VOTERS; i++)
        votes[v->cast[i].candidate] += v->cast[i].at >= oldest;
}

static void take_back_votes(struct vote *v, unsigned candidate)
{
    for (int i = 0; i < VOTE_VOTERS; i++) {
        if (v->cast[i].candidate == candidate)
            v->cast[i].at = 0;
    }
}

/* The place of `claimed` among the candidates. One that is new gets that of the
 * candidate with the fewest votes, which are taken back. */
static unsigned candidate_of(struct vote *v, const struct endpoint *claimed,
                             uint32_t oldest)
{
    unsigned votes[VOTE_CANDIDATES];
    unsigned fewest = 0;

    for (unsigned i = 0; i < VOTE_CANDIDATES; i++) {
        if (endpoint_same_addr(&v->candidate[i], claimed))
            return i;
    }
    count_votes(v, oldest, votes);
    for (unsigned i = 1; i < VOTE_CANDIDATES; i++) {
        if (votes[i] < votes[fewest])
            fewest = i;
    }
    take_back_votes(v, fewest);
    return fewest;
}

/* The voter's earlier vote, else an unused place, else the oldest vote. */
static int place_of(const struct vote *v, uint64_t voter, uint32_t oldest)
{
    uint32_t first_at = UINT32_MAX;
    int first = 0;

    for (int i = 0; i < VOTE_VOTERS; i++) {
        uint32_t at = v->cast[i].at >= oldest ? v->cast[i].at : 0;

        if (v->cast[i].voter == voter && at != 0)
            return i;
        if (at < first_at) {
            first_at = at;
            first = i;
        }
    }
    return first;
}

/* Whether `candidate`, which has just got a vote, is ahead of the winner. */
static bool wins(const unsigned votes[VOTE_CANDIDATES], unsigned candidate)
{
    if (votes[candidate] < VOTE_QUORUM)
        return false;
    for (unsigned i = 0; i < VOTE_CANDIDATES; i++) {
        if (i != candidate && votes[i] >= votes[candidate])
            return false;
    }
    return true;
}

/* How many of those who vote for `candidate` claim this port. */
static unsigned count_port(const struct vote *v, unsigned candidate,
                           uint16_t port, uint32_t oldest)
{
    unsigned count = 0;

    for (int i = 0; i < VOTE_VOTERS; i++)
        count += v->cast[i].port == port && v->cast[i].candidate == candidate &&
                 v->cast[i].at >= oldest;
    return count;
}

/* The port that more than half of those `votes` claim who vote for
 * `candidate`; 0. `likely` is one that may be it. */
static uint16_t port_of(const struct vote *v, unsigned candidate,
                        unsigned votes, uint16_t likely, uint32_t oldest)
{
    if (2 * count_port(v, candidate, likely, oldest) > votes)
        return likely;
    for (int i = 0; i < VOTE_VOTERS; i++) {
        uint16_t port = v->cast[i].port;

        if (2 * count_port(v, candidate, port, oldest) > votes)
            return port;
    }
    return 0;
}

bool vote_add(struct vote *v, const struct endpoint *voter,
              const struct endpoint *claimed, uint64_t now)
{
    const uint32_t second = second_of(now), oldest = oldest_at(second);
    const uint64_t network = voter_of(voter);
    unsigned votes[VOTE_CANDIDATES], candidate;
    uint16_t port;
    bool changed;
    int place;

    if (v->certain || claimed->family != v->family ||
        !endpoint_is_usable(claimed))
        return false;
    candidate = candidate_of(v, claimed, oldest);
    place = place_of(v, network, oldest);
    v->candidate[candidate] = *claimed;
    v->cast[place].voter = network;
    v->cast[place].at = second;
    v->cast[place].candidate = (uint8_t)candidate;
    v->cast[place].port = claimed->port;
    count_votes(v, oldest, votes);
    if (!wins(votes, candidate))
        return false;
    changed = !v->known || !endpoint_same_addr(&v->winner, claimed);
    port = port_of(v, candidate, votes[candidate], claimed->port, oldest);
    if (port == 0 && !changed)
        port = v->winner.port;
    v->known = v->ever_known = true;
    v->winner = *claimed;
    v->winner.port = port;
    return changed;
}

void vote_settle(struct vote *v, const struct endpoint *ours)
{
    v->certain = ours != NULL;
    if (ours == NULL)
        return;
    memset(v->cast, 0, sizeof(v->cast));
    v->known = v->ever_known = true;
    v->winner = *ours;
}

bool vote_is_contradicted(const struct vote *v)
{
    bool for_winner[VOTE_CANDIDATES];
    uint32_t confirmed = 0;
    unsigned others = 0;

    if (!v->known)
        return false;
    for (int i = 0; i < VOTE_CANDIDATES; i++)
        for_winner[i] = endpoint_same_addr(&v->candidate[i], &v->winner);
    for (int i = 0; i < VOTE_VOTERS; i++)
        if (v->cast[i].at > confirmed && for_winner[v->cast[i].candidate])
            confirmed = v->cast[i].at;
    for (int i = 0; i < VOTE_VOTERS; i++)
        others += v->cast[i].at > confirmed;
    return others >= 2;
}

void vote_doubt(struct vote *v, bool keep_winner)
{
    memset(v->cast, 0, sizeof(v->cast));
    v->known = v->certain || (v->known && keep_winner);
}

bool vote_winner(const struct vote *v, struct endpoint *out)
{
    if (v->known)
        *out = v->winner;
    return v->known;
}
