/* SPDX-License-Identifier: MIT
 *
 * Flows and what waits in them. Datagrams of a bundle are tried again when a
 * circuit comes or goes, and after a pause that is doubled each time: what
 * keeps circuits away may be a pause of the member's, which tells nobody.
 */
#include "tunnel/traffic/flow_internal.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_FIRST (500 * TIME_MS)
#define RETRY_MAX   (8 * TIME_S)

/* Of a refusal: nothing that was sent so long before a round trip. */
#define REFUSAL_SPAN (5 * TIME_S)

/* ---- The queue ---------------------------------------------------------- */

static void queue_drop(struct flow *f, struct datagram *g)
{
    TAILQ_REMOVE(&f->queue, g, link);
    f->queued--;
    f->queued_bytes -= g->len;
    g->to->waiting--;
    f->bundle->waiting--;
    f->bundle->flows->stats.waiting--;
    free(g);
}

static bool queue_is_full(const struct flow *f, size_t len)
{
    return f->queued == FLOW_QUEUE_MAX ||
           f->queued_bytes + len > FLOW_QUEUE_BYTES;
}

static enum error queue_add(struct flow *f, struct destination *d,
                            struct bytes data, uint64_t now)
{
    struct datagram *g;

    if (data.len > FLOW_QUEUE_BYTES)
        return ERR_TOO_LARGE;
    g = malloc(sizeof(*g) + data.len);
    if (g == NULL)
        return ERR_NO_MEMORY;
    while (queue_is_full(f, data.len)) {
        queue_drop(f, TAILQ_FIRST(&f->queue));
        f->bundle->flows->stats.crowded++;
    }
    *g = (struct datagram){.to = d, .since = now, .len = data.len};
    if (data.len > 0)
        memcpy(g->data, data.p, data.len);
    TAILQ_INSERT_TAIL(&f->queue, g, link);
    f->queued++;
    f->queued_bytes += g->len;
    d->waiting++;
    f->bundle->waiting++;
    f->bundle->flows->stats.waiting++;
    return OK;
}

/* ---- Sending ------------------------------------------------------------ */

static void went_over(struct flow *f, struct destination *d, struct lane *lane,
                      uint64_t now)
{
    struct flows *fs = f->bundle->flows;

    if (d->circuit != lane->circuit) {
        fs->stats.moves += d->circuit != 0;
        d->heard = false;
    }
    d->circuit = lane->circuit;
    d->sent_at = now;
    claims_take(fs->chooser.claims, lane->circuit, f->bundle->hops,
                f->bundle->isolation, now);
    lane_sent(lane, f, now);
    fs->stats.sent++;
}

/* ERR_NOT_FOUND: there is no circuit for it now. */
static enum error send_now(struct flow *f, struct destination *d,
                           struct bytes data, bool any, uint64_t now)
{
    struct lane *lane = lane_for(f, d, any, now);
    enum error e;

    if (lane == NULL)
        return ERR_NOT_FOUND;
    e = destination_send(d, f->bundle->flows->chooser.member, lane->circuit,
                         data, now);
    if (e == OK)
        went_over(f, d, lane, now);
    return e;
}

static void put_off(struct bundle *b, uint64_t now)
{
    uint64_t pause = RETRY_FIRST << (b->retries < 4 ? b->retries : 4);

    b->retry_at = time_after(now, time_min(pause, RETRY_MAX));
}

/* One more circuit for it, and a time to look again. */
static void want_circuit(struct bundle *b, const struct destination *d,
                         bool any, uint64_t now)
{
    lane_open(b, d, any, now);
    if (b->retry_at == TIME_NEVER)
        put_off(b, now);
}

enum error flow_send(struct flow *f, const struct host_port *to,
                     struct bytes data, uint64_t now)
{
    struct flow_stats *stats = &f->bundle->flows->stats;
    struct destination *d = destination_get(f, to);
    enum error e = ERR_NOT_FOUND;

    if (d == NULL)
        return ERR_NO_MEMORY;
    if (destination_is_refused(d, now)) {
        stats->refused++;
        return OK;
    }
    if (d->waiting == 0) /* else behind those */
        e = send_now(f, d, data, false, now);
    if (e == ERR_NOT_FOUND) {
        e = queue_add(f, d, data, now);
        if (e == OK)
            want_circuit(f->bundle, d, false, now);
    }
    stats->unsendable += e != OK;
    return e;
}

