/* SPDX-License-Identifier: MIT
 *
 * Hidden services of this node, on top of its circuits: services with a key
 * that it runs, services of others that it reaches, and strings of which it is
 * one member among many. What a peer is to the application is a channel here
 * (tunnel/channel): it has a number that is never used again, and outlives
 * circuits.
 *
 *     service_serve   key -> points -> descriptor in the DHT -> peers come
 *     service_reach   address -> descriptor -> introduction -> one peer
 *     service_join    string -> points of members -> members -> peers
 *
 * Sans-IO like the rest: driven by the member, which passes on what happens to
 * circuits of services; it tells through struct service_world. Events but DATA
 * wait until the member is at rest, DATA comes in the middle of a receive; each
 * may call all functions here but services_free.
 *
 * No exit is needed, and no datagram of a lookup leaves from this node.
 */
#ifndef WARREN_TUNNEL_SERVICE_SERVICE_H
#define WARREN_TUNNEL_SERVICE_SERVICE_H

#include "tunnel/directory/dht_provider.h"
#include "tunnel/directory/directory.h"
#include "tunnel/path/guard.h"
#include "tunnel/record/service_descriptor.h"
#include "tunnel/service/service_world.h"
#include "tunnel/stem/stem.h"

#include <stdbool.h>
#include <stdint.h>

#define SERVICE_HOPS_MAX   3 /* a target that others choose is one more */
#define SERVICE_STRING_MAX 255
#define SERVICE_POINTS     3 /* by default; at most SERVICE_POINTS_MAX */
#define SERVICE_POINTS_MAX 6
#define SERVICE_ACCESS_MAX 32
#define SERVICE_QUEUE      32 /* datagrams that wait for the first channel */

struct finder_stats;
struct services;

enum service_kind {
    SERVICE_KEY,    /* run here, under a key of ours */
    SERVICE_REMOTE, /* somebody else's key */
    SERVICE_STRING
};

/* ---- Interface ---------------------------------------------------------- */

struct service_options {
    unsigned hops;      /* 1 to SERVICE_HOPS_MAX */
    unsigned points;    /* KEY, STRING: 1 to SERVICE_POINTS_MAX; 0: default */
    unsigned max_peers; /* 0: SERVICE_PEERS */
    /* KEY: who has one of these may find it; none: whoever has the address. */
    const uint8_t (*access)[32];
    unsigned access_count;
    bool observer; /* STRING: finds members, is none, and connects to none */
};

#define SERVICE_PEERS 32

struct service_config {
    char network[DHT_NETWORK_MAX + 1];
    bool testing_network;
    uint64_t max_time;     /* ns: circuits are renewed before relays cut them */
    unsigned max_services; /* 16 */
    unsigned max_peers;    /* 64, of all services together */
    unsigned max_connects; /* 32, under way */
    unsigned join_rate;    /* 50 a second: peers that come to us */
    unsigned max_queue;    /* 256 introductions that wait for a circuit */
    uint64_t max_work;     /* ns that we are ready to work for a connection */
};

void service_config_init(struct service_config *config);

struct service_env {
    struct random_source random;
    struct circuits *circuits;
    struct directory *directory;
    struct guards *guards;
    const struct dht_provider *dht; /* used if `anonymous`; may be NULL */
    struct service_world world;
};

enum error services_new(const struct service_config *config,
                        const struct service_env *env,
                        const struct vanguard_set *layer2, uint64_t wall,
                        uint64_t now, struct services **out);
/* Circuits are closed and channels say CLOSE; nobody is called. */
void services_free(struct services *s, uint64_t now);

/* All: ERR_RANGE (options), ERR_FULL (max_services), ERR_IN_USE (served or
 * joined already), ERR_NO_MEMORY. `id` is never 0 nor used again. */
/* `seed`: 32 bytes, Ed25519; copied, wiped with the service. */
enum error service_serve(struct services *s, const uint8_t seed[32],
                         const struct service_options *options,
                         const struct service_memory *memory, uint64_t now,
                         uint32_t *id);
/* `member`: 32 bytes, secret, of this registration. */
enum error service_join(struct services *s, struct bytes string,
                        const uint8_t member[32],
                        const struct service_options *options,
                        const struct service_memory *memory, uint64_t now,
                        uint32_t *id);
/* `access` may be NULL. One that is reached already, over as many hops, is
 * given again. */
enum error service_reach(struct services *s, const uint8_t key[32],
                         const uint8_t access[32], unsigned hops, uint64_t now,
                         uint32_t *id);
/* `withdraw`: for good, and others are told (a tombstone). Its peers are GONE.
 * ERR_NOT_FOUND. */
enum error service_leave(struct services *s, uint32_t id, bool withdraw,
                         uint64_t now);
/* KEY: other access secrets, points, max_peers. */
enum error service_reconfigure(struct services *s, uint32_t id,
                               const struct service_options *options,
                               uint64_t now);

/* REMOTE: connects unless it is; PEER or STATE tells what came of it.
 * ERR_NOT_FOUND, ERR_FULL (max_connects). */
