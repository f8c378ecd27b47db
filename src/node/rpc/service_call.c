/* SPDX-License-Identifier: MIT
 *
 * The timer goes off at the deadline, and some times a second for a kind that
 * looks at something meanwhile.
 */
#include "node/rpc/service_call.h"

#include "base/timestamp.h"
#include "node/os/clock.h"

#include "tunnel/record/address.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define WAKE               (200 * TIME_MS)
#define SERVICES_LOOKED_AT 256

static struct service_host *host(const struct service_call *c)
{
    return c->rpc->node->services;
}

struct services *rpc_services(struct rpc *rpc, struct control_call *call)
{
    struct services *engine = service_host_engine(rpc->node->services);

    if (engine == NULL)
        control_fail(call, ERR_UNSUPPORTED, "this node has no services yet");
    return engine;
}

void rpc_no_service(struct control_call *call, const char *name)
{
    struct text why;

    text_init(&why, 512);
    text_add(&why, "there is no service '");
    text_add_printable(&why, bytes_of_text(name));
    text_add(&why, "'; `warren service list` shows those of this node");
    control_fail(call, ERR_NOT_FOUND, text_get(&why));
    text_deinit(&why);
}

/* To another client that has registered the same; false: there is none. */
static bool hand_on(const struct service_call *c)
{
    struct service_call *other;

    LIST_FOREACH(other, &c->rpc->joined, joined_link)
    {
        if (other->service != c->service)
            continue;
        other->hold = SERVICE_HOLD_OWN;
        return true;
    }
    return false;
}

void service_call_free(struct service_call *c)
{
    uint64_t now = clock_now();

    if (c == NULL)
        return;
    service_host_unlisten(host(c), &c->listener);
    if (c->joined != NULL)
        LIST_REMOVE(c, joined_link);
    free(c->joined);
    if (c->timer != NULL)
        event_free(c->timer);
    local_listener_free(c->local);
    if (c->hold == SERVICE_HOLD_REACHED)
        service_host_let_go(host(c), c->service, now);
    else if (c->hold == SERVICE_HOLD_OWN && !hand_on(c)) {
        service_leave(service_host_engine(host(c)), c->service, false, now);
        rpc_service_ended(c->rpc, c->service);
    }
    service_host_rearm(host(c));
    free(c);
}

void service_call_fail(struct service_call *c, enum error err, const char *text)
{
    control_fail(c->call, err, text);
    service_call_free(c);
}

static bool arm(struct service_call *c, uint64_t now)
{
    uint64_t delay = c->deadline == TIME_NEVER ? TIME_NEVER
                                               : time_since(now, c->deadline);
    struct timeval tv;

    if (c->kind->wake != NULL)
        delay = time_min(delay, WAKE);
    if (delay == TIME_NEVER)
        return true;
    delay += TIME_US; /* waking early would find nothing due */
    tv = clock_timeval(delay);
    return evtimer_add(c->timer, &tv) == 0;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct service_call *c = arg;
    uint64_t now = clock_now();

    (void)fd;
    (void)what;
    if (now >= c->deadline) {
        c->kind->overdue(c);
        return;
    }
    arm(c, now);
    if (c->kind->wake != NULL)
        c->kind->wake(c, now);
}

static void on_event(void *arg, const struct service_event *event)
{
    struct service_call *c = arg;

    c->kind->event(c, event);
}

static void on_cancel(void *arg)
{
    service_call_free(arg);
}

struct service_call *service_call_new(struct rpc *rpc,
                                      struct control_call *call,
                                      const struct rpc_params *params,
                                      uint64_t wait,
                                      const struct service_call_kind *kind)
{
    struct service_call *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        control_fail(call, ERR_NO_MEMORY, NULL);
        return NULL;
    }
    c->rpc = rpc;
    c->call = call;
    c->kind = kind;
    c->began_at = clock_now();
    if ((params->has & RPC_TIMEOUT) != 0)
        wait = params->timeout;
    c->deadline = time_after(c->began_at, wait);
    c->listener = (struct service_listener){.arg = c, .event = on_event};
    c->timer = evtimer_new(rpc->node->base, on_timer, c);
    if (c->timer == NULL || !arm(c, c->began_at)) {
        service_call_fail(c, ERR_NO_MEMORY, NULL);
        return NULL;
    }
    control_on_cancel(call, on_cancel, c);
    return c;
}

