/* SPDX-License-Identifier: MIT
 *
 * Streams of the program, on those of the carrier:
 *
 *     ASKING    by a call of the carrier; what is written waits in `early`
 *     VISITING  a peer's, while on_stream is asked about it; likewise
 *     OPEN      the carrier's stream is there
 *     OVER      on_closed is called, or nothing more is
 *
 * A program may reset a stream in any callback, its own too: so it is freed
 * only when none of it runs (`inside`).
 */
#include "lib/warren_internal.h"
#include "node/os/clock.h"
#include "node/service/destination.h"
#include "node/service/service_host.h"
#include "node/traffic/traffic_host.h"
#include "tunnel/exit/host_port.h"
#include "tunnel/record/address.h"
#include "tunnel/traffic/carrier.h"

#include <stdlib.h>
#include <string.h>

enum state { ASKING, VISITING, OPEN, OVER };

struct warren_stream {
    TAILQ_ENTRY(warren_stream) link;
    TAILQ_ENTRY(warren_stream) resumed_link;
    struct warren *w;
    struct warren_stream_handler handler;
    enum state state;
    struct carrier_call *call; /* ASKING */
    struct stream *st;         /* OPEN */
    uint8_t *early;            /* WARREN_STREAM_EARLY bytes, or NULL */
    size_t early_len;
    uint32_t service; /* that is held for it; 0: none */
    unsigned inside;  /* callbacks that run */
    bool shut;        /* the program writes no more */
    bool ended;       /* nor does the other end; on_end was called */
    bool blocked;     /* on_writable is to be called */
    bool resumed;
    bool broken; /* by the other end, which says `why` */
    enum reason why;
};

struct warren_stream_listen {
    LIST_ENTRY(warren_stream_listen) link;
    uint32_t service;
    uint16_t port;
    struct warren_stream_listener listener;
};

static struct traffic_host *traffic(const struct warren *w)
{
    return tunnel_host_traffic(w->node->tunnels);
}

static struct carrier *carrier(const struct warren *w)
{
    return traffic_host_carrier(traffic(w));
}

static void begin(struct warren *w)
{
    warren_enter(w);
}

static void finish(struct warren *w)
{
    tunnel_host_rearm(w->node->tunnels);
    warren_leave(w);
}

/* ---- Life --------------------------------------------------------------- */

static struct warren_stream *stream_new(struct warren *w, enum state state)
{
    struct warren_stream *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->w = w;
    s->state = state;
    TAILQ_INSERT_TAIL(&w->streams, s, link);
    return s;
}

static void unlist(struct warren_stream *s)
{
    if (s->resumed)
        TAILQ_REMOVE(&s->w->resumed, s, resumed_link);
    s->resumed = false;
    TAILQ_REMOVE(&s->w->streams, s, link);
}

/* It is nobody's any more. */
static void retire(struct warren_stream *s)
{
    if (s->state == OVER)
        return;
    s->state = OVER;
    unlist(s);
    if (s->service != 0)
        service_host_let_go(s->w->node->services, s->service, clock_now());
    s->service = 0;
    s->call = NULL;
    s->st = NULL;
    free(s->early);
    s->early = NULL;
}

static void leave(struct warren_stream *s)
{
    s->inside--;
    if (s->state == OVER && s->inside == 0)
        free(s);
}

/* The carrier's side ends; nobody is called. */
static void detach(struct warren_stream *s, enum reason why)
{
    uint64_t now = clock_now();
    struct stream *st = s->st;

    s->st = NULL;
    if (s->call != NULL)
        carrier_cancel(s->call, now);
    s->call = NULL;
    if (st == NULL)
        return;
    stream_hand_over(st, NULL, NULL);
    stream_reset(st, why, now);
}

static void tell_closed(struct warren_stream *s, int error, enum reason why)
{
    struct warren_reason reason = {0};

    if (error != WARREN_OK)
        reason = (struct warren_reason){.name = reason_name(why),
                                        .text = reason_text(why)};
    s->inside++;
    retire(s);
    if (s->handler.on_closed != NULL)
        s->handler.on_closed(s->handler.arg, s, error, &reason);
    leave(s);
}

/* ---- Writing ------------------------------------------------------------ */

static bool keep_early(struct warren_stream *s, struct bytes *data)
{
    size_t room = WARREN_STREAM_EARLY - s->early_len;
    size_t len = data->len < room ? data->len : room;

    if (s->early == NULL)
        s->early = malloc(WARREN_STREAM_EARLY);
    if (s->early == NULL)
        return false;
    memcpy(s->early + s->early_len, data->p, len);
    s->early_len += len;
    data->p += len;
    data->len -= len;
    return true;
}

