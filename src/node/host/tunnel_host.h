/* SPDX-License-Identifier: MIT
 *
 * The world that the tunnels' member lives in here: its keys are files of the
 * data directory, it sends through the node's sockets, is woken by one timer,
 * finds relays through the built-in DHT and remembers them in the store.
 *
 * What happens to circuits is told to everybody who listens.
 */
#ifndef WARREN_NODE_HOST_TUNNEL_HOST_H
#define WARREN_NODE_HOST_TUNNEL_HOST_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/text.h"
#include "node/config/config.h"
#include "node/exit/exit_host.h"
#include "node/exit/exit_names.h"
#include "node/host/tunnel_restore.h"
#include "node/log/log.h"
#include "node/net/udp.h"
#include "store/store.h"

#include <stddef.h>
#include <stdint.h>

struct deliveries;
struct dht_host;
struct dht_provider;
struct event_base;
struct policy;
struct member;
struct member_event;
struct service_host;
struct traffic_host;
struct tunnel_host;
struct view;

/* What the host borrows; all outlive it. */
struct tunnel_host_world {
    struct event_base *base;
    struct udp *udp;
    struct store *store;
    struct log *log;
    struct dht_host *dht;
    struct dht_host *mainline; /* NULL: not enabled */
    /* Through which relays are found; NULL: as `tunnel_dht` says. */
    const struct dht_provider *provider;
    struct service_host *services;
};

/* Reads or makes the keys, makes the member, shows it the relays that it knew
 * and starts the pools of `tunnel.build`. `config` is borrowed. On failure
 * `why` gets a sentence: errors of secret.h, member_new, ERR_NO_MEMORY. */
enum error tunnel_host_new(const struct tunnel_host_world *world,
                           const struct config *config, uint64_t now,
                           struct tunnel_host **out, struct text *why);
/* Tells the neighbours. Listeners hear of circuits that end. */
void tunnel_host_free(struct tunnel_host *h);

/* Takes the exit's policy and name servers, and the pools to keep. */
void tunnel_host_reconfigure(struct tunnel_host *h, const struct config *config,
                             struct text *report);

/* What the machine can reach has changed. */
void tunnel_host_network_changed(struct tunnel_host *h,
                                 const bool usable[FAMILIES],
                                 const struct view *view, uint64_t now);

/* As member_unreachable. */
void tunnel_host_unreachable(struct tunnel_host *h, const struct endpoint *ep,
                             uint64_t now);

/* Addresses of this machine's interfaces have changed, of whatever kind: what
 * an exit must not send to. */
void tunnel_host_interfaces_changed(struct tunnel_host *h, uint64_t now);

/* Enough others agree with the wall clock: a handshake key from its future is
 * dated anew, lest it is never renewed. */
void tunnel_host_clock_is_right(struct tunnel_host *h);

/* As member_stop, for the operator or the program, whose word counts for more
 * than the configuration's until that is read again. */
enum error tunnel_host_stop(struct tunnel_host *h, unsigned hops);

/* Around datagrams that come in a batch. */
void tunnel_host_batch_begin(struct tunnel_host *h, uint64_t now);
void tunnel_host_batch_end(struct tunnel_host *h);

/* As member_receive. */
enum error tunnel_host_receive(struct tunnel_host *h,
                               const struct endpoint *from, uint8_t *datagram,
                               size_t len, uint64_t now, uint64_t wall);

/* To be called after anything that may have changed the next deadline: each
 * call of a function of the member that takes the time. */
void tunnel_host_rearm(struct tunnel_host *h);

/* The exit's policies, of datagrams and of streams, with their counters, also
 * when this is no exit. */
const struct policy *tunnel_host_policy(const struct tunnel_host *h);
const struct policy *tunnel_host_tcp_policy(const struct tunnel_host *h);
/* Where others reach this node, as far as is known. */
const struct config_endpoints *
tunnel_host_addresses(const struct tunnel_host *h);
/* Datagrams that were lost between the exit and the system. */
uint64_t tunnel_host_exit_dropped(const struct tunnel_host *h);
uint64_t tunnel_host_exit_lost(const struct tunnel_host *h,
                               enum exit_lost reason);
/* DNS servers that an exit asks. */
unsigned tunnel_host_nameservers(const struct tunnel_host *h);

/* To be called every few seconds. */
void tunnel_host_watch(struct tunnel_host *h, uint64_t now);
/* Whether names are resolved; false when this is no exit. */
bool tunnel_host_names(const struct tunnel_host *h,
                       struct exit_names_state *out);

struct tunnel_host_counters {
    struct tunnel_restored restored; /* relays of the earlier life */
    uint64_t not_remembered;         /* the store had no room */
};
const struct tunnel_host_counters *
tunnel_host_counters(const struct tunnel_host *h);

/* For member_data, member_build, member_circuits, member_status, ... */
struct member *tunnel_host_member(const struct tunnel_host *h);
/* For delivery_start and delivery_cancel. */
struct deliveries *tunnel_host_deliveries(const struct tunnel_host *h);
/* Streams, and who uses them. */
/* The DHT that relays and services are published and found in: "builtin",
 * "mainline", "both", or "program" for one that a program has given. */
const char *tunnel_host_provider_name(const struct tunnel_host *h);
struct traffic_host *tunnel_host_traffic(const struct tunnel_host *h);

/* ---- Events ------------------------------------------------------------- */

/* Lies in what listens, and must not move meanwhile. Only the part above the
 * line is the listener's to fill in. */
struct tunnel_listener {
    void *arg;
    uint32_t circuit; /* whose events; 0: of every circuit */
    unsigned kinds;   /* bits TUNNEL_HEARS(kind); 0: of every kind */
    /* May listen, unlisten (itself and others) and call the member. */
    void (*event)(void *arg, const struct member_event *event);
    /* ---- */
    struct tunnel_listener *next, **link;
};

#define TUNNEL_HEARS(kind) (1u << (kind))

/* Hears what happens from now on. */
void tunnel_host_listen(struct tunnel_host *h, struct tunnel_listener *l);
/* Hears nothing any more; without effect when it does not listen. */
void tunnel_host_unlisten(struct tunnel_host *h, struct tunnel_listener *l);

#endif
