/* SPDX-License-Identifier: MIT
 *
 * The other end of a channel, as the application knows it: it has a number for
 * life, and is told once when it is there and once when it is gone. What keeps
 * the channel going is here too: whoever opened it renews its circuits by MOVE
 * before they are cut, and by RESUME through an introduction point when they
 * are gone already. The other end is met anew over its own first hops: who asks
 * to be met does not draw hops of others.
 */
#ifndef WARREN_TUNNEL_SERVICE_PEER_H
#define WARREN_TUNNEL_SERVICE_PEER_H

#include "tunnel/service/connect.h"

/* Ways that a peer is met over: the other one is for rendezvous points that are
 * among the last hops of the first. */
#define PEER_ATTEMPTS 3
#define PEER_HOPS     2

struct service_peer {
    uint64_t id;
    struct service *service;
    struct channel *channel;
    bool opened; /* by this end */
    bool told;   /* that it is there */
    bool doomed; /* STRING: there is a better one with the same member */
    bool has_key;
    uint8_t key[32]; /* M, or the key of the service */
    uint64_t since;
    unsigned slot;

    /* opened: where it can be met again */
    struct connect_goal goal;
    struct peer_attempt {
        struct service_peer *peer;
        struct connect *connect; /* NULL: none */
    } attempts[PEER_ATTEMPTS];   /* beside each other, at other points */
    unsigned turn;               /* of the next point */
    uint64_t beside_at;          /* when there is to be one more */
    bool resuming;               /* by RESUME; else by MOVE */
    uint64_t lost_at;            /* with tries: since when there are some */
    unsigned tries, again;
    bool points_failed; /* of those that were tried */
    uint64_t points_at; /* when others are looked for */
    uint64_t retry_at;

    /* else: when the way to our points is looked at, as nobody has come by them
     * since the gap began; our key in its handshakes, and our hops to
     * rendezvous points */
    uint64_t check_at;
    uint8_t secret[32], own[32];
    struct link_target hops[PEER_HOPS][SERVICE_HOPS_MAX];
    unsigned hop_sets;
};

/* A channel with its first leg; the circuit is the peer's, also when this
 * fails: ERR_FULL (max_peers of the service, or of all), ERR_NO_MEMORY.
 * `opened` with the goal that led there, else NULL; `key` may be NULL. */
enum error peer_new(struct service *service, const struct connect_goal *goal,
                    const uint8_t key[32], struct circuit *circuit,
                    const struct channel_keys *keys, uint64_t now,
                    struct service_peer **out);
/* One more leg. */
void peer_add_leg(struct service_peer *peer, struct circuit *circuit,
                  const struct channel_keys *keys, uint64_t now);
/* Over which of the ways a circuit leads to `target`; NULL: none. Those through
 * a relay that was lost are forgotten; `but`: NULL, or it is another one than
 * this circuit's. */
const struct link_target *peer_hops_to(struct service_peer *peer,
                                       const uint8_t target[32],
                                       const struct circuit *but, uint64_t now);
/* It goes over these from now on as well, while it has less than PEER_HOPS. */
void peer_keep_hops(struct service_peer *peer, const struct circuit *c);
/* There is room for one more. */
bool peer_may_come(const struct service *service);

struct service_peer *peer_find(const struct services *s, uint64_t id);
struct service_peer *peer_of_key(const struct service *service,
                                 const uint8_t key[32]);
/* Whose last leg has this name (RESUME), not opened by us. */
struct service_peer *peer_of_resume(const struct service *service,
                                    const uint8_t id[CHANNEL_RESUME_BYTES]);
unsigned peer_count_of(const struct service *service);
/* Those of them that the other end has opened. */
unsigned peer_count_came(const struct service *service);

/* CLOSE is said, GONE is told. */
void peer_close(struct service_peer *peer, enum reason why, uint64_t now);
/* At once, and nobody is told (services_free). */
void peer_free(struct service_peer *peer, uint64_t now);
/* CLOSE is said, and GONE told at once: they linger without the service. */
void peers_close_of(struct service *service, enum reason why, uint64_t now);
void peers_tick(struct services *s, uint64_t now);
void peers_free_of(struct service *service, uint64_t now);
uint64_t peers_deadline(const struct services *s);

#endif
