/* SPDX-License-Identifier: MIT
 *
 * Two channels against each other over joints: each is a pair of circuits that
 * a relay has joined, and loses, doubles, delays, changes, repeats or swaps
 * cells as the test wants. The world plays the holders too: it makes new joints
 * when the opener is told to renew or to resume, and frees a channel that is
 * closed. Virtual time; nothing is allocated while it runs.
 */
#ifndef WARREN_TESTS_CHANNEL_WORLD_H
#define WARREN_TESTS_CHANNEL_WORLD_H

#include "base/timestamp.h"
#include "testing.h"
#include "tunnel/channel/channel.h"
#include "tunnel/link/cell.h"

#include <stdbool.h>

#define WORLD_START   (1000 * TIME_S)
#define WORLD_JOINTS  4096
#define WORLD_PACKETS 4096
#define WORLD_EVENTS  64
#define WORLD_SEQ     65536 /* datagrams of one side */
#define WORLD_OLD     64    /* cells that may be replayed */

enum { OPENER, RESPONDER };

struct joint_end {
    uint16_t joint, side;
    enum { END_NEW, END_ATTACHED, END_GONE } state;
    struct channel_keys keys;
};

struct joint {
    bool cut;
    struct joint_end end[2];
};

struct world_packet {
    uint64_t at, number; /* those of one time come in order */
    struct joint_end *to;
    size_t len;
    uint8_t bytes[CELL_MAX];
};

/* A circuit is ready to be attached, or its end is told that it is gone. */
struct world_event {
    uint64_t at;
    struct joint_end *end;
    bool gone;
};

struct world_side {
    struct world *w;
    unsigned index;
    struct channel *ch; /* NULL once closed */
    unsigned live, gaps, doubts, closed, renews, moves, refused, legs_over;
    enum reason why, refused_why;
    uint32_t sent, received, twice, strange;
    uint8_t seen[WORLD_SEQ / 8];
    unsigned packets[2]; /* of streams that came: to opener, to acceptor */
    size_t packet_bytes;
    uint64_t quiet; /* since the last cell that was sent, at most */
    uint64_t sent_at;
    uint32_t cells[2]; /* that were sent: small, large */
    uint32_t last;     /* seq that came last */
    bool in_order;
    bool keeps;                         /* does not free a closed channel */
    void (*hook)(struct world_side *s); /* in each callback but send */
};

struct world {
    uint64_t now;
    struct test_random random;
    struct piece_budget budget;
    struct world_side side[2];
    unsigned loss, twice, flip, replay, swap; /* per mille of cells */
    uint64_t latency, jitter;
    bool resumes;          /* a gap makes a new joint, after: */
    bool resumes_in_doubt; /* and so does a doubt */
    uint64_t resume_after; /* a delay */
    bool tells;            /* the relay says when one end goes */
    enum reason answer;    /* to MOVE */
    bool mute;             /* no answer at all */
    uint64_t life;         /* of a leg, until renew */
    unsigned joints, packets, events, olds;
    uint64_t sent;
    struct joint joint[WORLD_JOINTS];
    struct world_packet packet[WORLD_PACKETS], old[WORLD_OLD];
    struct world_event event[WORLD_EVENTS];
};

static inline struct circuit *world_circuit(struct joint_end *end)
{
    void *p = end;

    return p;
}

static inline struct joint_end *world_end(struct circuit *c)
{
    void *p = c;

    return p;
}

static inline bool world_chance(struct world *w, unsigned per_mille)
{
    return per_mille > 0 && test_random_below(&w->random, 1000) < per_mille;
}

static inline void world_fill(void *ctx, void *buf, size_t len)
{
    struct world *w = ctx;

    test_random_fill(&w->random, buf, len);
}

/* ---- Joints ------------------------------------------------------------- */

static inline struct joint *world_joint(struct world *w)
{
    struct joint *j = &w->joint[w->joints];
    struct noise_keys keys;

    assert(w->joints < WORLD_JOINTS);
    test_random_fill(&w->random, &keys, sizeof(keys));
    for (uint16_t i = 0; i < 2; i++) {
        j->end[i] = (struct joint_end){.joint = (uint16_t)w->joints, .side = i};
        channel_keys_of(&keys, i == OPENER, &j->end[i].keys);
    }
    w->joints++;
    return j;
}

static inline void world_event(struct world *w, struct joint_end *end,
                               bool gone, uint64_t at)
{
    assert(w->events < WORLD_EVENTS);
    w->event[w->events++] = (struct world_event){at, end, gone};
}

