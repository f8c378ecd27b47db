/* SPDX-License-Identifier: MIT
 *
 * A proxy for one program: a private listener (node/socks/socks_server.h) that
 * is there until its client leaves.
 */
#include "node/rpc/rpc_internal.h"

#include "node/socks/socks_server.h"
#include "node/traffic/traffic_host.h"

#include <sodium.h>
#include <stdlib.h>

#define WHY_LIMIT      512
#define PASSWORD_BYTES 32

struct rpc_proxy {
    LIST_ENTRY(rpc_proxy) link;
    struct control_call *call;
    struct socks_private *listener;
};

static void on_cancel(void *arg)
{
    struct rpc_proxy *p = arg;

    LIST_REMOVE(p, link);
    socks_server_close(p->listener);
    free(p);
}

/* One process leaves room for others. */
static bool has_room(const struct rpc *rpc, const struct control_call *call)
{
    unsigned most = (traffic_host_max_private(&rpc->node->config) + 3) / 4;
    unsigned held = 0;
    const struct rpc_proxy *p;

    LIST_FOREACH(p, &rpc->proxies, link)
    {
        held += control_same_process(p->call, call);
    }
    return held < most;
}

static void tell(struct control_call *call, const struct endpoint *at,
                 const char *password)
{
    struct mp_writer *w = control_notify(call, "listening");

    mp_write_map(w, 3);
    rpc_write_endpoint(w, "address", at);
    rpc_write_text(w, "user", SOCKS_PRIVATE_USER);
    rpc_write_text(w, "password", password);
    control_notified(call);
}

void rpc_socks_open(struct rpc *rpc, struct control_call *call,
                    const struct rpc_params *params)
{
    uint8_t secret[PASSWORD_BYTES];
    char password[2 * PASSWORD_BYTES + 1];
    const struct socks_wish wish = {.hops = params->hops,
                                    .password = password,
                                    .isolation = bytes_of_text(params->name)};
    struct socks_server *socks;
    struct rpc_proxy *p;
    struct endpoint at;
    struct text why;
    enum error e;

    p = calloc(1, sizeof(*p));
    if (p == NULL) {
        control_fail(call, ERR_NO_MEMORY, NULL);
        return;
    }
    p->call = call;
    randombytes_buf(secret, sizeof(secret));
    sodium_bin2hex(password, sizeof(password), secret, sizeof(secret));
    text_init(&why, WHY_LIMIT);
    e = traffic_host_need_socks(tunnel_host_traffic(rpc->node->tunnels),
                                &rpc->node->config, &socks);
    if (e == OK && !has_room(rpc, call))
        e = ERR_FULL;
    if (e == OK)
        e = socks_server_open(socks, &wish, &p->listener, &at, &why);
    if (e == ERR_FULL)
        text_add(&why, "there are too many proxies, or too many of this "
                       "process (socks.max_private); one ends with its client");
    if (e == OK) {
        LIST_INSERT_HEAD(&rpc->proxies, p, link);
        control_on_cancel(call, on_cancel, p);
        tell(call, &at, password);
    } else {
        free(p);
        control_fail(call, e, why.len > 0 ? text_get(&why) : NULL);
    }
    text_deinit(&why);
    sodium_memzero(secret, sizeof(secret));
    sodium_memzero(password, sizeof(password));
}
