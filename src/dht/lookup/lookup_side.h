/* SPDX-License-Identifier: MIT
 *
 * The candidates of a lookup in one address family, by distance to its
 * target: at most LOOKUP_CANDIDATES, each in a slot that it keeps while it is
 * listed. Whom to ask next, whether that is all, and who is believed are
 * decided here; nothing is sent.
 *
 * Against made-up nodes: an answer adds at most LOOKUP_PER_ANSWER nodes; a
 * candidate remembers who named it first; a node most of whose named nodes
 * stay silent, or whose answer cannot be true, loses its say. It is not
 * counted, and what only it has named is not asked.
 */
#ifndef WARREN_DHT_LOOKUP_LOOKUP_SIDE_H
#define WARREN_DHT_LOOKUP_LOOKUP_SIDE_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/id.h"
#include "dht/types/node_id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOOKUP_CANDIDATES 64
#define LOOKUP_PER_ANSWER 8 /* nodes taken from one answer */
#define LOOKUP_PER_ADDR   2 /* candidates of one IP that did not answer yet */
#define LOOKUP_FITTING    3 /* of those who store, on the mainline DHT */
#define LOOKUP_NOBODY     UINT8_MAX

/* Silent nodes of one namer that convict it; the second on the mainline DHT,
 * where honest nodes name some who have gone. */
#define LOOKUP_SUSPECT         4
#define LOOKUP_SUSPECT_LENIENT 8

enum candidate_state {
    CANDIDATE_FREE, /* the slot is empty */
    CANDIDATE_NEW,
    CANDIDATE_ASKED,
    CANDIDATE_SLOW, /* asked, the short timeout has passed */
    CANDIDATE_ANSWERED,
    CANDIDATE_FAILED,
    CANDIDATE_DISTRUSTED
};

struct candidate {
    struct id id; /* zero unless id_known */
    struct endpoint ep;
    uint64_t asked_at;
    uint8_t *token; /* owned; NULL: none was given */
    uint32_t rtt;   /* us, from the table; 0 unknown */
    uint8_t token_len;
    uint8_t state; /* enum candidate_state */
    uint8_t hop;
    uint8_t namer; /* slot, or LOOKUP_NOBODY */
    uint8_t named_alive, named_silent;
    bool id_known;
    bool id_secure; /* fits its address (BEP 42), or exempt */
    bool pinned;    /* its answer is being read: it stays listed */
};

struct lookup_side {
    struct id target;
    uint8_t ids; /* enum node_id_rule; ANY: subnets do not matter either */
    struct candidate *slots;
    uint8_t cap, count;
    uint8_t in_flight;                /* asked and not slow */
    bool answered;                    /* somebody has */
    uint8_t order[LOOKUP_CANDIDATES]; /* slots, nearest first */
    /* By slot, so that each candidate need not be looked at: the first bits of
     * its distance, UINT32_MAX while its id is not known, bits of its address,
     * and the subnet that it is in. What is left of who was in a free slot does
     * not matter. */
    uint32_t distances[LOOKUP_CANDIDATES], addrs[LOOKUP_CANDIDATES];
    uint32_t subnets[LOOKUP_CANDIDATES];
};

void lookup_side_init(struct lookup_side *s, const struct id *target,
                      enum node_id_rule ids);
void lookup_side_deinit(struct lookup_side *s);

/* Adds a node, at hop 1 or, if somebody has named it, a later one; `id` NULL
 * while it is not known: such nodes are asked first as long as nobody has
 * answered, and last after that.
 * ERR_FULL when it is farther than all of a full list, ERR_IN_USE when it is
 * listed, ERR_SIGNATURE when its id may not be at its address (node_id.h; only
 * when somebody has named it), ERR_NO_MEMORY. */
enum error lookup_side_add(struct lookup_side *s, const struct id *id,
                           const struct endpoint *ep, uint8_t hop,
                           uint8_t namer, uint32_t rtt);

/* The slot to ask next, or LOOKUP_NOBODY. Does not look at `in_flight`. */
uint8_t lookup_side_next(const struct lookup_side *s);

/* Nothing that could change the result is to be asked or waited for. */
bool lookup_side_done(const struct lookup_side *s);

/* The nearest that have answered and are believed, of each subnet one; when
 * that are fewer than `max`, the nearest of the others behind them. Returns how
 * many slots were written. `token` takes only those that gave one, and on the
 * mainline DHT sees to it that LOOKUP_FITTING fit their address (BEP 42). */
size_t lookup_side_closest(const struct lookup_side *s, bool token,
                           uint8_t *slots, size_t max);

void lookup_side_asked(struct lookup_side *s, uint8_t slot, uint64_t now);
void lookup_side_slow(struct lookup_side *s, uint8_t slot);
/* False when the id belongs to a candidate that has answered. */
bool lookup_side_answered(struct lookup_side *s, uint8_t slot,
                          const struct id *id);
void lookup_side_failed(struct lookup_side *s, uint8_t slot);
/* With an error: it is there, and nobody is to blame for it. */
void lookup_side_refused(struct lookup_side *s, uint8_t slot);
void lookup_side_distrust(struct lookup_side *s, uint8_t slot);
/* A namer that the silence of its nodes has just convicted, or NOBODY. */
uint8_t lookup_side_suspect(const struct lookup_side *s, uint8_t slot);

#endif