static inline void world_attach(struct world *w, struct joint_end *end)
{
    struct channel *ch = w->side[end->side].ch;

    if (ch == NULL || end->state != END_NEW)
        return;
    end->state = END_ATTACHED;
    channel_attach(ch, world_circuit(end), &end->keys,
                   time_after(w->now, w->life), w->now);
}

static inline void world_detach(struct world *w, struct joint_end *end)
{
    struct channel *ch = w->side[end->side].ch;

    if (end->state != END_ATTACHED)
        return;
    end->state = END_GONE;
    if (ch != NULL)
        channel_detach(ch, world_circuit(end), w->now);
}

/* The responder comes first, then the opener hears of it. */
static inline void world_join(struct world *w, struct joint *j)
{
    world_event(w, &j->end[RESPONDER], false, w->now + TIME_MS);
    world_event(w, &j->end[OPENER], false, w->now + 3 * TIME_MS);
}

/* The relay of this joint dies; both ends hear of it, or not. */
static inline void world_cut(struct world *w, struct joint *j, bool told)
{
    j->cut = true;
    for (unsigned i = 0; told && i < 2; i++)
        world_detach(w, &j->end[i]);
}

static inline struct joint *world_used(struct world *w, unsigned side)
{
    struct channel *ch = w->side[side].ch;
    struct circuit *c = ch == NULL ? NULL : channel_circuit(ch);

    return c == NULL ? NULL : &w->joint[world_end(c)->joint];
}

/* ---- Callbacks ---------------------------------------------------------- */

static inline struct world_packet *world_put(struct world *w,
                                             struct joint_end *to,
                                             const uint8_t *bytes, size_t len)
{
    struct world_packet *p = &w->packet[w->packets];

    assert(w->packets < WORLD_PACKETS);
    w->packets++;
    p->at = w->now + w->latency;
    if (w->jitter > 0)
        p->at += test_random_next(&w->random) % w->jitter;
    p->number = w->sent++;
    p->to = to;
    p->len = len;
    memcpy(p->bytes, bytes, len);
    return p;
}

static inline void world_disturb(struct world *w, struct world_packet *p)
{
    if (world_chance(w, w->flip)) {
        uint32_t body = (uint32_t)p->len - CELL_BODY_OFFSET - 104;

        p->bytes[CELL_BODY_OFFSET + test_random_below(&w->random, body)] ^=
            (uint8_t)(1u << test_random_below(&w->random, 8));
    }
    if (world_chance(w, w->swap))
        p->to = &w->joint[test_random_below(&w->random, w->joints)]
                     .end[p->to->side];
}

static inline void world_send(void *holder, struct circuit *c,
                              uint8_t *datagram, size_t len, uint64_t now)
{
    struct world_side *s = holder;
    struct world *w = s->w;
    struct joint_end *from = world_end(c);
    struct joint *j = &w->joint[from->joint];

    assert(from->state == END_ATTACHED && from->side == s->index);
    assert(len == CELL_SMALL || len == CELL_LARGE);
    if (now - s->sent_at > s->quiet)
        s->quiet = now - s->sent_at;
    s->sent_at = now;
    s->cells[len == CELL_LARGE]++;
    if (j->cut || world_chance(w, w->loss))
        return;
    if (world_chance(w, w->twice))
        world_put(w, &j->end[!from->side], datagram, len);
    world_disturb(w, world_put(w, &j->end[!from->side], datagram, len));
    w->old[w->olds++ % WORLD_OLD] = w->packet[w->packets - 1];
    if (world_chance(w, w->replay))
        w->packet[w->packets++] = w->old[test_random_below(
            &w->random, w->olds < WORLD_OLD ? w->olds : WORLD_OLD)];
}

static inline void world_hook(struct world_side *s)
{
    if (s->hook != NULL)
        s->hook(s);
}

static inline void world_live(void *holder, struct channel *ch, uint64_t now)
{
    struct world_side *s = holder;

    (void)ch, (void)now;
    s->live++;
    world_hook(s);
}

/* What a datagram of this length is made of. */
static inline void world_payload(uint8_t *out, size_t len, uint32_t seq)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(seq * 31 + i * 7);
    bytes_put_number(out, 4, seq);
}

static inline void world_data(void *holder, struct channel *ch, uint16_t port,
                              struct bytes payload, uint64_t now)
{
    static uint8_t expected[CHANNEL_PAYLOAD_MAX];
    struct world_side *s = holder;
    uint32_t seq;

