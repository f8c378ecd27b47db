/* SPDX-License-Identifier: MIT
 *
 * The timer of a call goes off at its deadline, and once a second for a kind
 * that has something to say or to try meanwhile; all else comes from the events
 * of the tunnels. Whoever needs a pool for the call holds it until the end.
 */
#include "node/rpc/tunnel_call.h"
#include "base/timestamp.h"
#include "node/host/tunnel_missing.h"
#include "node/os/clock.h"

#include <event2/event.h>

#include <sodium.h>
#include <stdlib.h>

#define ACTIVE_MAX 64 /* circuits to choose one from */
#define WAKE       TIME_S

static struct tunnel_host *host(const struct tunnel_call *c)
{
    return c->rpc->node->tunnels;
}

struct member *tunnel_call_member(const struct tunnel_call *c)
{
    return tunnel_host_member(host(c));
}

/* ---- Life -------------------------------------------------------------- */

void tunnel_call_free(struct tunnel_call *c)
{
    if (c == NULL)
        return;
    tunnel_host_unlisten(host(c), &c->listener);
    if (c->timer != NULL)
        event_free(c->timer);
    if (c->holds)
        member_release(tunnel_call_member(c), c->hops);
    free(c);
}

void tunnel_call_fail(struct tunnel_call *c, enum error err, const char *text)
{
    control_fail(c->call, err, text);
    tunnel_call_free(c);
}

static void on_event(void *arg, const struct member_event *event)
{
    struct tunnel_call *c = arg;

    c->kind->event(c, event);
}

/* At the deadline, or in a second if there is something to do then. */
static bool arm(struct tunnel_call *c, uint64_t now)
{
    uint64_t delay = time_since(now, c->deadline);
    struct timeval tv;

    if (c->kind->wake != NULL)
        delay = time_min(delay, WAKE);
    delay += TIME_US; /* waking early would find nothing due */
    tv = clock_timeval(delay);
    return evtimer_add(c->timer, &tv) == 0;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct tunnel_call *c = arg;
    struct tunnel_host *h = host(c);
    uint64_t now = clock_now();

    (void)fd;
    (void)what;
    if (now >= c->deadline) {
        c->kind->overdue(c);
    } else {
        arm(c, now);
        if (c->kind->wake != NULL)
            c->kind->wake(c, now);
    }
    tunnel_host_rearm(h);
}

static void on_cancel(void *arg)
{
    tunnel_call_free(arg);
}

static bool start_timer(struct tunnel_call *c)
{
    c->timer = evtimer_new(c->rpc->node->base, on_timer, c);
    return c->timer != NULL && arm(c, c->began_at);
}

void tunnel_call_extend(struct tunnel_call *c, uint64_t deadline)
{
    c->deadline = deadline;
    arm(c, clock_now());
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
    if (!start_timer(c)) {
        tunnel_call_fail(c, ERR_NO_MEMORY, NULL);
        return NULL;
    }
    tunnel_host_listen(host(c), &c->listener);
    control_on_cancel(call, on_cancel, c);
    return c;
}

/* ---- Circuits ---------------------------------------------------------- */

void tunnel_call_hold(struct tunnel_call *c)
{
    c->holds = member_hold(tunnel_call_member(c), c->hops, clock_now()) == OK;
}

bool tunnel_call_pick(struct tunnel_call *c)
{
    uint32_t ids[ACTIVE_MAX];
    unsigned count =
        member_active(tunnel_call_member(c), c->hops, ids, ACTIVE_MAX);

    if (count > ACTIVE_MAX)
        count = ACTIVE_MAX;
    c->circuit = count == 0 ? 0 : ids[randombytes_uniform(count)];
    return count > 0;
}

/* ---- What is missing --------------------------------------------------- */

void rpc_tunnel_say_missing(const struct rpc *rpc, unsigned hops,
                            struct text *why)
{
    const struct member *t = tunnel_host_member(rpc->node->tunnels);
    struct member_status status;

    member_status(t, clock_now(), clock_wall(), &status);
    status.path = member_path_of(t, hops);
    if (!tunnel_missing_say(&status, why))
        text_addf(why, "the hops have not answered yet (%u %s under way)",
                  status.circuits - status.ready,
                  status.circuits - status.ready == 1 ? "circuit is"
                                                      : "circuits are");
}

void rpc_tunnel_say_no_circuit(const struct rpc *rpc, unsigned hops,
                               struct text *why)
{
    text_addf(why, "no circuit of %u hop%s can be had: ", hops,
              text_plural(hops));
    rpc_tunnel_say_missing(rpc, hops, why);
}

void rpc_tunnel_tell_waiting(const struct rpc *rpc, struct control_call *call,
                             unsigned hops)
{
    const struct member *t = tunnel_host_member(rpc->node->tunnels);
    struct mp_writer *w;
    struct text why;

    text_init(&why, 512);
    rpc_tunnel_say_missing(rpc, hops, &why);
    w = control_notify(call, "waiting");
    mp_write_map(w, 2);
    rpc_write_uint(w, "active", member_active(t, hops, NULL, 0));
    rpc_write_text(w, "missing", text_get(&why));
    control_notified(call);
    text_deinit(&why);
}
