/* SPDX-License-Identifier: MIT
 */
#include "node/rpc/tunnel_call.h"
#include "base/timestamp.h"
#include "node/host/tunnel_missing.h"
#include "node/os/clock.h"

#include <event2/event.h>

#include <sodium.h>
#include <stdlib.h>

#define ACTIVE_MAX 64 /* circuits to choose one from */
#define TELL_EVERY TIME_S

static struct tunnel_host *host(const struct tunnel_call *c)
{
    return c->rpc->node->tunnels;
}

struct tunnel *tunnel_call_engine(const struct tunnel_call *c)
{
    return tunnel_host_engine(host(c));
}

/* ---- Life -------------------------------------------------------------- */

void tunnel_call_free(struct tunnel_call *c)
{
    if (c == NULL)
        return;
    LIST_REMOVE(c, link);
    tunnel_host_unlisten(host(c), &c->listener);
    if (c->timer != NULL)
        event_free(c->timer);
    if (c->stops_pool)
        tunnel_stop(tunnel_call_engine(c), c->hops);
    free(c->sending.data);
    free(c);
}

void tunnel_call_fail(struct tunnel_call *c, enum error err, const char *text)
{
    control_fail(c->call, err, text);
    tunnel_call_free(c);
}

static void on_event(void *arg, const struct tunnel_event *event)
{
    struct tunnel_call *c = arg;

    c->kind->event(c, event);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct tunnel_call *c = arg;
    struct tunnel_host *h = host(c);
    uint64_t now = clock_now();

    (void)fd;
    (void)what;
    if (now >= c->deadline)
        c->kind->overdue(c);
    else
        c->kind->wake(c, now);
    tunnel_host_rearm(h);
}

static void on_cancel(void *arg)
{
    struct tunnel_call *c = arg;

    c->call = NULL;
    tunnel_call_free(c);
}

static bool start_timer(struct tunnel_call *c)
{
    struct timeval wake = {.tv_usec = TUNNEL_CALL_WAKE / TIME_US};

    c->timer = event_new(c->rpc->node->base, -1, EV_PERSIST, on_timer, c);
    return c->timer != NULL && evtimer_add(c->timer, &wake) == 0;
}

struct tunnel_call *tunnel_call_new(struct rpc *rpc, struct control_call *call,
                                    const struct rpc_params *params,
                                    const struct tunnel_call_kind *kind)
{
    struct tunnel_call *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        control_fail(call, ERR_NO_MEMORY, NULL);
        return NULL;
    }
    c->rpc = rpc;
    c->call = call;
    c->kind = kind;
    c->stream = params->stream;
    c->hops = params->hops;
    c->circuit = params->circuit;
    c->began_at = clock_now();
    c->deadline = time_after(c->began_at, params->timeout);
    c->listener = (struct tunnel_listener){.arg = c, .event = on_event};
    LIST_INSERT_HEAD(&rpc->tunnel_running, c, link);
    if (!start_timer(c)) {
        tunnel_call_fail(c, ERR_NO_MEMORY, NULL);
        return NULL;
    }
    tunnel_host_listen(host(c), &c->listener);
    control_on_cancel(call, on_cancel, c);
    return c;
}

void rpc_tunnel_end(struct rpc *rpc)
{
    struct tunnel_call *c = LIST_FIRST(&rpc->tunnel_running);

    while (c != NULL) {
        struct tunnel_call *next = LIST_NEXT(c, link);

        tunnel_call_free(c);
        c = next;
    }
}

/* ---- Circuits ---------------------------------------------------------- */

/* A pool that another call has started may have ended with that call. */
void tunnel_call_build(struct tunnel_call *c)
{
    struct tunnel *t = tunnel_call_engine(c);

    if (tunnel_keeps(t, c->hops))
        return;
    c->stops_pool = tunnel_build(t, c->hops, clock_now()) == OK;
}

bool tunnel_call_pick(struct tunnel_call *c)
{
    uint32_t ids[ACTIVE_MAX];
    unsigned count =
        tunnel_active(tunnel_call_engine(c), c->hops, ids, ACTIVE_MAX);

    if (count > ACTIVE_MAX)
        count = ACTIVE_MAX;
    c->circuit = count == 0 ? 0 : ids[randombytes_uniform(count)];
    return count > 0;
}

/* ---- What is missing --------------------------------------------------- */

void tunnel_call_say_missing(const struct tunnel_call *c, struct text *why)
{
    struct tunnel_status status;

    tunnel_status(tunnel_call_engine(c), clock_now(), clock_wall(), &status);
    status.path = tunnel_path_of(tunnel_call_engine(c), c->hops);
    if (!tunnel_missing_say(&status, why))
        text_addf(why, "the hops have not answered yet (%u %s under way)",
                  status.circuits - status.ready,
                  status.circuits - status.ready == 1 ? "circuit is"
                                                      : "circuits are");
}

void tunnel_call_tell_waiting(struct tunnel_call *c, uint64_t now)
{
    struct mp_writer *w;
    struct text why;

    if (!c->stream || time_since(c->told_at, now) < TELL_EVERY)
        return;
    c->told_at = now;
    text_init(&why, 512);
    tunnel_call_say_missing(c, &why);
    w = control_notify(c->call, "waiting");
    mp_write_map(w, 2);
    rpc_write_uint(w, "active",
                   tunnel_active(tunnel_call_engine(c), c->hops, NULL, 0));
    rpc_write_text(w, "missing", text_get(&why));
    control_notified(c->call);
    text_deinit(&why);
}