static void drop_early(struct warren_stream *s, size_t took)
{
    s->early_len -= took;
    memmove(s->early, s->early + took, s->early_len);
    if (s->early_len > 0)
        return;
    free(s->early);
    s->early = NULL;
}

/* As far as the carrier's stream, or its request, takes it. */
static void send_early(struct warren_stream *s, uint64_t now)
{
    struct bytes early = bytes_of(s->early, s->early_len);

    if (early.len == 0)
        return;
    if (s->state == OPEN)
        drop_early(s, stream_write(s->st, early, now));
    else if (s->call != NULL)
        drop_early(s, carrier_early(s->call, early, now));
}

static void send_end(struct warren_stream *s, uint64_t now)
{
    if (s->state == OPEN && s->shut && s->early_len == 0)
        stream_finish(s->st, now);
}

size_t warren_stream_write(struct warren_stream *s, const void *data,
                           size_t len)
{
    struct bytes rest = bytes_of(data, len);
    uint64_t now = clock_now();

    if (s->state == OVER || s->shut || len == 0)
        return 0;
    begin(s->w);
    if (s->state == OPEN && s->early_len == 0) {
        size_t took = stream_write(s->st, rest, now);

        rest.len -= took;
    } else if (keep_early(s, &rest)) {
        send_early(s, now);
    }
    s->blocked |= rest.len > 0;
    finish(s->w);
    return len - rest.len;
}

void warren_stream_shutdown(struct warren_stream *s)
{
    if (s->state == OVER || s->shut)
        return;
    begin(s->w);
    s->shut = true;
    s->blocked = false;
    send_end(s, clock_now());
    finish(s->w);
}

void warren_stream_reset(struct warren_stream *s)
{
    struct warren *w = s->w;

    if (s->state == OVER)
        return;
    begin(w);
    s->inside++;
    detach(s, REASON_REQUESTED);
    retire(s);
    leave(s);
    finish(w);
}

/* ---- What the carrier's stream tells ------------------------------------ */

static void tell_end(struct warren_stream *s)
{
    s->ended = true;
    if (s->handler.on_end != NULL)
        s->handler.on_end(s->handler.arg, s);
}

static size_t tell_data(struct warren_stream *s, struct bytes data)
{
    size_t took = data.len;

    if (s->handler.on_data != NULL && data.len > 0)
        took = s->handler.on_data(s->handler.arg, s, data.p, data.len);
    return took < data.len ? took : data.len;
}

static size_t on_data(void *arg, struct stream *st, struct bytes data, bool fin,
                      uint64_t now)
{
    struct warren_stream *s = arg;
    size_t took;

    (void)st;
    (void)now;
    s->inside++;
    took = tell_data(s, data);
    if (s->state == OPEN && fin && took == data.len && !s->ended)
        tell_end(s);
    leave(s);
    return took;
}

static void tell_writable(struct warren_stream *s)
{
    if (s->state != OPEN || !s->blocked || s->early_len > 0)
        return;
    s->blocked = false;
    if (s->handler.on_writable != NULL)
        s->handler.on_writable(s->handler.arg, s);
}

static void on_writable(void *arg, struct stream *st, uint64_t now)
{
    struct warren_stream *s = arg;

    (void)st;
    s->inside++;
    send_early(s, now);
    send_end(s, now);
    tell_writable(s);
    leave(s);
}

/* Half a stream is of no use to a program: both end, and on_closed comes of
 * it. */
static void on_reset(void *arg, struct stream *st, bool reading, uint32_t code,
                     uint64_t now)
{
    struct warren_stream *s = arg;

    (void)reading;
    s->broken = true;
    s->why = reason_of(code);
    stream_reset(st, code, now);
}

static void on_closed(void *arg, struct stream *st, uint64_t now)
{
    struct warren_stream *s = arg;

    (void)st;
    (void)now;
    if (s == NULL) /* detach */
        return;
    s->st = NULL;
    if (s->broken)
        tell_closed(s, WARREN_ERR_FAILED, s->why);
    else if (s->shut && s->ended)
        tell_closed(s, WARREN_OK, REASON_UNKNOWN);
    else
        tell_closed(s, WARREN_ERR_FAILED, REASON_LINK_LOST);
}

static void on_moved(void *holder, struct stream_conn *c, uint64_t path,
                     uint64_t now)
{
    (void)holder, (void)c, (void)path, (void)now;
}

static const struct stream_handler stream_calls = {.data = on_data,
                                                   .writable = on_writable,
                                                   .reset = on_reset,
                                                   .closed = on_closed,
                                                   .moved = on_moved};

