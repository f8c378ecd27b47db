/* SPDX-License-Identifier: MIT
 *
 * A client's circuits and the datagrams that it sends through them, one each
 * `interval`, to a destination that sends them back. A datagram names its
 * number; its size is the scenario's, but at least that.
 *
 * on_* are called by the engine; harvest_* count.
 */
#include "sim/part/tunnel_room.h"
#include "sim/part/tunnel_truth.h"

#include <stdlib.h>
#include <string.h>

#define CHOICE 16 /* circuits that a datagram is sent through, at most */

static const struct endpoint destination = {
    .family = FAMILY_IPV4, .addr = {9, 9, 9, 9}, .port = 7};

/* ---- Circuits ------------------------------------------------------------ */

static uint32_t *find_alive(struct tunnel_circuits *t, uint32_t id)
{
    for (unsigned i = 0; i < TUNNEL_ALIVE; i++)
        if (t->alive[i] == id)
            return &t->alive[i];
    return NULL;
}

/* True when it was not known. The oldest makes room. */
static bool note_alive(struct tunnel_circuits *t, uint32_t id)
{
    uint32_t *at;

    if (find_alive(t, id) != NULL)
        return false;
    at = find_alive(t, 0);
    if (at == NULL)
        at = &t->alive[t->alive_next++ % TUNNEL_ALIVE];
    *at = id;
    return true;
}

static struct circuit_news *add_news(struct tunnel_circuits *t)
{
    static const struct circuit_news none;
    struct circuit_news *news;

    if (t->news_count == TUNNEL_NEWS)
        return NULL;
    news = &t->news[t->news_count++];
    *news = none;
    return news;
}

static const struct circuits *circuits_of(const struct tunnel_record *r)
{
    return member_router(r->n->member)->circuits;
}

static void on_ready(struct tunnel_record *r, uint32_t id)
{
    const struct circuit *c = circuit_find(circuits_of(r), id);
    bool first = note_alive(r->circuits, id);
    struct circuit_news *news = c == NULL ? NULL : add_news(r->circuits);

    if (news == NULL)
        return;
    news->ready = true;
    news->first_time = first;
    news->took = c->build_time;
    news->first = c->hop[0].target.ep;
    news->last = c->hop[c->length - 1].target.ep;
}

/* What was never ready and ends at a hop has failed; what we end ourselves has
 * not. */
static void on_closed(struct tunnel_record *r, uint32_t id, unsigned hop)
{
    uint32_t *at = find_alive(r->circuits, id);

    if (at != NULL)
        *at = 0;
    else if (hop > 0)
        add_news(r->circuits);
}

/* ---- Datagrams ----------------------------------------------------------- */

static void on_data(struct tunnel_circuits *t, struct bytes payload,
                    uint64_t now)
{
    struct tunnel_probe *p;
    uint32_t number;

    if (payload.len < sizeof(number))
        return;
    memcpy(&number, payload.p, sizeof(number));
    if (number - t->settled >= t->sent - t->settled)
        return;
    p = &t->probes[number % t->room];
    if (p->answered_at == 0)
        p->answered_at = now;
}

static void send(struct tunnel_record *r, uint64_t now)
{
    struct tunnel_circuits *t = r->circuits;
    size_t len = r->work->lab->scenario->tunnels.size;
    uint8_t payload[SIM_DATAGRAM_MAX] = {0};
    uint32_t ids[CHOICE];
    unsigned n = member_active(r->n->member, 0, ids, CHOICE);

    if (n == 0 || t->sent - t->settled == t->room)
        return;
    n = n < CHOICE ? n : CHOICE;
    len = len < sizeof(t->sent) ? sizeof(t->sent) : len;
    len = len > sizeof(payload) ? sizeof(payload) : len;
    memcpy(payload, &t->sent, sizeof(t->sent));
    if (member_data(r->n->member, ids[t->sent % n], &destination,
                    bytes_of(payload, len), now) != OK)
        return;
    t->probes[t->sent++ % t->room] = (struct tunnel_probe){.sent_at = now};
}

/* ---- Above the engine ---------------------------------------------------- */

static void on_event(void *arg, const struct member_event *event, uint64_t now)
{
    struct tunnel_record *r = arg;

    if (event->kind == MEMBER_CIRCUIT_READY)
        on_ready(r, event->circuit);
    else if (event->kind == MEMBER_CIRCUIT_CLOSED)
        on_closed(r, event->circuit, event->hop);
    else if (event->kind == MEMBER_DATA)
        on_data(r->circuits, event->payload, now);
}

static void on_tick(void *arg, uint64_t now)
{
    struct tunnel_record *r = arg;
    struct tunnel_circuits *t = r->circuits;

    if (now < t->send_at)
        return;
    send(r, now);
    t->send_at = time_after(now, t->interval);
}