/* ---- Trying again ------------------------------------------------------- */

/* True when it waits no longer. */
static bool send_waiting(struct flow *f, struct datagram *g, uint64_t now)
{
    struct flow_stats *stats = &f->bundle->flows->stats;
    bool any = time_since(g->since, now) >= FLOW_LOOK_AROUND;
    enum error e;

    if (time_since(g->since, now) > FLOW_QUEUE_TIME) {
        stats->late++;
        return true;
    }
    if (destination_is_refused(g->to, now)) {
        stats->refused++;
        return true;
    }
    e = send_now(f, g->to, bytes_of(g->data, g->len), any, now);
    if (e == ERR_NOT_FOUND)
        want_circuit(f->bundle, g->to, any, now);
    stats->unsendable += e != OK && e != ERR_NOT_FOUND;
    return e != ERR_NOT_FOUND;
}

static void flow_drain(struct flow *f, uint64_t now)
{
    struct datagram *g, *next;

    for (g = TAILQ_FIRST(&f->queue); g != NULL; g = next) {
        next = TAILQ_NEXT(g, link);
        if (send_waiting(f, g, now))
            queue_drop(f, g);
    }
}

static void bundle_drain(struct bundle *b, uint64_t now)
{
    struct flow *f;

    if (b->waiting == 0)
        return;
    TAILQ_FOREACH(f, &b->members, link)
    {
        flow_drain(f, now);
    }
    if (b->waiting > 0)
        return;
    b->retry_at = TIME_NEVER;
    b->retries = b->opened = 0;
}

static void bundle_retry(struct bundle *b, uint64_t now)
{
    b->opened = 0;
    b->retries++;
    put_off(b, now);
    bundle_drain(b, now);
}

/* ---- Time --------------------------------------------------------------- */

static void bundle_tick(struct bundle *b, uint64_t now)
{
    struct lane *lane, *next;
    bool lost = false;

    for (lane = LIST_FIRST(&b->lanes); lane != NULL; lane = next) {
        next = LIST_NEXT(lane, link);
        if (lane_wakes_at(lane) <= now)
            lost |= !lane_wake(b, lane, now);
    }
    if (b->retry_at <= now)
        bundle_retry(b, now);
    else if (lost)
        bundle_drain(b, now);
}

void flows_tick(struct flows *fs, uint64_t now)
{
    struct bundle *b;

    LIST_FOREACH(b, &fs->bundles, link)
    {
        bundle_tick(b, now);
    }
}

uint64_t flows_next_deadline(const struct flows *fs)
{
    uint64_t at = TIME_NEVER;
    const struct bundle *b;
    const struct lane *lane;

    LIST_FOREACH(b, &fs->bundles, link)
    {
        at = time_min(at, b->retry_at);
        LIST_FOREACH(lane, &b->lanes, link)
        {
            at = time_min(at, lane_wakes_at(lane));
        }
    }
    return at;
}

/* ---- What comes --------------------------------------------------------- */

static struct bundle *bundle_of_circuit(const struct flows *fs,
                                        uint32_t circuit, struct lane **lane)
{
    struct bundle *b;

    LIST_FOREACH(b, &fs->bundles, link)
    {
        *lane = lane_find(b, circuit);
        if (*lane != NULL)
            return b;
    }
    return NULL;
}

/* Who has sent to this address last, over whichever circuit. */
static struct flow *who_sent(const struct bundle *b,
                             const struct member_event *event)
{
    uint64_t last = 0;
    struct flow *f, *found = NULL;

    TAILQ_FOREACH(f, &b->members, link)
    {
        struct destination *d = destination_find(f, &event->source);

        if (d == NULL || d->circuit != event->circuit)
            continue;
        d->heard = true;
        if (found == NULL || d->sent_at >= last) {
            found = f;
            last = d->sent_at;
        }
    }
    return found;
}

