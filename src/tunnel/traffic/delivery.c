/* SPDX-License-Identifier: MIT
 *
 * The life of deliveries: what each does when something happens to its circuit
 * and when its time comes. The states are in delivery_internal.h, the choice
 * of circuits in delivery_choice.c.
 *
 * An answer goes to the delivery that sent first of those that it may be for.
 * Any other event is shown to each delivery once. A callback may end others
 * and begin new ones: so the list is looked through from its beginning after
 * each, and a turn's number tells who was seen.
 */
#include "tunnel/traffic/delivery_internal.h"

#include "base/timestamp.h"

#include <stdlib.h>
#include <string.h>

/* Silence before the hops are asked, and the time that they have. */
#define SILENCE   TIME_S
#define PONG_WAIT (1500 * TIME_MS)

/* So long exits may still be found that say that they send there. */
#define LOOK_AROUND (2 * TIME_S)

#define TELL_EVERY TIME_S
/* Without news a circuit is looked for again after this, doubled each time:
 * what keeps it away may be a pause of the member's, which tells nobody. */
#define RETRY_FIRST TIME_S
#define RETRY_MAX   (8 * TIME_S)

/* ---- The end ------------------------------------------------------------ */

static void drop(struct deliveries *ds, struct delivery *d)
{
    member_release(ds->chooser.member, d->hops);
    ds->count--;
    call_end(&ds->calls, &d->call);
}

/* The delivery is gone when its handler hears of it. */
static void end_with(struct deliveries *ds, struct delivery *d,
                     struct delivery_outcome *o, uint64_t now)
{
    struct delivery_handler handler = d->handler;

    o->circuit = d->circuit;
    o->hops = d->hops;
    o->broken = d->broken;
    o->refusals = d->refusals;
    o->why = d->why;
    o->duration = time_since(d->began_at, now);
    drop(ds, d);
    handler.done(handler.arg, o);
}

static void end(struct deliveries *ds, struct delivery *d,
                enum delivery_end how, uint64_t now)
{
    struct delivery_outcome o = {.end = how,
                                 .exit_answers = d->state == PATIENT};

    end_with(ds, d, &o, now);
}

static void end_failed(struct deliveries *ds, struct delivery *d, enum error e,
                       uint64_t now)
{
    struct delivery_outcome o = {.end = DELIVERY_FAILED, .error = e};

    end_with(ds, d, &o, now);
}

static void end_overdue(struct deliveries *ds, struct delivery *d, uint64_t now)
{
    enum delivery_end how = DELIVERY_SILENT;

    if (d->state == LOOKING)
        how = d->refusals > 0 ? DELIVERY_REFUSED : DELIVERY_NO_CIRCUIT;
    end(ds, d, how, now);
}

/* ---- Looking and sending ------------------------------------------------ */

static void look(struct delivery *d, uint64_t now)
{
    d->state = LOOKING;
    d->circuit = 0;
    d->retries = 0;
    d->retry_at = now;
    d->tell_at = d->handler.waiting == NULL ? TIME_NEVER : now;
}

static void put_off(struct delivery *d, uint64_t now)
{
    uint64_t pause = RETRY_FIRST << (d->retries < 3 ? d->retries : 3);

    d->retries++;
    d->retry_at = time_after(now, time_min(pause, RETRY_MAX));
    if (now < d->around_until)
        d->retry_at = time_min(d->retry_at, d->around_until);
}

static enum error send_over(struct deliveries *ds, struct delivery *d,
                            uint32_t circuit, uint64_t now)
{
    struct bytes data = bytes_of(d->data, d->len);
    const struct host_port *to = &d->to;
    enum error e =
        to->name.len > 0
            ? member_data_name(ds->chooser.member, circuit,
                               bytes_of(to->name.text, to->name.len),
                               to->ep.port, data, now)
            : member_data(ds->chooser.member, circuit, &to->ep, data, now);

    if (e != OK)
        return e;
    d->state = SENT;
    d->circuit = circuit;
    d->was_sent = true;
    d->sent_at = now;
    return OK;
}

/* OK also when it goes on looking: a circuit that is just gone is one that is
 * not there. Any other error is the datagram's. */
static enum error try(struct deliveries *ds, struct delivery *d, uint64_t now)
{
    uint32_t circuit = delivery_choose(ds, d, now);
    enum error e = ERR_NOT_FOUND;

    if (circuit != 0)
        e = send_over(ds, d, circuit, now);
    if (e != ERR_NOT_FOUND)
        return e;
    delivery_open(ds, d, now);
    put_off(d, now);
    return OK;
}

/* May end it. */
static void go_on(struct deliveries *ds, struct delivery *d, uint64_t now)
{
    enum error e = try(ds, d, now);

    if (e != OK)
        end_failed(ds, d, e, now);
    else if (d->state == LOOKING && delivery_is_hopeless(ds, d, now))
        end(ds, d, DELIVERY_REFUSED, now);
}

