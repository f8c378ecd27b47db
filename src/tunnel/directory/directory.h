/* SPDX-License-Identifier: MIT
 *
 * Which relays there are. A relay announces itself in the DHT under one of
 * 256 well-known keys, the one that its identity hashes to, and puts its
 * descriptor as a mutable item under its identity. A client looks up keys at
 * random, asks each endpoint found for its descriptor (ASK, TELL), and asks
 * the relays that it has links with for random samples of theirs.
 *
 *     DHT keys --> endpoint --ASK/TELL--> descriptor --+
 *     links    --SAMPLE_ASK/SAMPLE--> descriptors -----+--> known relays
 *     the store, after a restart ----------------------+
 *
 * A TELL counts only when it answers an ASK of ours and its descriptor lists
 * the address that it came from; a SAMPLE only when we asked that neighbour.
 * Relays that a SAMPLE names are hearsay (known.h): each is asked itself, and
 * used when it has answered.
 * Samples are asked on links that we opened and given on links that others
 * opened by relays only: what a client knows is nobody's business.
 *
 * An ASK may come from any address that is written on it. Above tell_rate a
 * second it is answered by COOKIE, and by TELL when it comes again with that
 * cookie: who shows that the address is his own has buckets of his own.
 *
 * Key i is BLAKE2b-160 of the msgpack array ["warren relay", network, i]; an
 * identity's i is the first byte of its BLAKE2b-160.
 *
 * SAMPLE_ASK is an empty text; SAMPLE is the msgpack array of at most
 * DIRECTORY_SAMPLE_MAX descriptors (bin).
 */
#ifndef WARREN_TUNNEL_DIRECTORY_DIRECTORY_H
#define WARREN_TUNNEL_DIRECTORY_DIRECTORY_H

#include "base/clock_hint.h"
#include "base/random_source.h"
#include "base/timestamp.h"
#include "tunnel/directory/dht_provider.h"
#include "tunnel/directory/known.h"
#include "tunnel/link/cell.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIRECTORY_KEYS       256
#define DIRECTORY_SAMPLE_MAX 3
#define DIRECTORY_ROTATION   (7 * 24 * 3600) /* s, of the handshake key */

struct link;

/* What the store keeps of a relay. `text` is a view. */
struct stored_relay {
    uint8_t identity[32];
    struct bytes text;
    struct relay_record record;
};

/* All are required but `dht` and `unanswered`, which may be NULL: a relay that
 * others named does not answer at `ep`, and may be behind a NAT. `send_cell`
 * sends a cell of a link as link_send does, false when it cannot. `rotate`
 * makes a new handshake key for the node and gives its public half. Links are
 * only named here, never looked into. `told` (NULL when directory_ask_for is
 * not called) gets what the relay at an endpoint says of itself, as it came, or
 * an empty text when nobody answers; it may be called from within that
 * function.
 */
struct directory_env {
    void *ctx;
    struct random_source random;
    void (*send)(void *ctx, const struct endpoint *to, struct bytes datagram);
    bool (*send_cell)(void *ctx, struct link *link, enum cell_type type,
                      struct bytes text, uint64_t now);
    void (*remember)(void *ctx, const struct stored_relay *relay);
    void (*forget)(void *ctx, const uint8_t identity[32]);
    void (*rotate)(void *ctx, uint8_t handshake_key[NOISE_KEY_BYTES]);
    void (*unanswered)(void *ctx, const struct endpoint *ep, uint64_t now);
    void (*told)(void *ctx, const struct endpoint *ep, struct bytes text,
                 uint64_t now);
    const struct dht_provider *dht; /* outlives the directory */
};

struct directory_config {
    char network[DHT_NETWORK_MAX + 1];
    uint8_t identity[32];
    const uint8_t *secret; /* Ed25519, 64 bytes; outlives the directory */
    bool family[FAMILIES]; /* which addresses can be sent to */
    bool testing_network;  /* addresses that are not global are fine */
    unsigned max_relays;   /* known ones */
    unsigned wanted_relays, wanted_exits; /* while fewer, look for more */
    unsigned max_asks;                    /* ASKs without an answer yet */
    unsigned max_candidates;              /* endpoints to ask later */
    unsigned max_neighbours;              /* links that samples are asked on */
    unsigned max_sources;                 /* whose rate is remembered */
    unsigned tell_rate, tell_burst;       /* TELLs a second to strangers */
    unsigned proven_rate, proven_burst;   /* to those who had a cookie */
    unsigned sample_rate, sample_burst;   /* SAMPLEs a second */
    unsigned return_rate, return_burst;   /* ASKs to who wants to be asked */
    unsigned source_rate, source_burst;   /* each of these, to one host */
};

