/* SPDX-License-Identifier: MIT
 *
 * The life of a call, from what an application wants to the answer of the
 * other end. A call that looks is shown each event that may help it; handlers
 * may begin and end others meanwhile: so who was seen goes to the end of the
 * list, with the number of the turn. Those that begin meanwhile wait for the
 * next one.
 *
 * While calls are shown something, and while one ends, the streams are held
 * (streams_hold): else a reset would have others' handlers called in between,
 * who may end the call that is looked at.
 */
#include "tunnel/traffic/carrier_internal.h"

#include "base/timestamp.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_FIRST (500 * TIME_MS) /* doubled each time */
#define RETRY_MAX   (4 * TIME_S)

void carrier_config_init(struct carrier_config *config)
{
    *config = (struct carrier_config){.max_trunks = 1024, .max_visits = 256};
    stream_config_init(&config->stream);
}

/* ---- The end ------------------------------------------------------------ */

static void stop_opening(struct carrier_call *call)
{
    if (call->opening != 0)
        LIST_REMOVE(call, of_opening);
    call->opening = 0;
}

static void call_free(struct carrier_call *call)
{
    struct carrier *c = call->carrier;

    stop_opening(call);
    TAILQ_REMOVE(&c->calls, call, link);
    c->stats.calls--;
    if (call->target.request.kind != STREAM_PORT)
        member_release(c->member, call->target.hops);
    free(call);
}

/* Its stream is nobody's from here on. */
static void drop_stream(struct carrier_call *call, enum reason why,
                        uint64_t now)
{
    struct stream *st = call->stream;

    call->stream = NULL;
    call->trunk = NULL;
    if (st == NULL)
        return;
    stream_hand_over(st, NULL, NULL);
    stream_reset(st, why, now);
}

static void fail(struct carrier_call *call, enum reason why, uint64_t now)
{
    struct carrier *c = call->carrier;
    struct carrier_handler handler = call->handler;
    void *arg = call->arg;

    c->stats.refused[why]++;
    streams_hold(c->streams, now);
    drop_stream(call, why, now);
    call_free(call);
    handler.failed(arg, why, now);
    streams_release(c->streams);
}

/* ---- Looking ------------------------------------------------------------ */

static void put_off(struct carrier_call *call, uint64_t now)
{
    uint64_t pause = RETRY_FIRST << (call->retries < 3 ? call->retries : 3);

    call->retries++;
    call->retry_at = time_after(now, time_min(pause, RETRY_MAX));
}

static bool send_request(struct carrier_call *call, struct trunk *t,
                         uint64_t now)
{
    uint8_t text[STREAM_MESSAGE_MAX];
    size_t len = stream_request_write(&call->target.request, text);
    enum error e = stream_open(t->conn, call, now, &call->stream);

    t->full = e == ERR_FULL;
    if (e != OK)
        return false;
    if (stream_write(call->stream, bytes_of(text, len), now) != len) {
        drop_stream(call, REASON_FULL, now);
        return false;
    }
    if (call->target.request.kind == STREAM_RESOLVE ||
        call->target.request.kind == STREAM_REVERSE)
        stream_finish(call->stream, now);
    call->trunk = t;
    call->state = ASKED;
    call->answer.have = 0;
    return true;
}

/* May end it. */
static void go_on(struct carrier_call *call, uint64_t now)
{
    enum reason why;
    bool waits;
    struct trunk *t = trunk_for(call, now, &why, &waits);

    if (t != NULL && send_request(call, t, now)) {
        if (call->handler.asked != NULL)
            call->handler.asked(call->arg, now);
        return;
    }
    if (why != REASON_UNKNOWN) {
        fail(call, why, now);
        return;
    }
    if (t == NULL && !waits && call->target.request.kind != STREAM_PORT &&
        !trunk_open_for(call, now) && call->refusals > 0) {
        fail(call, call->why, now); /* all exits that there are refused */
        return;
    }
    put_off(call, now);
}

/* The next one that was not seen in this turn. */
static struct carrier_call *next_call(struct carrier *c)
{
    struct carrier_call *call = TAILQ_FIRST(&c->calls);

    if (call == NULL || call->turn == c->turn)
        return NULL;
    TAILQ_REMOVE(&c->calls, call, link);
    TAILQ_INSERT_TAIL(&c->calls, call, link);
    call->turn = c->turn;
    return call;
}

/* ---- Answers ------------------------------------------------------------ */

/* Another exit may do what this one does not. */
static bool may_ask_another(const struct carrier_call *call, enum reason why)
{
    return call->target.request.kind != STREAM_PORT && !call->spoke &&
           call->refusals < CARRIER_EXITS_MAX && why != REASON_PROTOCOL &&
           why != REASON_RESOLVE && why != REASON_NO_NAME &&
           why != REASON_REFUSED;
}