/* From here on it is the program's; what has come is told. */
static void open_with(struct warren_stream *s, struct stream *st, uint64_t now)
{
    s->state = OPEN;
    s->call = NULL;
    s->st = st;
    stream_hand_over(st, &stream_calls, s);
    send_early(s, now);
    send_end(s, now);
}

/* ---- Resuming ----------------------------------------------------------- */

void warren_stream_resume(struct warren_stream *s)
{
    if (s->state != OPEN || s->resumed)
        return;
    begin(s->w);
    s->resumed = true;
    TAILQ_INSERT_TAIL(&s->w->resumed, s, resumed_link);
    finish(s->w);
}

bool warren_streams_have_news(const struct warren *w)
{
    return !TAILQ_EMPTY(&w->resumed);
}

static unsigned count_resumed(const struct warren *w)
{
    const struct warren_stream *s;
    unsigned count = 0;

    TAILQ_FOREACH(s, &w->resumed, resumed_link)
    count++;
    return count;
}

/* Those that are resumed meanwhile wait for the next turn. */
void warren_streams_tell(struct warren *w)
{
    unsigned left = count_resumed(w);
    struct warren_stream *s;

    if (left == 0)
        return;
    while (left-- > 0 && (s = TAILQ_FIRST(&w->resumed)) != NULL) {
        TAILQ_REMOVE(&w->resumed, s, resumed_link);
        s->resumed = false;
        stream_resume(s->st, clock_now());
    }
    tunnel_host_rearm(w->node->tunnels);
}

/* ---- Connecting --------------------------------------------------------- */

static void on_asked(void *arg, uint64_t now)
{
    send_early(arg, now);
}

static void on_answered(void *arg, struct stream *st,
                        const struct stream_answer *answer, uint64_t now)
{
    struct warren_stream *s = arg;

    (void)answer;
    s->inside++;
    open_with(s, st, now);
    if (s->handler.on_opened != NULL)
        s->handler.on_opened(s->handler.arg, s);
    tell_writable(s);
    if (s->state == OPEN)
        stream_resume(s->st, now);
    leave(s);
}

static void on_failed(void *arg, enum reason why, uint64_t now)
{
    struct warren_stream *s = arg;
    int error = why == REASON_TIMEOUT     ? WARREN_ERR_TIMEOUT
                : why == REASON_NO_RELAYS ? WARREN_ERR_NO_NODES
                                          : WARREN_ERR_REFUSED;

    (void)now;
    s->call = NULL;
    tell_closed(s, error, why);
}

static enum error target_service(struct warren_stream *s,
                                 const struct service_destination *to,
                                 struct carrier_target *target)
{
    struct warren *w = s->w;
    bool held = false;
    enum error e;

    target->request =
        (struct stream_request){.kind = STREAM_PORT, .port = to->port};
    if (to->port == 0)
        return ERR_RANGE;
    if (to->peer != 0) {
        target->peer = to->peer;
        return service_of_peer(service_host_engine(w->node->services),
                               to->peer) == 0
                   ? ERR_NOT_FOUND
                   : OK;
    }
    if (target->hops < 1 || target->hops > SERVICE_HOPS_MAX)
        return ERR_RANGE;
    e = warren_service_reach(w, to->address, target->hops, &target->service,
                             &held);
    if (e == OK && held)
        s->service = target->service;
    return e;
}

/* `to` is where the name in the request lies. */
static enum error target_host(struct bytes text, struct host_port *to,
                              struct carrier_target *target)
{
    enum error e = host_port_parse(text, to);

    if (e != OK)
        return e;
    if (to->name.len > 0 &&
        address_is(bytes_of((const uint8_t *)to->name.text, to->name.len)))
        return ERR_ADDRESS; /* of a service that cannot be */
    target->request = (struct stream_request){
        .kind = STREAM_CONNECT,
        .ep = to->ep,
        .port = to->ep.port,
        .name = bytes_of((const uint8_t *)to->name.text, to->name.len)};
    return OK;
}

static enum error ask(struct warren_stream *s, const char *destination,
                      struct carrier_target *target)
{
    static const struct carrier_handler calls = {
        .asked = on_asked, .answered = on_answered, .failed = on_failed};
    struct bytes text = bytes_of_text(destination);
    struct service_destination service;
    struct host_port host;
    enum error e = service_destination_read(text, &service)
                       ? target_service(s, &service, target)
                       : target_host(text, &host, target);

    if (e != OK)
        return e;
    return carrier_open(carrier(s->w), target, &calls, s, clock_now(),
                        &s->call);
}