/* The defaults; network, identity and secret are left to fill in. */
void directory_config_init(struct directory_config *config);

/* What this node says of itself, when it relays. */
struct directory_self {
    uint8_t handshake_key[NOISE_KEY_BYTES];
    uint64_t rotated; /* wall seconds: when that key was made; 0: make one */
    uint8_t roles;
    uint8_t address_count; /* 0: not known yet, so nothing is published */
    struct endpoint addresses[DESCRIPTOR_ADDRESSES_MAX];
    unsigned unproven; /* bit i: others say that we have the i-th, nobody else
                          knows: not published before it was reached */
    const char *exit_policy; /* at most DESCRIPTOR_POLICY_MAX; copied */
    const char *tcp_policy;  /* at most DESCRIPTOR_TCP_MAX; NULL: no streams */
    uint32_t bandwidth;      /* kB/s; 0: no limit */
    bool has_family;
    uint8_t family[32];
};

struct directory;

/* ERR_NO_MEMORY, ERR_RANGE (a cap or rate of 0). */
enum error directory_new(const struct directory_config *config,
                         const struct directory_env *env, uint64_t now,
                         struct directory **out);
/* Requests to the DHT are cancelled, announcements stay. */
void directory_free(struct directory *d);

/* New or changed; NULL: a client only. Published in the next tick. */
void directory_set_self(struct directory *d, const struct directory_self *self,
                        uint64_t now);
/* Addresses of ours that wait until they are reached. */
unsigned directory_unproven(const struct directory *d);
/* Our own descriptor; empty when there is none. */
struct bytes directory_self_text(const struct directory *d);

/* A relay from an earlier life. One whose descriptor has expired is asked for
 * a new one first. Errors of descriptor_read, ERR_SIGNATURE, ERR_FULL,
 * ERR_SEQ (a newer one is known). */
enum error directory_add_stored(struct directory *d,
                                const struct stored_relay *stored,
                                uint64_t wall, uint64_t now);

/* Which addresses can be sent to now. */
void directory_set_families(struct directory *d, const bool family[FAMILIES]);
/* How busy the process is, of LIMITER_LOAD_MAX. */
void directory_set_load(struct directory *d, unsigned load);

/* An endpoint to ask for its descriptor, from the configuration or whoever
 * knows. ERR_FULL, ERR_ADDRESS. */
enum error directory_ask(struct directory *d, const struct endpoint *ep,
                         uint64_t now);
/* On behalf of somebody else: env.told is called with what is said there, once,
 * also when more than one ask for the same endpoint meanwhile. A descriptor
 * that is known and fresh is told at once. Nothing is learned from an answer,
 * as others could choose what; and half of the asks are left to ourselves.
 * ERR_FULL, ERR_ADDRESS. */
enum error directory_ask_for(struct directory *d, const struct endpoint *ep,
                             uint64_t wall, uint64_t now);
/* A node of the DHT near a key that was looked up. Such nodes are relays at
 * the same address, mostly: while few relays are known, it is asked too. */
void directory_meet(struct directory *d, const struct endpoint *node,
                    uint64_t now);

/* Datagrams. OK, or the reason for dropping it: ERR_RATE_LIMITED, ERR_NETWORK,
 * ERR_UNSUPPORTED, ERR_UNEXPECTED (not asked for, or we have nothing to
 * tell), and those of descriptor.h and known_add. */
enum error directory_receive_ask(struct directory *d,
                                 const struct endpoint *from,
                                 const struct link_message *ask, uint64_t wall,
                                 uint64_t now);
enum error directory_receive_cookie(struct directory *d,
                                    const struct endpoint *from,
                                    const struct link_message *cookie,
                                    uint64_t now);
enum error directory_receive_tell(struct directory *d,
                                  const struct endpoint *from,
                                  const struct link_message *tell,
                                  uint64_t wall, uint64_t now);

/* Links that are up, ours and those of others, and cells over them. */
void directory_link_up(struct directory *d, struct link *link,
                       const struct endpoint *ep, bool opened_by_us,
                       uint64_t now);
void directory_link_down(struct directory *d, const struct link *link);
enum error directory_receive_sample_ask(struct directory *d, struct link *link,
                                        const struct endpoint *ep,
                                        bool opened_by_us, uint64_t wall,
                                        uint64_t now);
