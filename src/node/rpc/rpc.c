/* SPDX-License-Identifier: MIT
 *
 * The table of methods: which parameters each takes, and who answers it. What
 * several answers are made of is below.
 */
#include "node/rpc/rpc.h"
#include "base/timestamp.h"
#include "node/rpc/rpc_internal.h"

#include <sodium.h>

#include <stdlib.h>

/* What every lookup in a DHT takes. */
#define LOOKUP (RPC_MAINLINE | RPC_TRACE | RPC_STREAM)

static const struct {
    const char *name;
    rpc_method_fn *call;
    uint64_t required, optional; /* RPC_... */
} methods[] = {
    {"status", rpc_status, 0, 0},
    {"cancel", rpc_cancel, RPC_CALL, 0},
    {"events", rpc_events, 0, RPC_KINDS | RPC_TIMEOUT},
    {"dht.nodes", rpc_dht_nodes, 0, RPC_MAINLINE},
    {"dht.ping", rpc_dht_ping, RPC_ADDRESS, RPC_MAINLINE},
    {"dht.find_node", rpc_dht_find_node, RPC_TARGET, LOOKUP},
    {"dht.get_peers", rpc_dht_get_peers, RPC_HASH, RPC_NO_SEEDS | LOOKUP},
    {"dht.scrape", rpc_dht_scrape, RPC_HASH, LOOKUP},
    {"dht.announce", rpc_dht_announce, RPC_HASH, RPC_PORT | RPC_SEED | LOOKUP},
    {"dht.published", rpc_dht_published, 0, RPC_MAINLINE},
    {"dht.withdraw", rpc_dht_withdraw, RPC_HASH, RPC_MAINLINE},
    {"dht.get", rpc_dht_get, RPC_TARGET, RPC_SALT | LOOKUP},
    {"dht.put", rpc_dht_put, RPC_VALUE,
     RPC_KEY | RPC_SIGNATURE | RPC_SEQ | RPC_CAS | RPC_SALT | LOOKUP},
    {"dht.sample", rpc_dht_sample, RPC_ADDRESS, RPC_TARGET | RPC_MAINLINE},
    {"dht.ask", rpc_dht_ask, RPC_ADDRESS | RPC_TARGET, RPC_MAINLINE},
    {"tunnel.peers", rpc_tunnel_peers, 0, RPC_AFTER},
    {"tunnel.circuits", rpc_tunnel_circuits, 0, 0},
    {"tunnel.build", rpc_tunnel_build, RPC_HOPS,
     RPC_COUNT | RPC_TIMEOUT | RPC_STREAM},
    {"tunnel.stop", rpc_tunnel_stop, RPC_HOPS, 0},
    {"tunnel.send", rpc_tunnel_send, RPC_HOPS | RPC_TO | RPC_DATA,
     RPC_TIMEOUT | RPC_STREAM},
    {"tunnel.ping", rpc_tunnel_ping, RPC_CIRCUIT, RPC_TIMEOUT},
    {"tunnel.speedtest", rpc_tunnel_speedtest, RPC_HOPS,
     RPC_DURATION | RPC_TIMEOUT | RPC_STREAM},
    {"tunnel.close", rpc_tunnel_close, RPC_CIRCUIT, 0},
    {"tunnel.active", rpc_tunnel_active, RPC_HOPS, 0},
    {"tunnel.data", rpc_tunnel_data, RPC_TO | RPC_DATA, RPC_CIRCUIT | RPC_TYPE},
    {"service.list", rpc_service_list, 0, 0},
    {"service.show", rpc_service_show, RPC_NAME, 0},
    {"service.peers", rpc_service_peers, 0, RPC_NAME},
    {"service.new", rpc_service_new, RPC_NAME, RPC_SERVICE},
    {"service.remove", rpc_service_remove, RPC_NAME, 0},
    {"service.access", rpc_service_access, RPC_NAME, 0},
    {"service.allow", rpc_service_allow, RPC_NAME | RPC_LABEL, 0},
    {"service.disallow", rpc_service_disallow, RPC_NAME | RPC_LABEL, 0},
    {"service.export", rpc_service_export, RPC_NAME, 0},
    {"service.import", rpc_service_import, RPC_NAME | RPC_LINE, 0},
    {"service.register", rpc_service_register, RPC_SERVICE,
     RPC_HOPS | RPC_ACCESS | RPC_TIMEOUT},
    {"service.receive", rpc_service_receive, 0, RPC_NAME | RPC_TIMEOUT},
    {"service.connect", rpc_service_connect, RPC_TO | RPC_ADDRESS,
     RPC_HOPS | RPC_ACCESS | RPC_TIMEOUT},
    {"service.send", rpc_service_send, RPC_TO | RPC_DATA,
     RPC_HOPS | RPC_ACCESS | RPC_WAIT | RPC_TIMEOUT},
    {"service.size", rpc_service_size, RPC_SERVICE, RPC_HOPS | RPC_TIMEOUT},
    {"socks.open", rpc_socks_open, RPC_HOPS, RPC_NAME},
    {"service.probe", rpc_service_probe, RPC_NAME, RPC_TIMEOUT},
    {"stream.connect", rpc_stream_connect, RPC_TO,
     RPC_HOPS | RPC_ISOLATION | RPC_TIMEOUT | RPC_CREDIT | RPC_ACCESS},
    {"stream.write", rpc_stream_write, RPC_CALL | RPC_DATA, 0},
    {"stream.read", rpc_stream_read, RPC_CALL | RPC_CREDIT, 0},
    {"stream.shutdown", rpc_stream_shutdown, RPC_CALL, 0},
    {"stream.reset", rpc_stream_reset, RPC_CALL, 0},
    {"stream.listen", rpc_stream_listen, RPC_SERVICE | RPC_PORT, RPC_TIMEOUT},
    {"stream.accept", rpc_stream_accept, RPC_VISIT, RPC_CREDIT},
    {"stream.refuse", rpc_stream_refuse, RPC_VISIT, 0},
};

