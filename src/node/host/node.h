/* SPDX-License-Identifier: MIT
 *
 * A node on an event loop of the caller's: its sockets, its store and its
 * engines. It owns no signal, no control socket and nothing global, so that
 * a program may have several. The daemon (daemon.h) is one node with those
 * around it.
 */
#ifndef WARREN_NODE_HOST_NODE_H
#define WARREN_NODE_HOST_NODE_H

#include "base/error.h"
#include "base/text.h"
#include "node/config/config.h"
#include "node/host/dht_host.h"
#include "node/host/network.h"
#include "node/host/tunnel_host.h"
#include "node/log/log.h"
#include "node/net/udp.h"
#include "node/os/clock_watch.h"
#include "node/os/load.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct dht_provider;
struct event_base;
struct service_host;

/* Datagrams that no engine was given, by what their first byte says. */
enum node_drop {
    NODE_DROP_EMPTY,
    NODE_DROP_FOREIGN, /* of no protocol that is spoken here */
    NODE_DROPS
};

/* "empty", ... */
const char *node_drop_name(enum node_drop reason);

struct node {
    struct event_base *base;
    struct log *log; /* borrowed, as `base` */
    struct config config;
    struct store *store;
    struct udp *udp;
    struct dht_host *dht;
    struct dht_host *mainline; /* of the mainline DHT; NULL: not enabled */
    struct service_host *services;
    struct tunnel_host *tunnels;
    struct network *network;
    struct event *flush_timer;
    struct clock_watch clock;
    int64_t clock_behind; /* seconds; 0 when the wall clock is believed */
    /* Seconds by which relays say that it is behind (ahead: less than 0), and
     * how many do; 0 when it may be right. */
    int64_t clock_off;
    unsigned clock_witnesses;
    uint64_t clock_kept_at;
    uint64_t started_at;
    struct load load;
    uint64_t batch_now, batch_wall; /* of the datagrams that are handled */
    uint64_t dropped[NODE_DROPS];
    struct store_report store_report;
    bool store_failing;
    /* Of bootstrap_files, when they were last read: a sentence, or "". */
    char unread_files[400];
};

/* Opens the store in config->data_dir, which the caller has locked, binds the
 * sockets and starts the engines; nothing happens until the loop runs. On
 * failure `why` gets a sentence: errors of store_open, udp_listen_all,
 * dht_host_new, tunnel_host_new. `provider` is the tunnels' DHT, borrowed, or
 * NULL for the built-in one. */
enum error node_new(struct event_base *base, const struct config *config,
                    struct log *log, const struct dht_provider *provider,
                    struct node **out, struct text *why);
/* Flushes the store. */
void node_free(struct node *n);

/* Takes what can change while running; `report` as config_reload. */
void node_reload(struct node *n, const struct config *fresh,
                 struct text *report);

#endif