enum error directory_receive_sample(struct directory *d, struct link *link,
                                    struct bytes text, uint64_t wall,
                                    uint64_t now);

void directory_tick(struct directory *d, uint64_t wall, uint64_t now);
uint64_t directory_next_deadline(const struct directory *d);

/* What became of using a relay. `rtt` 0 is unknown. A failure while the relay
 * is failing already is part of the same outage. */
void directory_succeeded(struct directory *d, const uint8_t identity[32],
                         uint64_t rtt, uint64_t wall);
void directory_failed(struct directory *d, const uint8_t identity[32],
                      uint64_t now);
/* A circuit that went from one relay to the next broke between them, or did
 * not get so far. Which of the two is to blame, nobody can see: both are
 * doubted, the first more, for the lie would be its own. The second has failed
 * only when another relay could not reach it either since it was reached last,
 * and not when it keeps to its limits (`failed` is false). So one relay that
 * refuses to go on to others cannot put them aside. What the first hop says
 * (`from_first`) is looked into: a relay that does not answer us either is put
 * aside. */
void directory_parted(struct directory *d, const uint8_t from[32],
                      const uint8_t to[32], bool from_first, bool failed,
                      uint64_t now);
/* The first hop itself ended a circuit that it had taken. */
void directory_doubted(struct directory *d, const uint8_t identity[32],
                       uint64_t now);
/* A circuit through it was tested and carried `rate` kB/s, which is the least
 * that it can do. More than was known of it counts at once, less by a quarter
 * of the difference: it may be another hop's fault. Forgotten 30 days after
 * the last test. */
void directory_measured(struct directory *d, const uint8_t identity[32],
                        uint32_t rate, uint64_t wall);
/* Guards are chosen by guard.h; 0 and 0 unmakes one. A provisional one is not
 * stored as a guard. */
void directory_set_guard(struct directory *d, const uint8_t identity[32],
                         uint64_t since, uint64_t until, bool provisional);
/* Whether what is known is all that there is to be found soon
 * (directory_survey.c). */
bool directory_is_complete(const struct directory *d);

/* New wishes: while fewer are known, more are looked for. Nodes that build no
 * circuits can do with 0. */
void directory_set_wanted(struct directory *d, unsigned relays, unsigned exits,
                          uint64_t now);
/* Whether circuits lack relays, however many are known: then others are
 * looked for. */
void directory_set_needed(struct directory *d, bool needed, uint64_t now);

/* All known relays, expired and failing ones too, by index below the count;
 * valid until the next call that is not const. */
unsigned directory_count(const struct directory *d);
const struct known_relay *directory_at(const struct directory *d, unsigned i);
const struct known_relay *directory_find(const struct directory *d,
                                         const uint8_t identity[32]);
const struct directory_config *directory_config_of(const struct directory *d);
/* Ours; NULL when there is none. */
const struct descriptor *directory_self_of(const struct directory *d);

struct directory_status {
    unsigned known, usable, exits, guards, reached, failing, doubtful;
    unsigned asks, candidates, lookups, neighbours;
    size_t memory;
};
void directory_status(const struct directory *d, uint64_t wall, uint64_t now,
                      struct directory_status *out);

/* What the descriptors that relays tell of themselves say about our clock. */
const struct clock_hint *directory_clock(const struct directory *d);

/* Somebody else who has our identity, as who has copied our files. */
struct directory_twin {
    struct endpoint at; /* told us so from here */
    uint64_t told_at;   /* monotonic; 0: never */
};
const struct directory_twin *directory_twin(const struct directory *d);

/* Counters since creation. */
struct directory_stats {
    uint64_t asks_out, tells_in, asks_in, tells_out, asks_lost;
    uint64_t asks_spared; /* no relay has answered there, of many endpoints */
    uint64_t cookies_in, cookies_out;
    uint64_t witnesses;                /* who said where they reached us */
    uint64_t returns, returns_refused; /* of those who wanted to be asked */
    uint64_t sample_asks_out, samples_in, sample_asks_in, samples_out;
    uint64_t lookups, lookups_failed, fetches, puts, puts_failed;
    uint64_t learned, renewed, confirmed, evicted, rotations;
    uint64_t gone;              /* put aside because they did not answer us */
    uint64_t refused[ERR_END_]; /* descriptors, by reason */
};
const struct directory_stats *directory_stats(const struct directory *d);

/* The i-th well-known key of a network, and the i of an identity. */
void directory_key(const char *network, unsigned i, struct id *out);
unsigned directory_key_index(const uint8_t identity[32]);

#endif