/* What makes no sense to one exit makes none to another. */
static void take_refusal(struct deliveries *ds, struct delivery *d,
                         enum reason why, uint64_t now)
{
    d->why = why;
    member_exit_of(ds->chooser.member, d->circuit,
                   d->refused_by[d->refusals++]);
    if (why == REASON_PROTOCOL || d->refusals == DELIVERY_EXITS_MAX) {
        end(ds, d, DELIVERY_REFUSED, now);
        return;
    }
    look(d, now);
    go_on(ds, d, now);
}

static void lose_circuit(struct deliveries *ds, struct delivery *d,
                         uint64_t now)
{
    d->broken++;
    look(d, now);
    go_on(ds, d, now);
}

/* ---- Time --------------------------------------------------------------- */

static uint64_t wakes_at(const struct delivery *d)
{
    switch (d->state) {
    case LOOKING:
        return time_min(d->end_at, time_min(d->retry_at, d->tell_at));
    case SENT:
        return time_min(d->end_at, time_after(d->sent_at, SILENCE));
    case ASKED:
        return time_min(d->end_at, time_after(d->asked_at, PONG_WAIT));
    case PATIENT:
        break;
    }
    return d->end_at;
}

static void wake_looking(struct deliveries *ds, struct delivery *d,
                         uint64_t now)
{
    struct delivery_handler handler = d->handler;

    if (now >= d->retry_at) {
        go_on(ds, d, now); /* it may be gone now */
        return;
    }
    d->tell_at = time_after(now, TELL_EVERY);
    handler.waiting(handler.arg);
}

static void wake(struct deliveries *ds, struct delivery *d, uint64_t now)
{
    uint32_t broken = d->circuit;

    if (now >= d->end_at) {
        end_overdue(ds, d, now);
    } else if (d->state == LOOKING) {
        wake_looking(ds, d, now);
    } else if (d->state == SENT) {
        d->state = ASKED;
        d->asked_at = now;
        member_ping(ds->chooser.member, d->circuit, now);
    } else if (d->state == ASKED) {
        member_close(ds->chooser.member, broken, now);
        lose_circuit(ds, d, now);
    }
}

/* One that this turn has not seen, and that is due (`now`). */
static struct delivery *next_due(const struct deliveries *ds, uint64_t now)
{
    struct call *call;

    TAILQ_FOREACH(call, &ds->calls, link)
    {
        struct delivery *d = delivery_of(call);

        if (d->turn != ds->turn && wakes_at(d) <= now)
            return d;
    }
    return NULL;
}

void deliveries_tick(struct deliveries *ds, uint64_t now)
{
    struct delivery *d;

    ds->turn++;
    while ((d = next_due(ds, now)) != NULL) {
        d->turn = ds->turn;
        wake(ds, d, now);
    }
}

uint64_t deliveries_next_deadline(const struct deliveries *ds)
{
    uint64_t at = TIME_NEVER;
    struct call *call;

    TAILQ_FOREACH(call, &ds->calls, link)
    {
        at = time_min(at, wakes_at(delivery_of(call)));
    }
    return at;
}

/* ---- Events ------------------------------------------------------------- */

static bool is_answer_to(const struct delivery *d,
                         const struct member_event *event)
{
    if (d->state == LOOKING || d->circuit != event->circuit)
        return false;
    if (d->to.name.len > 0)
        return event->source.port == d->to.ep.port;
    return endpoint_equal(&event->source, &d->to.ep);
}

static void take_data(struct deliveries *ds, const struct member_event *event,
                      uint64_t now)
{
    struct delivery_outcome o = {.end = DELIVERY_ANSWERED,
                                 .source = event->source,
                                 .payload = event->payload};
    struct delivery *first = NULL;
    struct call *call;

    TAILQ_FOREACH(call, &ds->calls, link)
    {
        struct delivery *d = delivery_of(call);

        if (is_answer_to(d, event) &&
            (first == NULL || d->sent_at < first->sent_at))
            first = d;
    }
    if (first == NULL)
        return;
    o.rtt = time_since(first->sent_at, now);
    end_with(ds, first, &o, now);
}

/* What happens to the circuit in use. */
static void event_of_circuit(struct deliveries *ds, struct delivery *d,
                             const struct member_event *event, uint64_t now)
{
    enum error e = OK;

    switch (event->kind) {
    case MEMBER_PONG:
        if (d->state == ASKED && event->hop == event->length)
            d->state = PATIENT;
        break;
    case MEMBER_CIRCUIT_CLOSED:
        lose_circuit(ds, d, now);
        break;
    case MEMBER_CIRCUIT_READY: /* built anew, behind a hop that was lost */
        e = send_over(ds, d, d->circuit, now);
        if (e == ERR_NOT_FOUND)
            lose_circuit(ds, d, now);
        else if (e != OK)
            end_failed(ds, d, e, now);
        break;
    case MEMBER_DATA: /* this and the next are told to one only */
    case MEMBER_REFUSED:
    case MEMBER_PACKET: /* no delivery's */
    case MEMBER_SPEEDTEST:
    case MEMBER_LEARNED:
        break;
    }
}

