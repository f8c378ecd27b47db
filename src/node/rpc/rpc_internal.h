/* SPDX-License-Identifier: MIT
 *
 * What the files of the RPC share.
 */
#ifndef WARREN_NODE_RPC_RPC_INTERNAL_H
#define WARREN_NODE_RPC_RPC_INTERNAL_H

#include "base/table/call.h"
#include "node/control/control_server.h"
#include "node/host/node.h"
#include "node/rpc/rpc_params.h"

#include <sys/queue.h>

struct live;
struct service_call;

struct rpc {
    struct node *node;
    struct live *live;                /* node/rpc/live */
    LIST_HEAD(, service_call) joined; /* registrations of clients */
    LIST_HEAD(, rpc_proxy) proxies;   /* private ones */
    /* Calls end with their clients, whom the control server cancels; these
     * may go on without. */
    struct calls dht_calls;
};

/* Each answers `call`, now or later. */
typedef void rpc_method_fn(struct rpc *rpc, struct control_call *call,
                           const struct rpc_params *params);

/* rpc_published.c */
rpc_method_fn rpc_dht_published;
/* rpc_status.c */
rpc_method_fn rpc_status, rpc_dht_nodes;
/* rpc_dht.c */
rpc_method_fn rpc_dht_ping, rpc_dht_find_node, rpc_dht_get_peers,
    rpc_dht_scrape, rpc_dht_announce, rpc_dht_withdraw, rpc_dht_get,
    rpc_dht_put, rpc_dht_sample, rpc_dht_ask;
/* dht_call.c */
/* The DHT that a request is for. NULL: it is not enabled, and `call` has been
 * answered. */
struct dht_host *rpc_dht_of(struct rpc *rpc, struct control_call *call,
                            const struct rpc_params *params);

/* rpc_tunnel.c, rpc_tunnel_list.c, rpc_tunnel_send.c, rpc_tunnel_speed.c */
rpc_method_fn rpc_tunnel_peers, rpc_tunnel_circuits, rpc_tunnel_build,
    rpc_tunnel_stop, rpc_tunnel_send, rpc_tunnel_ping, rpc_tunnel_speedtest,
    rpc_tunnel_close, rpc_tunnel_active;

/* rpc_service.c, rpc_service_list.c, rpc_service_key.c */
rpc_method_fn rpc_service_list, rpc_service_show, rpc_service_peers,
    rpc_service_new, rpc_service_remove, rpc_service_access, rpc_service_allow,
    rpc_service_disallow, rpc_service_export, rpc_service_import,
    rpc_service_register, rpc_service_receive, rpc_service_connect,
    rpc_service_send, rpc_service_size, rpc_service_probe;

/* node/rpc/live: events, datagrams, streams */
rpc_method_fn rpc_cancel, rpc_events, rpc_tunnel_data, rpc_stream_connect,
    rpc_stream_write, rpc_stream_read, rpc_stream_shutdown, rpc_stream_reset,
    rpc_stream_listen, rpc_stream_accept, rpc_stream_refuse;

/* What they share; ERR_NO_MEMORY. */
enum error rpc_live_new(struct rpc *rpc);
void rpc_live_free(struct rpc *rpc);
/* Tells those who want to know that a datagram has left. `circuit` 0: to a
 * service or a peer. */
void rpc_tell_sent(struct rpc *rpc, uint32_t circuit, struct bytes to,
                   struct bytes data);

/* The service has ended, and so do those who listen for its streams. */
void rpc_service_ended(struct rpc *rpc, uint32_t service);

/* A service by its name, string or address, as clients know it; nil when it is
 * gone. */
void rpc_write_service(struct rpc *rpc, struct mp_writer *w, const char *key,
                       uint32_t service);
/* The other way round; 0: there is none. */
uint32_t rpc_find_service(struct rpc *rpc, struct bytes text);
/* That which is a member of the string; 0: there is none. */
uint32_t rpc_find_string(struct rpc *rpc, struct bytes string);

/* rpc_socks.c */
rpc_method_fn rpc_socks_open;

/* Ends what still runs without an answer. */
void rpc_dht_end(struct rpc *rpc);

/* A key and its value, for maps. */
void rpc_write_id(struct mp_writer *w, const char *key, const struct id *id);
void rpc_write_endpoint(struct mp_writer *w, const char *key,
                        const struct endpoint *ep);
void rpc_write_uint(struct mp_writer *w, const char *key, uint64_t value);
void rpc_write_int(struct mp_writer *w, const char *key, int64_t value);
void rpc_write_text(struct mp_writer *w, const char *key, const char *value);
void rpc_write_bool(struct mp_writer *w, const char *key, bool value);
void rpc_write_hex(struct mp_writer *w, const char *key, struct bytes value);
/* A duration in milliseconds; nil for TIME_NEVER. */
void rpc_write_ms(struct mp_writer *w, const char *key, uint64_t duration);

#endif
