/* SPDX-License-Identifier: MIT
 *
 * Methods that use services: register, receive and connect go on until their
 * client leaves, and tell what happens; send, size and probe end with an
 * answer.
 */
#include "node/rpc/service_call.h"

#include "base/timestamp.h"
#include "node/os/clock.h"
#include "tunnel/record/address.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define WHY_LIMIT 512
#define SIZE_SETTLED                                        \
    (3 * TIME_S) /* unchanged for so long: it is the answer \
                  */
#define HOPS_DEFAULT 3
#define NO_ROOM \
    "there are as many services as max_services in [services] allows"

static struct service_host *host(const struct rpc *rpc)
{
    return rpc->node->services;
}

/* ---- What is asked for -------------------------------------------------- */

/* 0 after `call` was answered. */
static unsigned hops_of(struct control_call *call,
                        const struct rpc_params *params)
{
    if ((params->has & RPC_HOPS) == 0)
        return HOPS_DEFAULT;
    if (params->hops <= SERVICE_HOPS_MAX)
        return params->hops;
    control_fail(call, ERR_SYNTAX,
                 "hops must be 1 to 3: a circuit has four hops at most, and "
                 "the last one is a relay that somebody else has chosen");
    return 0;
}

/* A service of others by its address; false after `call` was answered. */
static bool reach(struct rpc *rpc, struct control_call *call,
                  const struct rpc_params *params, struct bytes address,
                  uint32_t *id)
{
    const uint8_t *access = (params->has & RPC_ACCESS) != 0 ? params->access
                                                            : NULL;
    unsigned hops = hops_of(call, params);
    uint8_t key[32];
    enum error err;

    if (hops == 0)
        return false;
    err = address_read(rpc->node->config.dht.network, address, key);
    if (err != OK) {
        control_fail(call, ERR_SYNTAX, address_error_text(err));
        return false;
    }
    err = service_host_reach(host(rpc), key, access, hops, clock_now(), id);
    if (err != OK)
        control_fail(call, err, err == ERR_FULL ? NO_ROOM : NULL);
    return err == OK;
}

/* ---- register, receive, connect ----------------------------------------- */

static void answer_counts(struct service_call *c)
{
    struct mp_writer *w = control_reply(c->call);

    mp_write_map(w, 2);
    rpc_write_uint(w, "peers", c->peers);
    rpc_write_uint(w, "data", c->data);
    control_finish(c->call);
    service_call_free(c);
}

static const struct service_call_kind watching = {.event = service_call_tell,
                                                  .overdue = answer_counts};

static enum error join(struct rpc *rpc, const struct rpc_params *params,
                       unsigned hops, bool observer, uint32_t *id)
{
    struct service_options options = {.hops = hops, .observer = observer};
    const struct service_memory none = {.third.third = true};
    uint8_t secret[32];
    enum error err;

    randombytes_buf(secret, sizeof(secret));
    err = service_join(service_host_engine(host(rpc)), params->service, secret,
                       &options, &none, clock_now(), id);
    sodium_memzero(secret, sizeof(secret));
    return err;
}

static const char *say_join_error(enum error err)
{
    if (err == ERR_IN_USE)
        return "this node is a member of that string already: `warren service "
               "list` names the service, `warren service receive NAME` shows "
               "what comes";
    return err == ERR_FULL ? NO_ROOM : NULL;
}

static void watch_address(struct rpc *rpc, struct control_call *call,
                          const struct rpc_params *params)
{
    struct service_call *c;
    uint32_t id;

    if (!reach(rpc, call, params, params->service, &id))
        return;
    c = service_call_new(rpc, call, params, TIME_NEVER, &watching);
    if (c == NULL) {
        service_host_let_go(host(rpc), id, clock_now());
        return;
    }
    service_call_hear(c, id, SERVICE_HOLD_REACHED);
    service_call_tell_peers(c);
    service_connect(service_host_engine(host(rpc)), id, clock_now());
    service_host_rearm(host(rpc));
}