    (void)ch, (void)now;
    assert(payload.len >= 4);
    seq = (uint32_t)bytes_get_number(payload.p, 4);
    world_payload(expected, payload.len, seq);
    if (seq >= WORLD_SEQ || port != (uint16_t)seq ||
        memcmp(expected, payload.p, payload.len) != 0) {
        s->strange++;
    } else {
        s->twice += s->seen[seq / 8] >> (seq % 8) & 1;
        s->seen[seq / 8] |= (uint8_t)(1u << (seq % 8));
        s->in_order &= s->received == 0 || seq > s->last;
        s->last = seq;
    }
    s->received++;
    world_hook(s);
}

static inline void world_move(struct world *w)
{
    struct joint *j = world_joint(w);
    uint8_t cookie[MEETING_COOKIE_BYTES] = {0};
    uint8_t noise1[MEETING_NOISE1_BYTES] = {0};
    struct channel_move move = {.cookie = cookie,
                                .noise1 = bytes_of(noise1, sizeof(noise1))};

    bytes_put_number(cookie, 4, j->end[0].joint);
    channel_move(w->side[OPENER].ch, &move, w->now);
}

static inline void world_renew(void *holder, struct channel *ch, uint64_t now)
{
    struct world_side *s = holder;

    (void)ch, (void)now;
    s->renews++;
    world_move(s->w);
    world_hook(s);
}

static inline void world_moves(void *holder, struct channel *ch,
                               const struct channel_move *move, uint64_t now)
{
    struct world_side *s = holder;
    struct world *w = s->w;

    s->moves++;
    if (!w->mute)
        channel_moved(ch, move->cookie, w->answer, now);
    if (!w->mute && w->answer == REASON_UNKNOWN)
        world_join(w, &w->joint[bytes_get_number(move->cookie, 4)]);
    world_hook(s);
}

static inline void world_refused(void *holder, struct channel *ch,
                                 enum reason why, uint64_t now)
{
    struct world_side *s = holder;

    (void)ch, (void)now;
    s->refused++;
    s->refused_why = why;
    world_hook(s);
}

static inline void world_resume(struct world_side *s, struct channel *ch,
                                uint64_t now)
{
    struct world *w = s->w;
    uint8_t name[CHANNEL_RESUME_BYTES];

    if (w->resumes && s->index == OPENER && w->side[RESPONDER].ch != NULL) {
        struct joint *j = world_joint(w);

        assert(channel_resume_id(ch, name));
        assert(channel_resumes(w->side[RESPONDER].ch, name));
        world_event(w, &j->end[RESPONDER], false, now + w->resume_after);
        world_event(w, &j->end[OPENER], false,
                    now + w->resume_after + 2 * TIME_MS);
    }
}

static inline void world_gap(void *holder, struct channel *ch, uint64_t now)
{
    struct world_side *s = holder;

    assert(channel_in_gap(ch));
    s->gaps++;
    world_resume(s, ch, now);
    world_hook(s);
}

static inline void world_doubt(void *holder, struct channel *ch, uint64_t now)
{
    struct world_side *s = holder;

    assert(channel_in_doubt(ch) && !channel_in_gap(ch));
    s->doubts++;
    if (s->w->resumes_in_doubt)
        world_resume(s, ch, now);
    world_hook(s);
}

static inline void world_leg_over(void *holder, struct channel *ch,
                                  struct circuit *c, uint64_t now)
{
    struct world_side *s = holder;
    struct joint_end *end = world_end(c);

    (void)ch;
    assert(end->state == END_ATTACHED && end->side == s->index);
    end->state = END_GONE;
    s->legs_over++;
    s->w->joint[end->joint].cut = true;
    if (s->w->tells)
        world_event(s->w, &s->w->joint[end->joint].end[!s->index], true,
                    now + TIME_MS);
    world_hook(s);
}

static inline void world_closed(void *holder, struct channel *ch,
                                enum reason why, uint64_t now)
{
    struct world_side *s = holder;

    (void)now;
    s->closed++;
    s->why = why;
    world_hook(s);
    if (s->keeps || s->ch == NULL)
        return;
    channel_free(ch);
    s->ch = NULL;
}

static inline void world_stream_packet(void *holder, struct channel *ch,
                                       bool to_acceptor, struct bytes packet,
                                       uint64_t now)
{
    struct world_side *s = holder;

    (void)now;
    (void)ch;
    s->packets[to_acceptor]++;
    s->packet_bytes += packet.len;
}

/* ---- The world ---------------------------------------------------------- */

static inline struct channel_env world_env(struct world *w)
{
    return (struct channel_env){.random = {w, world_fill},
                                .overdue = 400 * TIME_MS,
                                .send = world_send,
                                .live = world_live,
                                .data = world_data,
                                .packet = world_stream_packet,
                                .renew = world_renew,
                                .move = world_moves,
                                .move_refused = world_refused,
                                .gap = world_gap,
                                .doubt = world_doubt,
                                .leg_over = world_leg_over,
                                .closed = world_closed};
}