static void refused(struct carrier_call *call, enum reason why, uint64_t now)
{
    struct trunk *t = call->trunk;

    call->why = why;
    if (t->kind == TRUNK_EXIT && call->refusals < CARRIER_EXITS_MAX)
        memcpy(call->refused_by[call->refusals++], t->exit, sizeof(t->exit));
    if (!may_ask_another(call, why)) {
        fail(call, why, now);
        return;
    }
    drop_stream(call, why, now);
    call->state = LOOKING;
    call->retries = 0;
    go_on(call, now);
}

static void answered(struct carrier_call *call, const struct stream_answer *a,
                     uint64_t now)
{
    bool names = call->target.request.kind == STREAM_RESOLVE ||
                 call->target.request.kind == STREAM_REVERSE;
    struct carrier_handler handler = call->handler;
    struct stream *st = call->stream;
    struct stream_answer copy = *a;
    uint8_t name[STREAM_NAME_MAX];
    void *arg = call->arg;

    if (a->name.len > 0)
        memcpy(name, a->name.p, a->name.len);
    copy.name = bytes_of(name, a->name.len);
    call->carrier->stats.answered++;
    if (names)
        drop_stream(call, REASON_REQUESTED, now);
    else
        stream_hand_over(st, NULL, NULL);
    call_free(call);
    handler.answered(arg, names ? NULL : st, &copy, now);
}

static void take_answer(struct carrier_call *call, uint64_t now)
{
    struct stream_answer a;

    if (stream_answer_read(&call->answer, call->target.request.kind, &a) != OK)
        refused(call, REASON_PROTOCOL, now);
    else if (a.reason != 0)
        refused(call, reason_of(a.reason), now);
    else
        answered(call, &a, now);
}

/* What follows the answer is for the stream's new holder. */
static size_t on_data(void *arg, struct stream *st, struct bytes data, bool fin,
                      uint64_t now)
{
    struct carrier_call *call = arg;
    struct bytes rest = data;
    enum error e;

    if (call == NULL) /* nobody's: it is reset */
        return data.len;
    e = stream_message_take(&call->answer, &rest);
    (void)st;
    if (e == OK) {
        take_answer(call, now);
    } else if (e != ERR_MISSING || fin) {
        refused(call, REASON_PROTOCOL, now);
        return data.len;
    }
    return data.len - rest.len;
}

static void on_reset(void *arg, struct stream *st, bool reading, uint32_t code,
                     uint64_t now)
{
    struct carrier_call *call = arg;

    (void)st;
    if (call != NULL && !reading)
        refused(call, reason_of(code), now);
}

/* Its connection is over. */
static void on_closed(void *arg, struct stream *st, uint64_t now)
{
    struct carrier_call *call = arg;

    (void)st;
    if (call == NULL)
        return;
    call->stream = NULL;
    refused(call, REASON_LINK_LOST, now);
}

static void on_writable(void *arg, struct stream *st, uint64_t now)
{
    struct carrier_call *call = arg;

    (void)st;
    if (call != NULL && call->handler.asked != NULL)
        call->handler.asked(call->arg, now);
}

/* As many calls go on as there is room for. */
static void on_openable(void *holder, struct stream_conn *conn, uint64_t now)
{
    struct trunk *t = holder;
    struct carrier *c = t->carrier;
    struct carrier_call *call;

    (void)conn;
    t->full = false;
    streams_hold(c->streams, now);
    c->turn++;
    while (!t->full && !t->ending && (call = next_call(c)) != NULL)
        if (call->state == LOOKING)
            go_on(call, now);
    streams_release(c->streams);
}

static void on_over(void *holder, struct stream_conn *conn, enum stream_end why,
                    uint32_t code, uint64_t now)
{
    (void)conn, (void)why, (void)code, (void)now;
    trunk_free(holder);
}

const struct stream_handler carrier_call_streams = {.data = on_data,
                                                    .reset = on_reset,
                                                    .closed = on_closed,
                                                    .writable = on_writable,
                                                    .openable = on_openable,
                                                    .over = on_over};

/* ---- Commands ----------------------------------------------------------- */

static bool is_in_range(const struct carrier_target *target)
{
    const struct stream_request *r = &target->request;

    if (r->name.len > STREAM_NAME_MAX)
        return false;
    if (r->kind == STREAM_PORT)
        return r->port != 0 && (target->service != 0 || target->peer != 0);
    if (r->kind == STREAM_CONNECT &&
        (r->name.len > 0 ? r->port : r->ep.port) == 0)
        return false;
    return target->hops >= 1 && target->hops <= ONION_HOPS_MAX;
}