/* A service of ours with this address; 0: it is none of ours. */
static uint32_t find_own(struct rpc *rpc, struct bytes address)
{
    uint32_t id = rpc_find_service(rpc, address);
    struct service_status s;

    if (id == 0 || service_get_status(service_host_engine(host(rpc)), id,
                                      clock_now(), &s) != OK)
        return 0;
    return s.kind == SERVICE_KEY ? id : 0;
}

/* One that is there already, of a section, a key file or another client. */
static void share(struct rpc *rpc, struct control_call *call,
                  const struct rpc_params *params, uint32_t id)
{
    struct service_call *c =
        service_call_new(rpc, call, params, TIME_NEVER, &watching);

    if (c == NULL)
        return;
    service_call_hear(c, id, SERVICE_HOLD_NONE);
    if (service_call_join(c, params->service) != OK) {
        service_call_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    service_call_tell_peers(c);
}

static void join_string(struct rpc *rpc, struct control_call *call,
                        const struct rpc_params *params)
{
    unsigned hops = hops_of(call, params);
    struct service_call *c;
    uint32_t id;
    enum error err;

    if (hops == 0)
        return;
    err = join(rpc, params, hops, false, &id);
    if (err != OK) {
        control_fail(call, err, say_join_error(err));
        return;
    }
    c = service_call_new(rpc, call, params, TIME_NEVER, &watching);
    if (c == NULL) {
        service_leave(service_host_engine(host(rpc)), id, false, clock_now());
        return;
    }
    service_call_hear(c, id, SERVICE_HOLD_OWN);
    if (service_call_join(c, params->service) != OK)
        service_call_fail(c, ERR_NO_MEMORY, NULL);
}

void rpc_service_register(struct rpc *rpc, struct control_call *call,
                          const struct rpc_params *params)
{
    bool is_address = address_is(params->service);
    uint32_t id;

    if (rpc_services(rpc, call) == NULL)
        return;
    id = is_address ? find_own(rpc, params->service)
                    : rpc_find_string(rpc, params->service);
    if (id != 0)
        share(rpc, call, params, id);
    else if (is_address)
        watch_address(rpc, call, params);
    else
        join_string(rpc, call, params);
    service_host_rearm(host(rpc));
}

/* The service of this name; NULL after `call` was answered. */
static const struct hosted *find(struct rpc *rpc, struct control_call *call,
                                 const char *name)
{
    const struct hosted *s = service_host_find(host(rpc), name);
    struct text why;

    if (s != NULL && s->id != 0)
        return s;
    if (s == NULL) {
        rpc_no_service(call, name);
        return NULL;
    }
    text_init(&why, WHY_LIMIT);
    text_addf(&why, "the service %s does not run: %s", name, s->why);
    control_fail(call, s->trouble, text_get(&why));
    text_deinit(&why);
    return NULL;
}

void rpc_service_receive(struct rpc *rpc, struct control_call *call,
                         const struct rpc_params *params)
{
    const struct hosted *s = NULL;
    struct service_call *c;

    if (rpc_services(rpc, call) == NULL)
        return;
    if ((params->has & RPC_NAME) != 0) {
        s = find(rpc, call, params->name);
        if (s == NULL)
            return;
    }
    c = service_call_new(rpc, call, params, TIME_NEVER, &watching);
    if (c != NULL)
        service_call_hear(c, s == NULL ? 0 : s->id, SERVICE_HOLD_NONE);
}

/* What programs send to the listener. One that is not taken is lost, as on the
 * way. */
static void on_heard(void *arg, struct bytes payload)
{
    struct service_call *c = arg;

    service_send(service_host_engine(host(c->rpc)), c->service, c->port,
                 payload, clock_now());
    service_host_rearm(host(c->rpc));
}

static void on_connect_event(struct service_call *c,
                             const struct service_event *e)
{
    if (e->kind != SERVICE_EVENT_DATA) {
        service_call_tell(c, e);
        return;
    }
    if (e->port == c->port && local_listener_send(c->local, e->payload) == OK)
        c->data++;
}

static const struct service_call_kind connecting = {.event = on_connect_event,
                                                    .overdue = answer_counts};

static void tell_listening(struct service_call *c, const struct endpoint *at)
{
    struct mp_writer *w = control_notify(c->call, "listening");

    mp_write_map(w, 1);
    rpc_write_endpoint(w, "address", at);
    control_notified(c->call);
}

void rpc_service_connect(struct rpc *rpc, struct control_call *call,
                         const struct rpc_params *params)
{
    struct service_destination to;
    struct endpoint where;
    struct service_call *c;
    struct text why;
    uint32_t id;
    enum error err;

    if (rpc_services(rpc, call) == NULL)
        return;
    if (!service_destination_read(params->to, &to) || to.peer != 0) {
        control_fail(call, ERR_SYNTAX,
                     "to must be the address of a service and a port, like "
                     "<56 characters>.warren:53");
        return;
    }
    if (!reach(rpc, call, params, to.address, &id))
        return;
    c = service_call_new(rpc, call, params, TIME_NEVER, &connecting);
    if (c == NULL) {
        service_host_let_go(host(rpc), id, clock_now());
        return;
    }
    c->port = to.port;
    service_call_hear(c, id, SERVICE_HOLD_REACHED);
    text_init(&why, WHY_LIMIT);
    err = local_listener_new(rpc->node->base, &params->address, on_heard, c,
                             &c->local, &where, &why);
    if (err != OK) {
        service_call_fail(c, err, why.len > 0 ? text_get(&why) : NULL);
    } else {
        tell_listening(c, &where);
        service_connect(service_host_engine(host(rpc)), id, clock_now());
        service_host_rearm(host(rpc));
    }
    text_deinit(&why);
}

/* ---- send --------------------------------------------------------------- */

/* `e`: the answer; NULL: none came. `why` NULL: none is known. */
static void answer_send(struct service_call *c, const char *outcome,
                        const struct service_event *e, const char *reason,
                        const char *why)
{
    struct mp_writer *w = control_reply(c->call);
    char peer[SERVICE_PEER_TEXT];

    mp_write_map(w, reason != NULL ? 6 : 4);
    rpc_write_text(w, "outcome", outcome);
    mp_write_text(w, "peer");
    if (e != NULL)
        mp_write_text(w, service_peer_text(e->peer, peer));
    else
        mp_write_nil(w);
    mp_write_text(w, "data");
    if (e != NULL)
        mp_write_bin(w, e->payload);
    else
        mp_write_nil(w);
    rpc_write_ms(w, "duration", time_since(c->began_at, clock_now()));
    if (reason != NULL) {
        rpc_write_text(w, "reason", reason);
        rpc_write_text(w, "text", why);
    }
    control_finish(c->call);
    service_call_free(c);
}

static void on_send_event(struct service_call *c, const struct service_event *e)
{
    bool ours = c->peer == 0 || c->peer == e->peer;

    if (e->kind == SERVICE_EVENT_DATA && ours && e->port == c->port)
        answer_send(c, "answered", e, NULL, NULL);
    else if (e->kind == SERVICE_EVENT_GONE && ours)
        answer_send(c, "failed", NULL, reason_name(e->why),
                    reason_text(e->why));
    else if (e->kind == SERVICE_EVENT_STATE && c->peer == 0 &&
             e->problem != SERVICE_FINE && e->problem != SERVICE_STARTING)
        answer_send(c, "failed", NULL, service_problem_name(e->problem),
                    service_problem_text(e->problem));
}

static void on_send_overdue(struct service_call *c)
{
    struct service_status s;

    if (c->peer == 0 &&
        service_get_status(service_host_engine(host(c->rpc)), c->service,
                           clock_now(), &s) == OK &&
        s.peers == 0)
        answer_send(c, "failed", NULL, service_problem_name(s.problem),
                    s.problem == SERVICE_FINE || s.problem == SERVICE_STARTING
                        ? "no connection to the service in that time"
                        : service_problem_text(s.problem));
    else
        answer_send(c, "silent", NULL, "timeout",
                    "it was sent, and nothing came back");
}

static const struct service_call_kind sending = {.event = on_send_event,
                                                 .overdue = on_send_overdue};

static const char *say_send_error(enum error err, bool to_peer)
{
    if (err == ERR_NOT_FOUND && to_peer)
        return "there is no such peer (any more); `warren service peers` shows "
               "who is there";
    if (err == ERR_FULL)
        return "too much is waiting for this peer already";
    return NULL;
}

/* It is on its way, or not: the call waits, unless that is not wanted. */
static void sent(struct service_call *c, const struct rpc_params *params,
                 enum error err)
{
    service_host_rearm(host(c->rpc));
    if (err == OK)
        rpc_tell_sent(c->rpc, 0, params->to, params->data);
    if (err != OK)
        service_call_fail(c, err, say_send_error(err, c->peer != 0));
    else if (!params->wait)
        answer_send(c, "sent", NULL, NULL, NULL);
    else
        service_call_hear(c, c->service, c->hold);
}

static void send_to_peer(struct rpc *rpc, struct control_call *call,
                         const struct rpc_params *params, uint64_t peer,
                         uint16_t port)
{
    struct service_call *c =
        service_call_new(rpc, call, params, RPC_TIMEOUT_DEFAULT, &sending);

    if (c == NULL)
        return;
    c->peer = peer;
    c->port = port;
    sent(c, params,
         service_peer_send(service_host_engine(host(rpc)), peer, port,
                           params->data, clock_now()));
}

static void send_to_address(struct rpc *rpc, struct control_call *call,
                            const struct rpc_params *params,
                            struct bytes address, uint16_t port)
{
    struct service_call *c;
    uint32_t id;

    if (!reach(rpc, call, params, address, &id))
        return;
    c = service_call_new(rpc, call, params, RPC_TIMEOUT_DEFAULT, &sending);
    if (c == NULL) {
        service_host_let_go(host(rpc), id, clock_now());
        return;
    }
    c->port = port;
    c->service = id;
    c->hold = SERVICE_HOLD_REACHED;
    sent(c, params,
         service_send(service_host_engine(host(rpc)), id, port, params->data,
                      clock_now()));
}

void rpc_service_send(struct rpc *rpc, struct control_call *call,
                      const struct rpc_params *params)
{
    struct service_destination to;

    if (rpc_services(rpc, call) == NULL)
        return;
    if (!service_destination_read(params->to, &to))
        control_fail(call, ERR_SYNTAX,
                     "to must be a peer, like p17.peer.warren or "
                     "p17.peer.warren:53, or the address of a service and a "
                     "port, like <56 characters>.warren:53");
    else if (to.peer != 0)
        send_to_peer(rpc, call, params, to.peer, to.port);
    else
        send_to_address(rpc, call, params, to.address, to.port);
}

/* ---- size --------------------------------------------------------------- */

static bool size_of(const struct service_call *c, struct service_status *s)
{
    return service_get_status(service_host_engine(host(c->rpc)), c->service,
                              clock_now(), s) == OK;
}

static void answer_size(struct service_call *c)
{
    struct mp_writer *w = control_reply(c->call);
    struct service_status s = {.members = 0};

    size_of(c, &s);
    mp_write_map(w, 4);
    rpc_write_uint(w, "members", s.members);
    mp_write_text(w, "size");
    mp_write_double(w, s.size);
    mp_write_text(w, "spread");
    mp_write_double(w, s.spread);
    rpc_write_ms(w, "duration", time_since(c->began_at, clock_now()));
    control_finish(c->call);
    service_call_free(c);
}

static void on_size_wake(struct service_call *c, uint64_t now)
{
    struct service_status s;

    if (!size_of(c, &s))
        return;
    if (s.size > c->size || s.size < c->size) {
        c->size = s.size;
        c->size_at = now;
    } else if (s.members > 0 && time_since(c->size_at, now) >= SIZE_SETTLED) {
        answer_size(c);
    }
}

static void on_size_event(struct service_call *c, const struct service_event *e)
{
    (void)c;
    (void)e;
}

static const struct service_call_kind sizing = {
    .event = on_size_event, .wake = on_size_wake, .overdue = answer_size};

/* Of a name of ours, or of any string as one who only looks. */
static enum error size_service(struct rpc *rpc, const struct rpc_params *params,
                               unsigned hops, uint32_t *id,
                               enum service_hold *hold)
{
    char name[SERVICE_NAME_SIZE] = "";
    const struct hosted *s = NULL;

    if (params->service.len < sizeof(name)) {
        memcpy(name, params->service.p, params->service.len);
        s = service_host_find(host(rpc), name);
    }
    *hold = SERVICE_HOLD_NONE;
    if (s != NULL && s->id != 0) {
        *id = s->id;
        return OK;
    }
    *hold = SERVICE_HOLD_OWN;
    return join(rpc, params, hops, true, id);
}

void rpc_service_size(struct rpc *rpc, struct control_call *call,
                      const struct rpc_params *params)
{
    struct service_call *c;
    enum service_hold hold;
    unsigned hops;
    uint32_t id;
    enum error err;

    if (rpc_services(rpc, call) == NULL)
        return;
    if (address_is(params->service)) {
        control_fail(call, ERR_SYNTAX,
                     "a service with an address has no members; service must "
                     "be a string, or the name of one in `warren service "
                     "list`");
        return;
    }
    hops = hops_of(call, params);
    if (hops == 0)
        return;
    err = size_service(rpc, params, hops, &id, &hold);
    if (err != OK) {
        control_fail(call, err, say_join_error(err));
        return;
    }
    c = service_call_new(rpc, call, params, RPC_TIMEOUT_DEFAULT, &sizing);
    if (c == NULL && hold == SERVICE_HOLD_OWN)
        service_leave(service_host_engine(host(rpc)), id, false, clock_now());
    if (c != NULL)
        service_call_hear(c, id, hold);
    service_host_rearm(host(rpc));
}

/* ---- probe -------------------------------------------------------------- */

static void answer_probe(struct service_call *c, bool reachable,
                         enum service_problem problem)
{
    struct mp_writer *w = control_reply(c->call);

    mp_write_map(w, 4);
    rpc_write_bool(w, "reachable", reachable);
    rpc_write_text(w, "state", service_problem_name(problem));
    rpc_write_text(w, "text", service_problem_text(problem));
    rpc_write_ms(w, "duration", time_since(c->began_at, clock_now()));
    control_finish(c->call);
    service_call_free(c);
}

static void on_probe_wake(struct service_call *c, uint64_t now)
{
    struct service_status s;

    if (service_get_status(service_host_engine(host(c->rpc)), c->service, now,
                           &s) == OK &&
        s.probed_at > c->began_at)
        answer_probe(c, s.reachable, s.problem);
}

static void on_probe_event(struct service_call *c,
                           const struct service_event *e)
{
    (void)e;
    on_probe_wake(c, clock_now());
}

static void on_probe_overdue(struct service_call *c)
{
    service_call_fail(c, ERR_TIMEOUT,
                      "the probe has not come to an end in that time");
}

static const struct service_call_kind probing = {.event = on_probe_event,
                                                 .wake = on_probe_wake,
                                                 .overdue = on_probe_overdue};

void rpc_service_probe(struct rpc *rpc, struct control_call *call,
                       const struct rpc_params *params)
{
    struct services *engine = rpc_services(rpc, call);
    const struct hosted *s;
    struct service_call *c;
    struct service_status status;
    enum error err;

    if (engine == NULL)
        return;
    s = find(rpc, call, params->name);
    if (s == NULL)
        return;
    if (service_get_status(engine, s->id, clock_now(), &status) == OK &&
        status.kind != SERVICE_KEY) {
        control_fail(call, ERR_UNSUPPORTED,
                     "only a service with an address can be probed; `warren "
                     "service size` tells how many members of a string are "
                     "found");
        return;
    }
    c = service_call_new(rpc, call, params, RPC_TIMEOUT_DEFAULT, &probing);
    if (c == NULL)
        return;
    service_call_hear(c, s->id, SERVICE_HOLD_NONE);
    err = service_probe(engine, s->id, clock_now());
    if (err != OK)
        service_call_fail(c, err,
                          err == ERR_NOT_FOUND
                              ? "it is not published yet: `warren service "
                                "show` tells what is missing"
                              : NULL);
    service_host_rearm(host(rpc));
}
