/* SPDX-License-Identifier: MIT
 *
 * The table of known relays, by identity. It is bounded, and so is what any
 * one party can put into it: of the relays that one informant named, and of
 * those that live in one group of addresses (an IPv4 /16, an IPv6 /32), there
 * are at most KNOWN_GROUP_MIN or a quarter of all others, whichever is more.
 * So whoever owns one network cannot own a client's view (eclipse).
 *
 * When it is full, a new relay takes the place of one that is worth less:
 * expired, failing, hearsay, never reached; never that of a guard.
 */
#ifndef WARREN_TUNNEL_DIRECTORY_KNOWN_H
#define WARREN_TUNNEL_DIRECTORY_KNOWN_H

#include "base/error.h"
#include "base/relay_record.h"
#include "tunnel/directory/descriptor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KNOWN_GROUP_MIN 8

struct known_relay {
    struct descriptor d; /* without addresses that we would not use */
    uint8_t *text;       /* the descriptor as it came, exactly text_len */
    uint16_t text_len;
    bool reached;        /* a handshake with it succeeded */
    uint8_t doubt;       /* as of doubted_at, of DOUBT_WHOLE */
    uint64_t doubted_at; /* monotonic; 0: never */
    uint64_t failed_at;  /* monotonic; 0: never */
    uint64_t asked_at;   /* monotonic; 0: never */
    uint64_t fetched_at; /* its item, in the DHT; monotonic; 0: never */
    uint64_t group;      /* of its first address */
    uint64_t informant;  /* group of who told us; its own once reached */
    uint64_t witness;    /* of its identity, who last failed to reach it */
    struct relay_record record;
};

struct known {
    struct known_relay **relays; /* ascending by identity */
    unsigned count;
    unsigned cap; /* of the array, which grows up to max */
    unsigned max;
    bool testing_network; /* each endpoint is a group of its own */
};

void known_init(struct known *k, unsigned max, bool testing_network);
void known_deinit(struct known *k);

/* NULL when it is not known. Relays stay where they are until removed. */
struct known_relay *known_find(const struct known *k,
                               const uint8_t identity[32]);

/* The group of addresses that an endpoint belongs to. */
uint64_t known_group(const struct known *k, const struct endpoint *ep);

/* Whether known_add would take a relay of this identity: ERR_FULL when its
 * informant, its group or the table has no room. Cheap: comes before the
 * signature is verified. */
enum error known_has_room(const struct known *k, const struct descriptor *d,
                          uint64_t informant, uint64_t wall);

/* Adds, or replaces the descriptor of one that is known. `text` is copied.
 * ERR_FULL as above, ERR_NO_MEMORY. When another had to go, its identity is
 * put into `evicted` and *did_evict set. */
enum error known_add(struct known *k, const struct descriptor *d,
                     struct bytes text, uint64_t informant, uint64_t wall,
                     struct known_relay **out, uint8_t evicted[32],
                     bool *did_evict);
void known_remove(struct known *k, struct known_relay *relay);

/* Bytes held. */
size_t known_memory(const struct known *k);

/* It has a descriptor that is good now, and a role in circuits. */
bool known_is_usable(const struct known_relay *relay, uint64_t wall);
/* It failed lately, and is left alone for a while: 30 s after the first
 * failure, twice as long after each further one, at most an hour. */
bool known_is_failing(const struct known_relay *relay, uint64_t now);
/* Failures that still count: one is forgiven each hour. */
unsigned known_failures(const struct known_relay *relay, uint64_t now);

/* How often circuits break at it or beside it, of DOUBT_WHOLE: `share` 8 adds
 * an eighth of what is left, a sixteenth of it goes with each circuit that gets
 * ready, and half of it in 6 hours. */
#define DOUBT_WHOLE 256
unsigned known_doubt(const struct known_relay *relay, uint64_t now);
void known_add_doubt(struct known_relay *relay, unsigned share, uint64_t now);
void known_take_doubt(struct known_relay *relay);
/* Used as a guard only when the others are, too. */
bool known_is_doubtful(const struct known_relay *relay, uint64_t now);

#endif