static struct carrier_call *call_new(struct carrier *c,
                                     const struct carrier_target *target)
{
    struct carrier_call *call = calloc(1, sizeof(*call));

    if (call == NULL)
        return NULL;
    call->carrier = c;
    call->turn = c->turn;
    call->target = *target;
    if (target->request.name.len > 0)
        memcpy(call->name, target->request.name.p, target->request.name.len);
    call->target.request.name = bytes_of(call->name, target->request.name.len);
    TAILQ_INSERT_TAIL(&c->calls, call, link);
    c->stats.calls++;
    return call;
}

enum error carrier_open(struct carrier *c, const struct carrier_target *target,
                        const struct carrier_handler *handler, void *arg,
                        uint64_t now, struct carrier_call **out)
{
    struct carrier_call *call;
    enum error e = OK;

    if (!is_in_range(target))
        return ERR_RANGE;
    if (c->stats.calls >= CARRIER_CALLS_MAX)
        return ERR_FULL;
    if (target->request.kind != STREAM_PORT)
        e = member_hold(c->member, target->hops, now);
    if (e != OK)
        return e;
    call = call_new(c, target);
    if (call == NULL) {
        if (target->request.kind != STREAM_PORT)
            member_release(c->member, target->hops);
        return ERR_NO_MEMORY;
    }
    call->handler = *handler;
    call->arg = arg;
    call->end_at = time_after(now, target->timeout);
    call->retry_at = now; /* in the next turn: nobody is called from here */
    c->stats.asked++;
    *out = call;
    return OK;
}

size_t carrier_early(struct carrier_call *call, struct bytes data, uint64_t now)
{
    size_t took;

    if (call->state != ASKED)
        return 0;
    took = stream_write(call->stream, data, now);
    call->spoke |= took > 0;
    return took;
}

void carrier_cancel(struct carrier_call *call, uint64_t now)
{
    struct streams *s = call->carrier->streams;

    streams_hold(s, now);
    drop_stream(call, REASON_REQUESTED, now);
    call_free(call);
    streams_release(s);
}

/* ---- Events and time ---------------------------------------------------- */

static bool may_help(const struct member_event *event)
{
    return event->kind == MEMBER_CIRCUIT_READY ||
           event->kind == MEMBER_CIRCUIT_CLOSED ||
           event->kind == MEMBER_LEARNED;
}

static enum reason lateness(const struct carrier_call *call)
{
    if (call->why != REASON_UNKNOWN)
        return call->why;
    return call->state == ASKED ? REASON_TIMEOUT : REASON_NO_RELAYS;
}

/* Those that look, and whose retry is due by then, and those that are late. */
static void show(struct carrier *c, uint64_t due, uint64_t now)
{
    struct carrier_call *call;

    c->turn++;
    while ((call = next_call(c)) != NULL) {
        if (now >= call->end_at)
            fail(call, lateness(call), now);
        else if (call->state == LOOKING && call->retry_at <= due)
            go_on(call, now);
    }
}

static void forget_opening(struct carrier *c, uint32_t circuit)
{
    struct carrier_call *call = LIST_FIRST(&c->opening), *next;

    for (; call != NULL; call = next) {
        next = LIST_NEXT(call, of_opening);
        if (call->opening == circuit)
            stop_opening(call);
    }
}

void carrier_event(struct carrier *c, const struct member_event *event,
                   uint64_t now)
{
    streams_hold(c->streams, now);
    trunks_event(c, event, now);
    if (may_help(event)) {
        if (event->circuit != 0)
            forget_opening(c, event->circuit);
        show(c, TIME_NEVER, now);
    }
    streams_release(c->streams);
}

static enum reason problem_reason(enum service_problem p)
{
    switch (p) {
    case SERVICE_FINE:
    case SERVICE_STARTING:
        return REASON_UNKNOWN;
    case SERVICE_NOT_FOUND:
    case SERVICE_EXPIRED:
    case SERVICE_WITHDRAWN:
        return REASON_RESOLVE;
    case SERVICE_BUSY:
    case SERVICE_TOO_MANY:
    case SERVICE_TOO_MUCH_WORK:
        return REASON_FULL;
    case SERVICE_NO_PATH:
        return REASON_NO_RELAYS;
    case SERVICE_POINTS_FAIL:
    case SERVICE_NO_RENDEZVOUS:
        return REASON_UNREACHABLE;
    case SERVICE_NO_POINT: /* of services that we run */
    case SERVICE_NOT_STORED:
    case SERVICE_NOT_VERIFIED:
    case SERVICE_PROBE_FAILED:
    case SERVICE_ALONE:
    case SERVICE_PROBLEMS:
        break;
    }
    return REASON_UNKNOWN;
}

