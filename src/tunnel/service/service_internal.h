/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share; nobody else includes it.
 *
 *     services.c   the table of services, and what drives it
 *     news.c       events on their way to the world
 *     point.c      introduction points of ours: circuits kept to relays
 *     host.c       a service with a key: its points and publications
 *     publish.c    its descriptors in the DHT: put, verified, renewed
 *     gate.c       who wants to be met: checked
 *     visit.c      who passed: queued, met at rendezvous points
 *     connect.c    one attempt to meet somebody
 *     remote.c     a service of somebody else: descriptor, attempts, one peer
 *     swarm.c      a string: points, members, whom to connect to
 *     peer.c       the other end of a channel
 *     status.c     what can be seen of all this
 */
#ifndef WARREN_TUNNEL_SERVICE_SERVICE_INTERNAL_H
#define WARREN_TUNNEL_SERVICE_SERVICE_INTERNAL_H

#include "base/limiter.h"
#include "base/patience.h"
#include "base/timestamp.h"
#include "tunnel/channel/channel.h"
#include "tunnel/record/period.h"
#include "tunnel/service/service.h"
#include "tunnel/stem/finder.h"

#include <sys/queue.h>

struct host;
struct remote;
struct swarm;
struct service_peer;
struct gate;
struct connect;

/* What waits to be told, oldest first. */
struct news {
    struct service_event *events;
    unsigned first, count, room;
};

struct service {
    struct services *all;
    uint32_t id;
    enum service_kind kind;
    struct service_options options;
    uint8_t access[SERVICE_ACCESS_MAX][32]; /* behind options.access */
    struct stem_kit *kit;
    struct vanguard_set third;
    enum service_problem problem;
    uint8_t credential[32]; /* what introductions prove the knowledge of */
    uint64_t introductions[INTRODUCTION_RESULTS];
    uint64_t connects, connect_failures, resumed;
    struct gate *gate;     /* KEY, STRING: who wants in */
    struct host *host;     /* KEY */
    struct remote *remote; /* REMOTE */
    struct swarm *swarm;   /* STRING */
    bool access_changed;   /* publications are to have other keys */
    bool leaving;          /* gone when its peers are, and what withdraws it
                              is published */
};

struct services {
    struct service_config config;
    struct service_env env;
    struct vanguards vanguards;
    struct stems *stems;
    struct finder *finder;
    struct piece_budget budget;
    struct stem_kit *clients[SERVICE_HOPS_MAX + 1]; /* for REMOTE, by hops */
    struct service **list;
    unsigned count;
    uint32_t next_id;
    struct service_peer **peers;
    unsigned peer_count;
    uint64_t next_peer;
    uint64_t next_work;
    struct token_rate join_rate;
    struct token_bucket joins;
    TAILQ_HEAD(, connect) connects; /* under way */
    unsigned connect_count;
    uint32_t connect_round;
    struct patience introducing; /* from INTRODUCE to its ACK */
    struct patience meeting;     /* from the beginning to JOINED */
    struct news news;
    struct services_stats stats;
    uint64_t wall;
};

/* ---- services.c --------------------------------------------------------- */

/* NULL also when it is leaving. */
struct service *service_find(const struct services *s, uint32_t id);
/* Tells STATE when it changes. */
void service_set_problem(struct service *service, enum service_problem p);
/* The descriptor is to say that another effort is asked for. */
void service_effort_changed(struct service *service, uint64_t now);
bool service_is_own_relay(const struct services *s, const uint8_t identity[32]);
/* `t` as the relay `last` can extend a circuit to it: at an address of a family
 * that this one has, too. False when there is none. */
bool service_link_target(const struct services *s, const uint8_t last[32],
                         const struct relay_target *t, struct link_target *out);
/* How others reach the relay: an address of each family. */
void service_target_of(const struct descriptor *d, struct relay_target *out);
/* The same for the last hop of `c`. */
void service_relay_target(const struct services *s, const struct circuit *c,
                          struct relay_target *out);

/* ---- news.c ------------------------------------------------------------- */

/* Before something is begun that will be told of. */
bool news_reserve(struct services *s);
void news_add(struct services *s, const struct service_event *event);
void news_deinit(struct news *n);

#endif