static uint64_t next_deadline(const void *arg)
{
    const struct tunnel_record *r = arg;

    return r->circuits->send_at;
}

/* ---- Its life ------------------------------------------------------------ */

/* A client's datagrams begin somewhere in the interval. */
static enum error make_probes(struct tunnel_record *r, double rate)
{
    struct tunnel_circuits *t = r->circuits;
    uint64_t seconds = TUNNEL_ANSWER / TIME_S + 2;
    double pending = rate * (double)seconds;
    uint64_t phase;

    t->send_at = TIME_NEVER;
    if (rate <= 0)
        return OK;
    t->room = 16;
    while (t->room < pending && t->room < TUNNEL_PROBES)
        t->room *= 2;
    t->probes = calloc(t->room, sizeof(*t->probes));
    if (t->probes == NULL)
        return ERR_NO_MEMORY;
    t->interval = (uint64_t)((double)TIME_S / rate);
    if (t->interval == 0)
        t->interval = 1;
    sim_random(r->n->sim, r->node, &phase, sizeof(phase));
    t->send_at = r->came + phase % t->interval;
    return OK;
}

enum error tunnel_circuits_begin(struct tunnel_record *r)
{
    const struct scenario_tunnels *s = &r->work->lab->scenario->tunnels;
    enum error e;

    r->circuits = calloc(1, sizeof(*r->circuits));
    if (r->circuits == NULL)
        return ERR_NO_MEMORY;
    e = make_probes(r, s->rate);
    if (e != OK)
        return e;
    r->n->above = (struct sim_above){.arg = r,
                                     .event = on_event,
                                     .tick = on_tick,
                                     .next_deadline = next_deadline};
    for (unsigned hops = 1; hops <= SCENARIO_HOPS_MAX && e == OK; hops++)
        if (s->hops[hops])
            e = member_build(r->n->member, hops, r->came);
    return e;
}

void tunnel_circuits_end(struct tunnel_record *r)
{
    if (r->circuits != NULL)
        free(r->circuits->probes);
    free(r->circuits);
    r->circuits = NULL;
}

/* ---- Counting ------------------------------------------------------------ */

static void count_path(const struct laboratory *lab,
                       const struct circuit_news *news, uint64_t now)
{
    bool first = truth_is_hostile(lab, &news->first, now);
    bool last = truth_is_hostile(lab, &news->last, now);

    measure_share(lab->measures, M_CIRCUIT_FIRST, first, 1);
    measure_share(lab->measures, M_CIRCUIT_BOTH_ENDS, first && last, 1);
}

static void count_news(struct laboratory *lab, const struct circuit_news *news,
                       uint64_t now)
{
    struct measures *m = lab->measures;

    if (!news->ready || news->first_time)
        measure_share(m, M_CIRCUIT_BUILT, news->ready, 1);
    if (news->first_time)
        measure_value(m, M_CIRCUIT_TIME, news->took);
    if (news->ready && truth_enemy_is_there(lab, now))
        count_path(lab, news, now);
}

/* Of every hop that failed: the engine counts them. */
static void count_failures(struct tunnel_record *r)
{
    const struct circuit_stats *stats = circuits_stats(circuits_of(r));

    for (unsigned why = 0; why < REASON_END_; why++) {
        uint64_t all = 0;

        for (unsigned hop = 0; hop < ONION_HOPS_MAX; hop++)
            all += stats->failed[hop][why];
        for (; r->circuits->failed[why] < all; r->circuits->failed[why]++)
            measure_reason(r->work->lab->measures, M_CIRCUIT_FAILURES, why);
    }
}

/* True while it may still be answered. */
static bool is_open(const struct tunnel_probe *p, uint64_t now)
{
    return p->answered_at == 0 && time_since(p->sent_at, now) < TUNNEL_ANSWER;
}

static void count_probes(struct tunnel_circuits *t, struct measures *m,
                         uint64_t now)
{
    for (; t->settled != t->sent; t->settled++) {
        const struct tunnel_probe *p = &t->probes[t->settled % t->room];
        bool answered = p->answered_at != 0;

        if (is_open(p, now))
            return;
        measure_share(m, M_DATAGRAM_ANSWERED, answered, 1);
        if (answered)
            measure_value(m, M_DATAGRAM_TIME, p->answered_at - p->sent_at);
    }
}

void tunnel_circuits_harvest(struct tunnel_record *r, uint64_t now)
{
    struct tunnel_circuits *t = r->circuits;

    for (unsigned i = 0; i < t->news_count; i++)
        count_news(r->work->lab, &t->news[i], now);
    t->news_count = 0;
    count_failures(r);
    count_probes(t, r->work->lab->measures, now);
}