static struct flow *who_sent_by_name(const struct bundle *b,
                                     const struct member_event *event)
{
    uint64_t last = 0;
    struct flow *f, *found = NULL;

    TAILQ_FOREACH(f, &b->members, link)
    {
        struct destination *d =
            destination_named(f, event->circuit, event->source.port);

        if (d == NULL)
            continue;
        d->heard = true;
        if (found == NULL || d->sent_at >= last) {
            found = f;
            last = d->sent_at;
        }
    }
    return found;
}

static void take_data(struct flows *fs, const struct member_event *event,
                      uint64_t now)
{
    struct lane *lane;
    struct bundle *b = bundle_of_circuit(fs, event->circuit, &lane);
    struct flow *f;

    if (b == NULL)
        return;
    lane_heard(lane, true);
    f = who_sent(b, event);
    if (f == NULL)
        f = who_sent_by_name(b, event);
    if (f == NULL)
        f = lane->last;
    if (f == NULL) {
        fs->stats.stray++;
        return;
    }
    fs->stats.received++;
    f->received(f->arg, &event->source, event->payload, now);
}

/* Another exit may do what this one does not. The others are about the
 * destination, or are limits that all have, and that are to be kept. */
static bool is_the_exits(enum reason why)
{
    return why == REASON_POLICY || why == REASON_FULL || why == REASON_IO;
}

