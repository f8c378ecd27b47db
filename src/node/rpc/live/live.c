/* SPDX-License-Identifier: MIT
 *
 * `cancel`, which ends another request of the same client, and `tunnel.data`.
 */
#include "node/rpc/live/live.h"

#include "base/timestamp.h"
#include "node/host/tunnel_host.h"
#include "node/os/clock.h"
#include "node/service/destination.h"
#include "node/service/service_host.h"
#include "tunnel/exit/host_port.h"
#include "tunnel/member/member.h"
#include "tunnel/record/address.h"

#include <event2/event.h>
#include <stdlib.h>

#define HOPS_TO_SERVICES 3

enum error rpc_live_new(struct rpc *rpc)
{
    rpc->live = calloc(1, sizeof(*rpc->live));
    if (rpc->live == NULL)
        return ERR_NO_MEMORY;
    TAILQ_INIT(&rpc->live->subscribers);
    LIST_INIT(&rpc->live->listening);
    TAILQ_INIT(&rpc->live->visits);
    live_invite(rpc);
    return OK;
}

/* The control server has cancelled all that ran. */
void rpc_live_free(struct rpc *rpc)
{
    live_uninvite(rpc);
    if (rpc->live->piece_event != NULL)
        event_free(rpc->live->piece_event);
    free(rpc->live->piece);
    free(rpc->live);
}

void live_answer(struct control_call *call)
{
    mp_write_map(control_reply(call), 0);
    control_finish(call);
}

/* ---- cancel ------------------------------------------------------------- */

void rpc_cancel(struct rpc *rpc, struct control_call *call,
                const struct rpc_params *params)
{
    struct control_call *other;
    enum error err = control_find(call, params->call, &other);

    (void)rpc;
    if (err != OK)
        control_fail(call, err,
                     err == ERR_NOT_FOUND
                         ? "no request of yours with this msgid is running"
                         : "several requests with this msgid are running");
    else if (!control_cancel(other))
        control_fail(call, ERR_UNSUPPORTED, "this request cannot be ended");
    else
        live_answer(call);
}

/* ---- tunnel.data -------------------------------------------------------- */

static const char *say_not_sent(enum error err, bool to_peer)
{
    if (err == ERR_NOT_FOUND && to_peer)
        return "there is no such peer (any more); `warren service peers` shows "
               "who is there";
    if (err == ERR_NOT_FOUND)
        return "there is no such circuit that is ready: `warren circuits` "
               "lists them";
    if (err == ERR_TOO_LARGE)
        return "this datagram is larger than one can be";
    return NULL;
}

static void sent(struct rpc *rpc, struct control_call *call, uint32_t circuit,
                 const struct rpc_params *params)
{
    rpc_tell_sent(rpc, circuit, params->to, params->data);
    live_answer(call);
}

static enum error send_to_address(struct rpc *rpc, struct bytes address,
                                  uint16_t port, struct bytes data)
{
    struct service_host *host = rpc->node->services;
    uint8_t key[32];
    uint32_t id;
    enum error err = address_read(rpc->node->config.dht.network, address, key);

    if (err != OK)
        return ERR_ADDRESS;
    err =
        service_host_reach(host, key, NULL, HOPS_TO_SERVICES, clock_now(), &id);
    if (err != OK)
        return err;
    err = service_send(service_host_engine(host), id, port, data, clock_now());
    service_host_let_go(host, id, clock_now());
    return err;
}

static void send_to_service(struct rpc *rpc, struct control_call *call,
                            const struct rpc_params *params,
                            const struct service_destination *to)
{
    struct services *engine = service_host_engine(rpc->node->services);
    enum error err = ERR_UNSUPPORTED;

    if (engine != NULL && to->peer != 0)
        err = service_peer_send(engine, to->peer, to->port, params->data,
                                clock_now());
    else if (engine != NULL)
        err = send_to_address(rpc, to->address, to->port, params->data);
    service_host_rearm(rpc->node->services);
    if (err == OK)
        sent(rpc, call, 0, params);
    else
        control_fail(call, err, say_not_sent(err, to->peer != 0));
}

static void send_to_host(struct rpc *rpc, struct control_call *call,
                         const struct rpc_params *params)
{
    struct member *t = tunnel_host_member(rpc->node->tunnels);
    struct host_port to;
    enum error err = host_port_parse(params->to, &to);

    if (err != OK) {
        control_fail(call, err,
                     err != ERR_SYNTAX
                         ? host_port_error_text(err)
                         : "to must be \"HOST:PORT\", a peer or the address "
                           "of a service and a port");
        return;
    }
    if ((params->has & RPC_CIRCUIT) == 0) {
        control_fail(call, ERR_SYNTAX,
                     "the parameter circuit is missing: the number of a "
                     "circuit whose exit is to send it");
        return;
    }
    if (to.name.len == 0)
        err =
            member_data(t, params->circuit, &to.ep, params->data, clock_now());
    else
        err = member_data_name(t, params->circuit,
                               bytes_of(to.name.text, to.name.len), to.ep.port,
                               params->data, clock_now());
    if (err == OK)
        sent(rpc, call, params->circuit, params);
    else
        control_fail(call, err, say_not_sent(err, false));
}

void rpc_tunnel_data(struct rpc *rpc, struct control_call *call,
                     const struct rpc_params *params)
{
    struct service_destination service;

    if ((params->has & RPC_TYPE) != 0 && !bytes_is_text(params->type, "data"))
        control_fail(call, ERR_UNSUPPORTED,
                     "there are datagrams of the type \"data\" alone");
    else if (service_destination_read(params->to, &service))
        send_to_service(rpc, call, params, &service);
    else
        send_to_host(rpc, call, params);
}