void service_call_hear(struct service_call *c, uint32_t service,
                       enum service_hold hold)
{
    c->service = service;
    c->hold = hold;
    c->listener.service = service;
    service_host_listen(host(c), &c->listener);
}

enum error service_call_join(struct service_call *c, struct bytes string)
{
    c->joined = malloc(string.len);
    if (c->joined == NULL)
        return ERR_NO_MEMORY;
    memcpy(c->joined, string.p, string.len);
    c->joined_len = string.len;
    LIST_INSERT_HEAD(&c->rpc->joined, c, joined_link);
    return OK;
}

void service_calls_end(struct rpc *rpc, uint32_t service)
{
    struct service_call *c = LIST_FIRST(&rpc->joined), *next;

    for (; c != NULL; c = next) {
        next = LIST_NEXT(c, joined_link);
        if (c->service == service && c->hold == SERVICE_HOLD_NONE)
            service_call_fail(c, ERR_NOT_FOUND, "the service has ended");
    }
}

/* ---- Services by what they are called ----------------------------------- */

static struct bytes string_of(const struct service_call *c)
{
    return bytes_of(c->joined, c->joined_len);
}

static void write_string(struct mp_writer *w, const char *key,
                         struct bytes string)
{
    struct text shown;

    text_init(&shown, 4 * SERVICE_STRING_MAX);
    text_add_printable(&shown, string);
    rpc_write_text(w, key, text_get(&shown));
    text_deinit(&shown);
}

static const struct service_call *find_joined(const struct rpc *rpc,
                                              uint32_t service)
{
    const struct service_call *c;

    LIST_FOREACH(c, &rpc->joined, joined_link)
    if (c->service == service)
        return c;
    return NULL;
}

void rpc_write_service(struct rpc *rpc, struct mp_writer *w, const char *key,
                       uint32_t service)
{
    const struct hosted *hosted =
        service_host_by_id(rpc->node->services, service);
    const struct service_call *joined = find_joined(rpc, service);
    struct services *engine = service_host_engine(rpc->node->services);
    char address[ADDRESS_TEXT_SIZE];
    struct service_status s;

    if (hosted != NULL) {
        rpc_write_text(w, key, hosted->name);
    } else if (joined != NULL) {
        write_string(w, key, string_of(joined));
    } else if (engine != NULL &&
               service_get_status(engine, service, clock_now(), &s) == OK &&
               s.kind != SERVICE_STRING) {
        rpc_write_text(
            w, key,
            address_print(rpc->node->config.dht.network, s.key, address));
    } else {
        mp_write_text(w, key);
        mp_write_nil(w);
    }
}

static uint32_t find_address(const struct rpc *rpc, struct bytes text)
{
    struct services *engine = service_host_engine(rpc->node->services);
    uint32_t ids[SERVICES_LOOKED_AT];
    struct service_status s;
    uint8_t key[32];
    unsigned count;

    if (address_read(rpc->node->config.dht.network, text, key) != OK)
        return 0;
    count = services_list(engine, ids, SERVICES_LOOKED_AT);
    for (unsigned i = 0; i < count && i < SERVICES_LOOKED_AT; i++)
        if (service_get_status(engine, ids[i], clock_now(), &s) == OK &&
            s.kind != SERVICE_STRING && memcmp(s.key, key, sizeof(key)) == 0)
            return s.id;
    return 0;
}

uint32_t rpc_find_string(struct rpc *rpc, struct bytes string)
{
    const struct service_call *c;

    LIST_FOREACH(c, &rpc->joined, joined_link)
    if (bytes_equal(string, string_of(c)))
        return c->service;
    return service_host_of_string(rpc->node->services, string);
}

