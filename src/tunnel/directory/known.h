/* SPDX-License-Identifier: MIT
 *
 * The table of known relays, by identity. It is bounded, and so is what any
 * one party can put into it, at each width of a source (base/source.h):
 *
 *     a host, a line   KNOWN_HOST_MAX
 *     a site           KNOWN_SITE_MIN, or a 32nd part of all others
 *     a network        KNOWN_NETWORK_MIN, or a 16th part of all others
 *
 * So whoever owns a few networks cannot own a client's view (eclipse).
 *
 * What counts is where a relay answered from. What it merely says is hearsay,
 * and so is a relay that others named and that has not answered: it is to be
 * asked before it is used, has to find room wherever it says that it lives and
 * with whoever named it, and takes none from a relay that answers from there.
 *
 * When it is full, a new relay takes the place of one that is worth less:
 * expired, failing, hearsay, never reached; never that of a guard.
 */
#ifndef WARREN_TUNNEL_DIRECTORY_KNOWN_H
#define WARREN_TUNNEL_DIRECTORY_KNOWN_H

#include "base/error.h"
#include "base/relay_record.h"
#include "base/source.h"
#include "tunnel/directory/descriptor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KNOWN_HOST_MAX    2
#define KNOWN_SITE_MIN    3
#define KNOWN_NETWORK_MIN 4

struct known_relay {
    struct descriptor d; /* without addresses that we would not use, and those
                            that it answered from first */
    uint8_t *text;       /* the descriptor as it came, exactly text_len */
    uint16_t text_len;
    uint8_t answered;    /* addresses that it answered from */
    uint8_t asked;       /* ASKs since it was named */
    bool tried;          /* it may be used: it answered, is from the store, or
                            cannot be asked from here */
    bool reached;        /* a handshake with it succeeded */
    bool provisional;    /* a guard for now: not to be stored as one */
    uint8_t doubt;       /* as of doubted_at, of DOUBT_WHOLE */
    uint64_t doubted_at; /* monotonic; 0: never */
    uint64_t failed_at;  /* monotonic; 0: never */
    uint64_t asked_at;   /* monotonic; 0: never */
    bool doubted;        /* to be asked: a first hop could not reach it */
    uint64_t fetched_at; /* its item, in the DHT; monotonic; 0: never */
    uint64_t witness;    /* of its identity, who last failed to reach it */
    struct endpoint informant; /* who named it, while it is hearsay */
    struct relay_record record;
};

/* How a descriptor came. */
enum known_way {
    KNOWN_NAMED,   /* by another */
    KNOWN_STORED,  /* from an earlier life */
    KNOWN_ANSWERED /* by itself, and it lists the address that it came from */
};

struct known_word {
    const struct descriptor *d; /* without addresses that we would not use */
    struct bytes text;
    enum known_way way;
    struct endpoint from; /* who named it, or where it answered from */
    uint64_t wall;
};

struct known {
    struct known_relay **relays; /* ascending by identity */
    unsigned count;
    unsigned cap; /* of the array, which grows up to max */
    unsigned max;
    bool testing_network; /* each endpoint is a network of its own */
};

void known_init(struct known *k, unsigned max, bool testing_network);
void known_deinit(struct known *k);

/* NULL when it is not known. Relays stay where they are until removed. */
struct known_relay *known_find(const struct known *k,
                               const uint8_t identity[32]);

/* Whether two endpoints are of one network (an IPv4 /16, an IPv6 /32). */
bool known_same_network(const struct known *k, const struct endpoint *a,
                        const struct endpoint *b);

/* Whether known_add would take it: ERR_FULL when one of its networks, who named
 * it or the table has no room. Cheap: comes before the signature is verified.
 */
enum error known_has_room(const struct known *k, const struct known_word *w);

/* Adds, or replaces the descriptor of one that is known. The text is copied.
 * ERR_FULL as above, ERR_NO_MEMORY. When another had to go, its identity is
 * put into `evicted` and *did_evict set. */
enum error known_add(struct known *k, const struct known_word *w,
                     struct known_relay **out, uint8_t evicted[32],
                     bool *did_evict);
/* It answered from `from`, with the descriptor that is known already. ERR_FULL:
 * there is no room there; ERR_SEQ: it had answered from there before. */
enum error known_answered(struct known *k, struct known_relay *relay,
                          const struct endpoint *from);
/* Named by another, and neither answered nor reached since. */
bool known_is_hearsay(const struct known_relay *relay);
/* It answered from exactly there. */
bool known_answered_from(const struct known_relay *relay,
                         const struct endpoint *ep);
void known_remove(struct known *k, struct known_relay *relay);

/* Bytes held. */
size_t known_memory(const struct known *k);

/* It has a descriptor that is good now, a role in circuits, and was tried. */
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