int warren_connect(struct warren *w, uint64_t isolation,
                   const char *destination, unsigned hops,
                   const struct warren_stream_handler *handler,
                   struct warren_stream **stream)
{
    struct carrier_target target = {.hops = hops,
                                    .isolation = isolation,
                                    .timeout = WARREN_STREAM_SECONDS * TIME_S};
    struct warren_stream *s;
    enum error e;

    if (w->ending)
        return WARREN_ERR_CANCELLED;
    s = stream_new(w, ASKING);
    if (s == NULL)
        return WARREN_ERR_NO_MEMORY;
    if (handler != NULL)
        s->handler = *handler;
    begin(w);
    s->inside++;
    e = ask(s, destination, &target);
    if (e != OK)
        retire(s);
    leave(s);
    if (e == OK && stream != NULL)
        *stream = s;
    finish(w);
    return lib_error_of(e);
}

/* ---- Listening ---------------------------------------------------------- */

static struct warren_stream_listen *find_listen(const struct warren *w,
                                                uint32_t service, uint16_t port)
{
    struct warren_stream_listen *l;

    LIST_FOREACH(l, &w->listening, link)
    if (l->service == service && l->port == port)
        return l;
    return NULL;
}

static bool ask_program(struct warren_stream *s,
                        const struct warren_stream_listener *l,
                        const struct warren_peer *peer, uint16_t port)
{
    return l->on_stream != NULL &&
           l->on_stream(l->arg, s, peer, port, &s->handler) == 1 &&
           s->state == VISITING;
}

static void take(struct warren_stream *s, struct carrier_visit *v,
                 const struct warren_stream_listener *l,
                 const struct warren_peer *peer, uint16_t port, uint64_t now)
{
    s->inside++;
    if (!ask_program(s, l, peer, port)) {
        retire(s);
        carrier_refuse(v, REASON_REFUSED, now);
    } else {
        open_with(s, carrier_take(v, NULL, NULL, now), now);
        tell_writable(s);
        if (s->state == OPEN)
            stream_resume(s->st, now);
    }
    leave(s);
}

static bool on_visited(void *arg, struct carrier_visit *v, uint32_t service,
                       uint64_t id, uint16_t port, uint64_t now)
{
    struct warren *w = arg;
    const struct warren_stream_listen *l;
    struct warren_stream_listener listener;
    struct warren_stream *s;
    struct warren_peer peer;
    uint8_t key[32];

    if (LIST_EMPTY(&w->listening) ||
        !warren_service_peer(w, service, id, &peer, key))
        return false;
    l = find_listen(w, peer.service, port);
    if (l == NULL)
        return false;
    listener = l->listener;
    s = stream_new(w, VISITING);
    if (s == NULL)
        carrier_refuse(v, REASON_FULL, now);
    else
        take(s, v, &listener, &peer, port, now);
    return true;
}

static void stop_listening(struct warren_stream_listen *l)
{
    LIST_REMOVE(l, link);
    free(l);
}

int warren_listen(struct warren *w, uint32_t service, uint16_t port,
                  const struct warren_stream_listener *listener)
{
    struct warren_stream_listen *l = find_listen(w, service, port);

    if (w->ending)
        return WARREN_ERR_CANCELLED;
    if (port == 0)
        return WARREN_ERR_ARGUMENT;
    if (!warren_service_is_registered(w, service))
        return WARREN_ERR_NOT_FOUND;
    if (listener == NULL) {
        if (l != NULL)
            stop_listening(l);
        return WARREN_OK;
    }
    if (l == NULL) {
        l = calloc(1, sizeof(*l));
        if (l == NULL)
            return WARREN_ERR_NO_MEMORY;
        l->service = service;
        l->port = port;
        LIST_INSERT_HEAD(&w->listening, l, link);
    }
    l->listener = *listener;
    return WARREN_OK;
}

void warren_streams_unlisten(struct warren *w, uint32_t service)
{
    struct warren_stream_listen *l = LIST_FIRST(&w->listening), *next;

    for (; l != NULL; l = next) {
        next = LIST_NEXT(l, link);
        if (l->service == service)
            stop_listening(l);
    }
}

/* ---- Beginning and ending ----------------------------------------------- */

void warren_streams_begin(struct warren *w)
{
    const struct traffic_guest guest = {.arg = w, .visited = on_visited};

    traffic_host_invite(traffic(w), &guest);
}

void warren_streams_end(struct warren *w)
{
    struct warren_stream *s;

    while (!LIST_EMPTY(&w->listening))
        stop_listening(LIST_FIRST(&w->listening));
    while ((s = TAILQ_FIRST(&w->streams)) != NULL) {
        detach(s, REASON_SHUTDOWN);
        tell_closed(s, WARREN_ERR_CANCELLED, REASON_SHUTDOWN);
    }
}