static bool waits_for(const struct carrier_call *call, uint32_t service)
{
    return call->state == LOOKING && call->target.request.kind == STREAM_PORT &&
           call->target.service == service;
}

static void show_service(struct carrier *c, uint32_t service, enum reason why,
                         uint64_t now)
{
    struct carrier_call *call;

    c->turn++;
    while ((call = next_call(c)) != NULL) {
        if (!waits_for(call, service))
            continue;
        if (why != REASON_UNKNOWN)
            fail(call, why, now);
        else
            go_on(call, now);
    }
}

void carrier_service_event(struct carrier *c, const struct service_event *event,
                           uint64_t now)
{
    enum reason why = REASON_UNKNOWN;

    streams_hold(c->streams, now);
    if (event->kind == SERVICE_EVENT_GONE)
        trunks_peer_gone(c, event->peer, now);
    if (event->kind == SERVICE_EVENT_STATE)
        why = problem_reason(event->problem);
    if (event->kind == SERVICE_EVENT_PEER || why != REASON_UNKNOWN)
        show_service(c, event->service, why, now);
    streams_release(c->streams);
}

/* Each is a source of its own: addresses that nobody has. */
static struct endpoint source_of_peer(uint64_t peer)
{
    struct endpoint ep = {.family = FAMILY_IPV6, .port = 1};

    bytes_put_number(ep.addr, 8, peer | UINT64_C(1) << 61);
    return ep;
}

void carrier_peer_packet(struct carrier *c, uint64_t peer, bool to_acceptor,
                         struct bytes packet, uint64_t now)
{
    struct endpoint source = source_of_peer(peer);

    streams_receive(c->streams, PEER_PATH | peer, to_acceptor, &source,
                    packet.p, packet.len, now);
}

void carrier_hold(struct carrier *c, uint64_t now)
{
    streams_hold(c->streams, now);
}

void carrier_release(struct carrier *c)
{
    streams_release(c->streams);
}

void carrier_tick(struct carrier *c, uint64_t now)
{
    streams_tick(c->streams, now);
    streams_hold(c->streams, now);
    trunks_tick(c, now);
    carrier_visits_tick(c, now);
    show(c, now, now);
    streams_release(c->streams);
}

uint64_t carrier_next_deadline(const struct carrier *c)
{
    uint64_t at =
        time_min(streams_next_deadline(c->streams), trunks_deadline(c));
    const struct carrier_call *call;

    at = time_min(at, carrier_visits_deadline(c));
    TAILQ_FOREACH(call, &c->calls, link)
    {
        at = time_min(at, call->end_at);
        if (call->state == LOOKING)
            at = time_min(at, call->retry_at);
    }
    return at;
}

/* ---- Life --------------------------------------------------------------- */

enum error carrier_new(const struct carrier_config *config, struct member *t,
                       struct claims *claims,
                       const struct random_source *random,
                       const struct carrier_host *host, struct carrier **out)
{
    struct carrier *c = calloc(1, sizeof(*c));
    struct stream_env env = {.ctx = c,
                             .random = *random,
                             .send = trunks_send,
                             .accept = carrier_accept};
    enum error e;

    if (c == NULL)
        return ERR_NO_MEMORY;
    c->config = *config;
    c->member = t;
    c->claims = claims;
    c->random = *random;
    c->host = *host;
    TAILQ_INIT(&c->calls);
    LIST_INIT(&c->opening);
    TAILQ_INIT(&c->visits);
    TAILQ_INIT(&c->parting);
    trunks_init(c);
    e = streams_new(&config->stream, &env, &c->streams);
    if (e != OK) {
        free(c);
        return e;
    }
    *out = c;
    return OK;
}

void carrier_free(struct carrier *c)
{
    if (c == NULL)
        return;
    streams_free(c->streams);
    while (!TAILQ_EMPTY(&c->calls))
        call_free(TAILQ_FIRST(&c->calls));
    carrier_visits_free(c);
    for (unsigned i = 0; i < c->places; i++)
        if (c->trunks[i] != NULL)
            trunk_free(c->trunks[i]);
    free(c->trunks);
    free(c);
}

const struct carrier_stats *carrier_stats(const struct carrier *c)
{
    return &c->stats;
}

const struct stream_stats *carrier_stream_stats(const struct carrier *c)
{
    return streams_stats(c->streams);
}