/* Both channels, without a joint. A world is large: static. */
static inline void world_init(struct world *w, uint64_t seed)
{
    struct channel_env env;

    memset(w, 0, sizeof(*w));
    w->random = test_seed(seed);
    w->now = WORLD_START;
    w->budget.max = 1 << 20;
    w->latency = 5 * TIME_MS;
    w->resumes = w->tells = true;
    w->resume_after = 5 * TIME_MS;
    w->life = TIME_NEVER;
    env = world_env(w);
    for (unsigned i = 0; i < 2; i++) {
        w->side[i].w = w;
        w->side[i].index = i;
        w->side[i].in_order = true;
        w->side[i].sent_at = w->now;
        if (channel_new(&env, &w->side[i], i == OPENER, &w->budget,
                        &w->side[i].ch) != OK)
            abort();
    }
}

static inline void world_deinit(struct world *w)
{
    for (unsigned i = 0; i < 2; i++) {
        channel_free(w->side[i].ch);
        w->side[i].ch = NULL;
    }
    piece_budget_rest(&w->budget);
    assert(w->budget.used == 0);
}

static inline void world_deliver(struct world *w, unsigned i)
{
    static struct world_packet p;
    struct world_side *s;

    p = w->packet[i];
    w->packet[i] = w->packet[--w->packets];
    s = &w->side[p.to->side];
    if (s->ch != NULL && p.to->state == END_ATTACHED)
        channel_receive(s->ch, world_circuit(p.to), p.bytes + CELL_BODY_OFFSET,
                        p.len - CELL_BODY_OFFSET, w->now);
}

static inline void world_happen(struct world *w, unsigned i)
{
    struct world_event e = w->event[i];

    w->event[i] = w->event[--w->events];
    if (e.gone)
        world_detach(w, e.end);
    else
        world_attach(w, e.end);
}

/* The next thing that happens, and when: a packet, an event, or a tick. */
static inline uint64_t world_next(const struct world *w, unsigned *packet,
                                  unsigned *event)
{
    uint64_t at = TIME_NEVER;

    *packet = *event = UINT32_MAX;
    for (unsigned i = 0; i < 2; i++) {
        if (w->side[i].ch != NULL)
            at = time_min(at, channel_next_deadline(w->side[i].ch));
    }
    for (unsigned i = 0; i < w->events; i++) {
        if (w->event[i].at < at) {
            at = w->event[i].at;
            *event = i;
        }
    }
    for (unsigned i = 0; i < w->packets; i++) {
        const struct world_packet *p = &w->packet[i];

        if (p->at < at || (*packet != UINT32_MAX && p->at == at &&
                           p->number < w->packet[*packet].number)) {
            at = p->at;
            *packet = i;
        }
    }
    return at;
}

static inline void world_tick(struct world *w)
{
    for (unsigned i = 0; i < 2; i++) {
        if (w->side[i].ch != NULL &&
            channel_next_deadline(w->side[i].ch) <= w->now)
            channel_tick(w->side[i].ch, w->now);
        assert(w->side[i].ch == NULL ||
               channel_next_deadline(w->side[i].ch) > w->now);
    }
}

static inline void world_run(struct world *w, uint64_t time)
{
    uint64_t until = w->now + time;
    unsigned packet, event;

    for (;;) {
        uint64_t at = world_next(w, &packet, &event);

        if (at > until)
            break;
        if (at > w->now)
            w->now = at;
        if (packet != UINT32_MAX)
            world_deliver(w, packet);
        else if (event != UINT32_MAX)
            world_happen(w, event);
        else
            world_tick(w);
    }
    w->now = until;
}

/* Joined, and both are live. */
static inline void world_connect(struct world *w)
{
    world_join(w, world_joint(w));
    world_run(w, 100 * TIME_MS);
    assert(w->side[OPENER].live == 1 && w->side[RESPONDER].live == 1);
}

/* One datagram of `len` (4 at least) bytes. */
static inline enum error world_say(struct world *w, unsigned side, size_t len)
{
    static uint8_t payload[CHANNEL_PAYLOAD_MAX + 1];
    struct world_side *s = &w->side[side];
    enum error e;

    world_payload(payload, len, s->sent);
    e = channel_send(s->ch, (uint16_t)s->sent, bytes_of(payload, len), w->now);
    if (e == OK)
        s->sent++;
    return e;
}

#endif
