/* SPDX-License-Identifier: MIT
 *
 * Methods of streams that this node opens, and what is done with any that runs.
 */
#include "node/rpc/live/stream_call.h"

#include "base/timestamp.h"
#include "node/os/clock.h"
#include "node/service/destination.h"
#include "node/service/service_host.h"
#include "tunnel/exit/host_port.h"
#include "tunnel/record/address.h"

#define HOPS_DEFAULT    3
#define TIMEOUT_DEFAULT TIME_MIN

/* ---- stream.connect ----------------------------------------------------- */

/* What is wrong, in `say` if not what the error's own text says. */
static enum error to_service(struct stream_call *s,
                             const struct rpc_params *params,
                             const struct service_destination *to,
                             struct carrier_target *target, const char **say)
{
    const uint8_t *access = (params->has & RPC_ACCESS) != 0 ? params->access
                                                            : NULL;
    struct service_host *host = s->rpc->node->services;
    uint8_t key[32];
    enum error err;

    target->request =
        (struct stream_request){.kind = STREAM_PORT, .port = to->port};
    if (to->port == 0) {
        *say = "to has no port: p17.peer.warren:80 has one, from 1 to 65535";
        return ERR_SYNTAX;
    }
    if (service_host_engine(host) == NULL)
        return ERR_UNSUPPORTED;
    if (to->peer != 0) {
        target->peer = to->peer;
        *say = "there is no such peer (any more); `warren service peers` shows "
               "who is there";
        return service_of_peer(service_host_engine(host), to->peer) == 0
                   ? ERR_NOT_FOUND
                   : OK;
    }
    if (target->hops > SERVICE_HOPS_MAX) {
        *say = "hops to a service must be 1 to 3: the last relay of its "
               "circuit is one that the service has chosen";
        return ERR_SYNTAX;
    }
    err = address_read(s->rpc->node->config.dht.network, to->address, key);
    if (err != OK) {
        *say = address_error_text(err);
        return ERR_SYNTAX;
    }
    err = service_host_reach(host, key, access, target->hops, clock_now(),
                             &target->service);
    if (err == OK)
        s->service = target->service;
    return err;
}

/* `to` is where the name in the request lies. */
static enum error to_host(struct bytes text, struct host_port *to,
                          struct carrier_target *target, const char **say)
{
    enum error err = host_port_parse(text, to);

    if (err != OK) {
        *say = err == ERR_SYNTAX ? "to must be \"HOST:PORT\", a peer or the "
                                   "address of a service and a port"
                                 : host_port_error_text(err);
        return err;
    }
    if (to->name.len > 0 &&
        address_is(bytes_of((const uint8_t *)to->name.text, to->name.len))) {
        *say = "no service can have this address";
        return ERR_SYNTAX;
    }
    target->request = (struct stream_request){
        .kind = STREAM_CONNECT,
        .ep = to->ep,
        .port = to->ep.port,
        .name = bytes_of((const uint8_t *)to->name.text, to->name.len)};
    return OK;
}

static enum error connect_to(struct stream_call *s,
                             const struct rpc_params *params, const char **say)
{
    struct carrier_target target = {.hops = HOPS_DEFAULT,
                                    .isolation = params->isolation,
                                    .timeout = TIMEOUT_DEFAULT};
    struct service_destination service;
    struct host_port host;
    enum error err;

    if ((params->has & RPC_HOPS) != 0)
        target.hops = params->hops;
    if ((params->has & RPC_TIMEOUT) != 0)
        target.timeout = params->timeout;
    if (service_destination_read(params->to, &service))
        err = to_service(s, params, &service, &target, say);
    else
        err = to_host(params->to, &host, &target, say);
    if (err != OK)
        return err;
    *say = NULL;
    return stream_call_ask(s, &target, clock_now());
}

void rpc_stream_connect(struct rpc *rpc, struct control_call *call,
                        const struct rpc_params *params)
{
    struct stream_call *s = stream_call_new(rpc, call, params);
    const char *say = NULL;
    enum error err;

    if (s == NULL)
        return;
    err = connect_to(s, params, &say);
    if (err == OK) {
        struct stream_news news = {
            .event = "asked", .stream = s->number, .to = params->to};

        live_tell_stream(rpc, &news);
        return;
    }
    control_fail(call, err, say);
    stream_call_free(s);
}

/* ---- One that runs ------------------------------------------------------ */

void rpc_stream_write(struct rpc *rpc, struct control_call *call,
                      const struct rpc_params *params)
{
    struct stream_call *s = stream_call_find(call, params);

    (void)rpc;
    if (s == NULL)
        return;
    if (params->data.len == 0 || params->data.len > STREAM_WRITE_MAX)
        control_fail(call, ERR_SYNTAX, "data must be 1 to 32768 bytes");
    else if (s->shut)
        control_fail(call, ERR_SYNTAX,
                     "the stream was shut down: no more is written");
    else if (s->rest != NULL)
        control_fail(call, ERR_IN_USE,
                     "another write to this stream is not answered yet");
    else if (stream_call_write(s, params->data, call, clock_now()) != OK)
        control_fail(call, ERR_NO_MEMORY, NULL);
}

void rpc_stream_read(struct rpc *rpc, struct control_call *call,
                     const struct rpc_params *params)
{
    struct stream_call *s = stream_call_find(call, params);

    (void)rpc;
    if (s == NULL)
        return;
    live_answer(call);
    stream_call_more_credit(s, params->credit, clock_now());
}

void rpc_stream_shutdown(struct rpc *rpc, struct control_call *call,
                         const struct rpc_params *params)
{
    struct stream_call *s = stream_call_find(call, params);

    (void)rpc;
    if (s == NULL)
        return;
    live_answer(call);
    stream_call_shutdown(s, clock_now());
}

void rpc_stream_reset(struct rpc *rpc, struct control_call *call,
                      const struct rpc_params *params)
{
    struct stream_call *s = stream_call_find(call, params);

    (void)rpc;
    if (s == NULL)
        return;
    control_cancel(s->call);
    live_answer(call);
}