#define METHODS   (sizeof(methods) / sizeof(methods[0]))
#define WHY_LIMIT 512

static void say_no_method(struct control_call *call, struct bytes method)
{
    struct text why;

    text_init(&why, WHY_LIMIT);
    text_add(&why, "there is no method \"");
    text_add_printable(&why, method);
    text_add(&why, "\" in warren " WARREN_VERSION);
    control_fail(call, ERR_UNSUPPORTED, text_get(&why));
    text_deinit(&why);
}

void rpc_call(void *arg, struct control_call *call, struct bytes method,
              struct mp_reader *params)
{
    struct rpc *rpc = arg;
    struct rpc_params read;
    struct text why;
    size_t i = 0;

    while (i < METHODS && !bytes_equal(method, bytes_of_text(methods[i].name)))
        i++;
    if (i == METHODS) {
        say_no_method(call, method);
        return;
    }
    text_init(&why, WHY_LIMIT);
    if (rpc_params_read(params, methods[i].required, methods[i].optional, &read,
                        &why) == OK)
        methods[i].call(rpc, call, &read);
    else
        control_fail(call, ERR_SYNTAX, text_get(&why));
    text_deinit(&why);
    dht_host_rearm(rpc->node->dht);
    if (rpc->node->mainline != NULL)
        dht_host_rearm(rpc->node->mainline);
    tunnel_host_rearm(rpc->node->tunnels);
}

enum error rpc_new(struct node *node, struct rpc **out)
{
    struct rpc *rpc = calloc(1, sizeof(*rpc));

    if (rpc == NULL)
        return ERR_NO_MEMORY;
    rpc->node = node;
    calls_init(&rpc->dht_calls);
    LIST_INIT(&rpc->joined);
    LIST_INIT(&rpc->proxies);
    if (rpc_live_new(rpc) != OK) {
        free(rpc);
        return ERR_NO_MEMORY;
    }
    *out = rpc;
    return OK;
}

void rpc_free(struct rpc *rpc)
{
    if (rpc == NULL)
        return;
    rpc_dht_end(rpc);
    rpc_live_free(rpc);
    free(rpc);
}

/* ---- Writing ----------------------------------------------------------- */

void rpc_write_id(struct mp_writer *w, const char *key, const struct id *id)
{
    char text[ID_TEXT_SIZE];

    rpc_write_text(w, key, id_print(id, text));
}

void rpc_write_endpoint(struct mp_writer *w, const char *key,
                        const struct endpoint *ep)
{
    char text[ENDPOINT_TEXT_SIZE];

    rpc_write_text(w, key, endpoint_print(ep, text));
}

void rpc_write_uint(struct mp_writer *w, const char *key, uint64_t value)
{
    mp_write_text(w, key);
    mp_write_uint(w, value);
}

void rpc_write_int(struct mp_writer *w, const char *key, int64_t value)
{
    mp_write_text(w, key);
    mp_write_int(w, value);
}

void rpc_write_text(struct mp_writer *w, const char *key, const char *value)
{
    mp_write_text(w, key);
    mp_write_text(w, value);
}

void rpc_write_bool(struct mp_writer *w, const char *key, bool value)
{
    mp_write_text(w, key);
    mp_write_bool(w, value);
}

void rpc_write_hex(struct mp_writer *w, const char *key, struct bytes value)
{
    char hex[2 * 64 + 1];

    sodium_bin2hex(hex, sizeof(hex), value.p, value.len);
    rpc_write_text(w, key, hex);
}

void rpc_write_ms(struct mp_writer *w, const char *key, uint64_t duration)
{
    mp_write_text(w, key);
    if (duration == TIME_NEVER)
        mp_write_nil(w);
    else
        mp_write_double(w, (double)duration / (double)TIME_MS);
}