enum error service_connect(struct services *s, uint32_t id, uint64_t now);
/* REMOTE: to its peer, connecting first if need be: up to SERVICE_QUEUE
 * datagrams wait 15 s. ERR_NOT_FOUND, ERR_TOO_LARGE, ERR_FULL. */
enum error service_send(struct services *s, uint32_t id, uint16_t port,
                        struct bytes payload, uint64_t now);
/* ERR_NOT_FOUND once it is gone, ERR_TOO_LARGE, ERR_FULL (in a gap). */
enum error service_peer_send(struct services *s, uint64_t peer, uint16_t port,
                             struct bytes payload, uint64_t now);
/* A packet of streams, to that side of the peer's; lost in a gap.
 * ERR_NOT_FOUND. */
enum error service_peer_packet(struct services *s, uint64_t peer,
                               bool to_acceptor, struct bytes packet,
                               uint64_t now);
enum error service_peer_close(struct services *s, uint64_t peer, uint64_t now);
/* KEY: fetches the own descriptor and asks an own point, as a client would.
 * The result is in the status. */
enum error service_probe(struct services *s, uint32_t id, uint64_t now);

/* ---- Driven by the member ----------------------------------------------- */

void services_solved(struct services *s, uint64_t id, bool found,
                     const struct work_proof *proof, uint64_t now);
/* The machine slept, or has another way out: all circuits are suspect. */
void services_network_changed(struct services *s, uint64_t now);
void services_tick(struct services *s, uint64_t wall, uint64_t now);
uint64_t services_next_deadline(const struct services *s);
/* Calls back for all that waits. */
void services_tell(struct services *s);

/* ---- Looking inside ----------------------------------------------------- */

enum introduction_result {
    INTRODUCTION_ACCEPTED,
    INTRODUCTION_REPLAYED,
    INTRODUCTION_FORGED,  /* who asks does not know the address */
    INTRODUCTION_STRANGE, /* was told what to say, because we have restarted */
    INTRODUCTION_REFUSED, /* the rendezvous point cannot be used */
    INTRODUCTION_FULL,
    INTRODUCTION_BAD_WORK,
    INTRODUCTION_PROBE,
    INTRODUCTION_RESULTS
};

const char *introduction_result_name(enum introduction_result r);

struct service_status {
    uint32_t id;
    enum service_kind kind;
    enum service_problem problem;
    uint8_t key[32]; /* KEY, REMOTE: the address; STRING: ours as a member */
    unsigned hops;
    unsigned points, points_wanted; /* established */
    unsigned peers;
    bool published, verified, reachable; /* reachable: the last probe was */
    uint64_t published_at, verified_at, probed_at; /* monotonic; 0: never */
    uint64_t introductions[INTRODUCTION_RESULTS];
    unsigned queued;
    uint32_t effort;          /* suggested now */
    unsigned members;         /* STRING: distinct ones seen */
    double size, spread;      /* STRING: claimed size, and its uncertainty */
    unsigned others;          /* STRING: introduction points of others, known */
    uint64_t entries_refused; /* STRING: forged, old, or more than we keep */
    uint64_t connects, connect_failures, resumed;
};

/* ERR_NOT_FOUND. */
enum error service_get_status(const struct services *s, uint32_t id,
                              uint64_t now, struct service_status *out);
struct service_point_status {
    struct link_target relay;
    bool established;
    uint64_t since; /* monotonic; 0: not established */
    uint64_t introductions;
};
unsigned service_points(const struct services *s, uint32_t id,
                        struct service_point_status *out, unsigned max);
struct service_peer_status {
    uint64_t id;
    uint32_t service;
    bool opened, has_key, gap;
    uint8_t key[32];
    uint64_t since;          /* monotonic */
    uint64_t sent, received; /* datagrams */
    /* Our own hops, up to the rendezvous point; none in a gap. */
    struct endpoint path[ONION_HOPS_MAX];
    unsigned path_length;
};
unsigned service_peers(const struct services *s, uint32_t id,
                       struct service_peer_status *out, unsigned max);
/* Whose peer it is; 0: nobody's. */
uint32_t service_of_peer(const struct services *s, uint64_t peer);
/* Numbers of all services; returns how many there are. */
unsigned services_list(const struct services *s, uint32_t *ids, unsigned max);

/* Of all services since the beginning. */
struct services_stats {
    uint64_t introductions[INTRODUCTION_RESULTS];
    uint64_t joins, joins_failed;       /* rendezvous that we came to */
    uint64_t connects, connects_failed; /* that we asked for */
    uint64_t resumed, moved;
    uint64_t lookups, lookups_failed, puts, puts_failed;
};
const struct services_stats *services_stats(const struct services *s);
/* Of what was asked of last hops: tunnel/stem/finder.h. */
const struct finder_stats *services_finder_stats(const struct services *s);
unsigned services_stems_ready(const struct services *s);
const struct vanguard_set *services_layer2(const struct services *s);

#endif
