/* SPDX-License-Identifier: MIT
 *
 * Chooses the hops of a circuit from the known relays:
 *
 * - the first hop is a guard (guard.h), unless it is the only one;
 * - no two hops are the same relay, of one declared family, or have
 *   addresses in one /16 (IPv4) or /32 (IPv6); nor is one ours;
 * - exits are kept for the last hop of circuits that want one. When other
 *   relays do not suffice, they serve elsewhere too;
 * - relays that failed lately are left alone, and those at which circuits break
 *   often are chosen less;
 * - each hop can reach the next: they share an address family;
 * - a place in the path may be for few, as those of hidden services are;
 * - the rest is chance, weighted by capacity.
 *
 * The capacity (path_weight.h) is what this node measured, else what those
 * that it measured have, or what the relay declares within narrow bounds; it
 * counts for at most WEIGHT_RATIO times the median of those to choose from: a
 * lie, or one giant, does not get it all. A testing network relaxes the rule
 * of subnets, and nothing else.
 */
#ifndef WARREN_TUNNEL_PATH_PATH_H
#define WARREN_TUNNEL_PATH_PATH_H

#include "tunnel/circuit/onion.h"
#include "tunnel/directory/directory.h"
#include "tunnel/link/link.h"
#include "tunnel/path/guard.h"

#include <stdbool.h>
#include <stdint.h>

enum path_result {
    PATH_FOUND,
    PATH_NO_RELAYS,      /* too few relays are known */
    PATH_NO_EXITS,       /* no exit is known, or none that suits */
    PATH_RELAYS_FAILING, /* there are enough, but they failed lately */
    PATH_EXITS_FAILING,
    PATH_GUARDS_FAILING,  /* the guards do not answer: a network down? */
    PATH_TOO_FEW_SUBNETS, /* enough relays, but in too few subnets/families */
    PATH_RESULTS
};

/* A sentence fragment for people that says what is missing, and a name. */
const char *path_result_text(enum path_result r);
const char *path_result_name(enum path_result r);

struct path {
    unsigned count;
    struct link_target hops[ONION_HOPS_MAX]; /* first is nearest to us */
};

/* Who may be one of the hops. All zeros: any relay. */
struct path_place {
    /* One of these, each with the same chance: their capacity counted when they
     * were chosen to be here. NULL: any. */
    const uint8_t (*among)[32];
    unsigned among_count;
    /* None of these; with `apart`, nor one that may not be in a path with
     * them. */
    const uint8_t (*but)[32];
    unsigned but_count;
    bool apart;
    const uint8_t *other_than; /* NULL, or not this one; its network is fine */
    uint8_t roles;             /* all of these, of enum descriptor_role */
};

struct path_request {
    unsigned hops; /* 1 to ONION_HOPS_MAX, those that stand included */
    bool exit;     /* the last one is to be an exit */
    /* NULL, or whether this exit will do. */
    bool (*exit_suits)(void *ctx, const struct descriptor *exit);
    void *exit_ctx;
    const uint8_t (*avoid)[32]; /* identities that are not wanted */
    unsigned avoid_count;
    const struct path_place *places; /* NULL, or one for each hop */
    bool free_last;   /* the last need only be another than the two before it */
    bool failing_too; /* behind the guard also those that failed lately */
};

/* Fills path->hops from path->count on, which is 0 for a new circuit, or the
 * number of hops that stand when one is to be replaced. `path` changes only
 * when PATH_FOUND. Guards may be added meanwhile. */
enum path_result path_choose(struct directory *d, struct guards *guards,
                             const struct path_request *request,
                             const struct random_source *random, uint64_t wall,
                             uint64_t now, struct path *path);

#endif