uint32_t rpc_find_service(struct rpc *rpc, struct bytes text)
{
    struct service_host *h = rpc->node->services;
    const struct hosted *hosted = NULL;
    char name[SERVICE_NAME_SIZE] = "";

    if (service_host_engine(h) == NULL)
        return 0;
    if (address_is(text))
        return find_address(rpc, text);
    if (text.len < sizeof(name)) {
        memcpy(name, text.p, text.len);
        hosted = service_host_find(h, name);
    }
    if (hosted != NULL)
        return hosted->id;
    return rpc_find_string(rpc, text);
}

/* ---- Telling ------------------------------------------------------------ */

static void write_peer(struct mp_writer *w, const struct service_event *e)
{
    char text[SERVICE_PEER_TEXT];

    rpc_write_text(w, "peer", service_peer_text(e->peer, text));
}

static void write_key(struct mp_writer *w, const struct service_event *e)
{
    if (e->has_key) {
        rpc_write_hex(w, "key", bytes_of(e->key, sizeof(e->key)));
        return;
    }
    mp_write_text(w, "key");
    mp_write_nil(w);
}

static void tell_peer(struct service_call *c, const struct service_event *e)
{
    struct mp_writer *w = control_notify(c->call, "peer");

    mp_write_map(w, 3);
    write_peer(w, e);
    write_key(w, e);
    rpc_write_bool(w, "opened", e->opened);
    control_notified(c->call);
    c->peers++;
}

static void tell_data(struct service_call *c, const struct service_event *e)
{
    struct mp_writer *w;

    if (!control_takes_news(c->call)) { /* lost, as on the way */
        control_lost(c->call);
        return;
    }
    w = control_notify(c->call, "data");
    mp_write_map(w, 3);
    write_peer(w, e);
    rpc_write_uint(w, "port", e->port);
    mp_write_text(w, "data");
    mp_write_bin(w, e->payload);
    control_notified(c->call);
    c->data++;
}

static void tell_gone(struct service_call *c, const struct service_event *e)
{
    struct mp_writer *w = control_notify(c->call, "gone");

    mp_write_map(w, 3);
    write_peer(w, e);
    rpc_write_text(w, "reason", reason_name(e->why));
    rpc_write_text(w, "text", reason_text(e->why));
    control_notified(c->call);
}

static void tell_state(struct service_call *c, const struct service_event *e)
{
    struct mp_writer *w = control_notify(c->call, "state");

    mp_write_map(w, 2);
    rpc_write_text(w, "state", service_problem_name(e->problem));
    rpc_write_text(w, "text", service_problem_text(e->problem));
    control_notified(c->call);
}

void service_call_tell_peers(struct service_call *c)
{
    struct services *engine = service_host_engine(host(c));
    unsigned count = service_peers(engine, c->service, NULL, 0);
    struct service_peer_status *there =
        count == 0 ? NULL : calloc(count, sizeof(*there));

    if (there == NULL)
        return;
    service_peers(engine, c->service, there, count);
    for (unsigned i = 0; i < count; i++) {
        struct service_event e = {.kind = SERVICE_EVENT_PEER,
                                  .service = c->service,
                                  .peer = there[i].id,
                                  .opened = there[i].opened,
                                  .has_key = there[i].has_key};

        memcpy(e.key, there[i].key, sizeof(e.key));
        tell_peer(c, &e);
    }
    free(there);
}

void service_call_tell(struct service_call *c, const struct service_event *e)
{
    switch (e->kind) {
    case SERVICE_EVENT_PEER:
        tell_peer(c, e);
        break;
    case SERVICE_EVENT_DATA:
        tell_data(c, e);
        break;
    case SERVICE_EVENT_GONE:
        tell_gone(c, e);
        break;
    case SERVICE_EVENT_STATE:
        tell_state(c, e);
        break;
    }
}