static uint64_t apart(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* Of one flow, of what was sent over the circuit: the nearest to `at`. */
static struct destination *nearest(const struct flow *f, uint32_t circuit,
                                   uint64_t at)
{
    struct destination *found = NULL;
    struct keyed_entry *e;

    for (e = f->destinations.newest; e != NULL; e = e->older) {
        struct destination *d = destination_of(e);

        if (d->circuit != circuit || d->heard)
            continue;
        if (time_since(d->sent_at, at) > REFUSAL_SPAN)
            break;
        if (found == NULL || apart(d->sent_at, at) < apart(found->sent_at, at))
            found = d;
    }
    return found;
}

static void take_refusal(struct flows *fs, const struct member_event *event,
                         uint64_t now)
{
    struct lane *lane;
    struct bundle *b = bundle_of_circuit(fs, event->circuit, &lane);
    uint64_t at =
        now - time_min(now, member_rtt_of(fs->chooser.member, event->circuit));
    struct destination *found = NULL;
    uint8_t exit[32];
    struct flow *f;

    if (b == NULL)
        return;
    lane_heard(lane, false);
    fs->stats.refused++;
    if (!is_the_exits(event->why) ||
        !member_exit_of(fs->chooser.member, event->circuit, exit))
        return;
    TAILQ_FOREACH(f, &b->members, link)
    {
        struct destination *d = nearest(f, event->circuit, at);

        if (d != NULL && (found == NULL ||
                          apart(d->sent_at, at) < apart(found->sent_at, at)))
            found = d;
    }
    if (found != NULL)
        destination_refuse(found, exit, now);
}

static void take_pong(struct flows *fs, const struct member_event *event)
{
    struct lane *lane;

    if (event->hop == event->length &&
        bundle_of_circuit(fs, event->circuit, &lane) != NULL)
        lane_heard(lane, false);
}

/* ---- Circuits that come and go ------------------------------------------ */

static void circuit_ended(struct bundle *b, uint32_t circuit)
{
    struct lane *lane = lane_find(b, circuit);

    if (lane != NULL)
        lane_free(lane);
}

static void take_change(struct flows *fs, const struct member_event *event,
                        uint64_t now)
{
    struct bundle *b;

    if (event->kind == MEMBER_CIRCUIT_CLOSED)
        claims_drop(fs->chooser.claims, event->circuit);
    LIST_FOREACH(b, &fs->bundles, link)
    {
        if (event->circuit != 0 && b->opening == event->circuit)
            b->opening = 0;
        if (event->kind == MEMBER_CIRCUIT_CLOSED)
            circuit_ended(b, event->circuit);
    }
    LIST_FOREACH(b, &fs->bundles, link)
    {
        bundle_drain(b, now);
    }
}

void flows_event(struct flows *fs, const struct member_event *event,
                 uint64_t now)
{
    switch (event->kind) {
    case MEMBER_CIRCUIT_READY:
    case MEMBER_CIRCUIT_CLOSED:
    case MEMBER_LEARNED:
        take_change(fs, event, now);
        break;
    case MEMBER_DATA:
        take_data(fs, event, now);
        break;
    case MEMBER_REFUSED:
        take_refusal(fs, event, now);
        break;
    case MEMBER_PONG:
        take_pong(fs, event);
        break;
    case MEMBER_PACKET: /* of streams */
    case MEMBER_SPEEDTEST:
        break;
    }
}

/* ---- Bundles ------------------------------------------------------------ */

static struct bundle *bundle_get(struct flows *fs, unsigned hops,
                                 uint64_t isolation)
{
    struct bundle *b;

    LIST_FOREACH(b, &fs->bundles, link)
    {
        if (b->hops == hops && b->isolation == isolation)
            return b;
    }
    b = calloc(1, sizeof(*b));
    if (b == NULL)
        return NULL;
    b->flows = fs;
    b->hops = hops;
    b->isolation = isolation;
    b->retry_at = TIME_NEVER;
    LIST_INIT(&b->lanes);
    TAILQ_INIT(&b->members);
    LIST_INSERT_HEAD(&fs->bundles, b, link);
    return b;
}

/* Its circuits stay the key's. */
static void bundle_put(struct bundle *b)
{
    if (!TAILQ_EMPTY(&b->members))
        return;
    while (!LIST_EMPTY(&b->lanes))
        lane_free(LIST_FIRST(&b->lanes));
    LIST_REMOVE(b, link);
    free(b);
}

/* ---- Life --------------------------------------------------------------- */

enum error flows_new(struct member *t, struct claims *claims,
                     const struct random_source *random, struct flows **out)
{
    struct flows *fs = calloc(1, sizeof(*fs));

    if (fs == NULL)
        return ERR_NO_MEMORY;
    fs->chooser =
        (struct chooser){.member = t, .claims = claims, .random = *random};
    LIST_INIT(&fs->bundles);
    random->fill(random->ctx, fs->secret, sizeof(fs->secret));
    *out = fs;
    return OK;
}

void flows_free(struct flows *fs)
{
    if (fs == NULL)
        return;
    while (!LIST_EMPTY(&fs->bundles))
        flow_close(TAILQ_FIRST(&LIST_FIRST(&fs->bundles)->members));
    free(fs);
}

static struct flow *flow_new(struct flows *fs, unsigned hops,
                             uint64_t isolation)
{
    struct flow *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return NULL;
    f->bundle = bundle_get(fs, hops, isolation);
    if (f->bundle == NULL) {
        free(f);
        return NULL;
    }
    TAILQ_INIT(&f->queue);
    destinations_init(f);
    TAILQ_INSERT_TAIL(&f->bundle->members, f, link);
    fs->stats.flows++;
    return f;
}

enum error flow_open(struct flows *fs, unsigned hops, uint64_t isolation,
                     flow_received_fn *received, void *arg, uint64_t now,
                     struct flow **out)
{
    struct flow *f;
    enum error e;

    if (fs->stats.flows == FLOWS_MAX)
        return ERR_FULL;
    e = member_hold(fs->chooser.member, hops, now);
    if (e != OK)
        return e;
    f = flow_new(fs, hops, isolation);
    if (f == NULL) {
        member_release(fs->chooser.member, hops);
        return ERR_NO_MEMORY;
    }
    f->received = received;
    f->arg = arg;
    *out = f;
    return OK;
}

void flow_close(struct flow *f)
{
    struct bundle *b = f->bundle;
    struct lane *lane;

    while (!TAILQ_EMPTY(&f->queue))
        queue_drop(f, TAILQ_FIRST(&f->queue));
    destinations_deinit(f);
    LIST_FOREACH(lane, &b->lanes, link)
    {
        if (lane->last == f)
            lane->last = NULL;
    }
    TAILQ_REMOVE(&b->members, f, link);
    b->flows->stats.flows--;
    member_release(b->flows->chooser.member, b->hops);
    bundle_put(b);
    free(f);
}

const struct flow_stats *flows_stats(const struct flows *fs)
{
    return &fs->stats;
}