/* That one circuit more or less is there, or one more relay. */
static bool may_help(const struct member_event *event)
{
    return event->kind == MEMBER_CIRCUIT_READY ||
           event->kind == MEMBER_CIRCUIT_CLOSED ||
           event->kind == MEMBER_LEARNED;
}

static void show(struct deliveries *ds, struct delivery *d,
                 const struct member_event *event, uint64_t now)
{
    if (event->circuit != 0 && event->circuit == d->opening)
        d->opening = 0;
    if (d->state == LOOKING)
        go_on(ds, d, now);
    else if (event->circuit == d->circuit)
        event_of_circuit(ds, d, event, now);
}

static bool concerns(const struct delivery *d, const struct member_event *event)
{
    return (d->state == LOOKING && may_help(event)) ||
           (event->circuit != 0 &&
            (event->circuit == d->circuit || event->circuit == d->opening));
}

static struct delivery *next_concerned(const struct deliveries *ds,
                                       const struct member_event *event)
{
    struct call *call;

    TAILQ_FOREACH(call, &ds->calls, link)
    {
        struct delivery *d = delivery_of(call);

        if (d->turn != ds->turn && concerns(d, event))
            return d;
    }
    return NULL;
}

/* A refusal names no datagram. It mostly comes at once: so of those that went
 * over this circuit it is taken for that of the first who was not silent for
 * long, else for that of the first. */
static bool is_likelier(const struct delivery *d, const struct delivery *than)
{
    if (than == NULL || (d->state == SENT) != (than->state == SENT))
        return than == NULL || d->state == SENT;
    return d->sent_at < than->sent_at;
}

static struct delivery *refused_one(const struct deliveries *ds,
                                    uint32_t circuit)
{
    struct delivery *found = NULL;
    struct call *call;

    TAILQ_FOREACH(call, &ds->calls, link)
    {
        struct delivery *d = delivery_of(call);

        if (d->state != LOOKING && d->circuit == circuit &&
            is_likelier(d, found))
            found = d;
    }
    return found;
}

void deliveries_event(struct deliveries *ds, const struct member_event *event,
                      uint64_t now)
{
    struct delivery *d;

    if (event->kind == MEMBER_PACKET)
        return;
    if (event->kind == MEMBER_CIRCUIT_CLOSED)
        claims_drop(ds->chooser.claims, event->circuit);
    if (event->kind == MEMBER_DATA) {
        take_data(ds, event, now);
        return;
    }
    if (event->kind == MEMBER_REFUSED) {
        d = refused_one(ds, event->circuit);
        if (d != NULL)
            take_refusal(ds, d, event->why, now);
        return;
    }
    ds->turn++;
    while ((d = next_concerned(ds, event)) != NULL) {
        d->turn = ds->turn;
        show(ds, d, event, now);
    }
}

/* ---- Life --------------------------------------------------------------- */

enum error deliveries_new(struct member *t, struct claims *claims,
                          const struct random_source *random,
                          struct deliveries **out)
{
    struct deliveries *ds = calloc(1, sizeof(*ds));

    if (ds == NULL)
        return ERR_NO_MEMORY;
    ds->chooser =
        (struct chooser){.member = t, .claims = claims, .random = *random};
    calls_init(&ds->calls);
    *out = ds;
    return OK;
}

void deliveries_free(struct deliveries *ds)
{
    if (ds == NULL)
        return;
    while (!TAILQ_EMPTY(&ds->calls))
        drop(ds, delivery_of(TAILQ_FIRST(&ds->calls)));
    free(ds);
}

enum error delivery_start(struct deliveries *ds,
                          const struct delivery_request *request,
                          const struct delivery_handler *handler, uint64_t now,
                          uint64_t *id)
{
    struct delivery *d;
    enum error e;

    if (ds->count == DELIVERIES_MAX)
        return ERR_FULL;
    e = member_hold(ds->chooser.member, request->hops, now);
    if (e != OK)
        return e;
    d = call_new(&ds->calls, sizeof(*d) + request->data.len);
    if (d == NULL) {
        member_release(ds->chooser.member, request->hops);
        return ERR_NO_MEMORY;
    }
    ds->count++;
    d->call.id = ++ds->ids;
    d->handler = *handler;
    d->to = request->to;
    d->hops = request->hops;
    d->isolation = request->isolation;
    d->began_at = now;
    d->end_at = time_after(now, request->timeout);
    d->around_until = time_after(now, LOOK_AROUND);
    d->turn = ds->turn;
    d->len = request->data.len;
    if (d->len > 0)
        memcpy(d->data, request->data.p, d->len);
    look(d, now);
    call_started(&ds->calls, &d->call, true);
    e = try(ds, d, now);
    if (e != OK) {
        drop(ds, d);
        return e;
    }
    *id = d->call.id;
    return OK;
}

void delivery_cancel(struct deliveries *ds, uint64_t id)
{
    struct delivery *d = delivery_of(call_find(&ds->calls, id));

    if (d != NULL)
        drop(ds, d);
}
