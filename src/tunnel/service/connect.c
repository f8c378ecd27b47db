/* SPDX-License-Identifier: MIT
 *
 * One attempt to meet somebody. It begins with two stems at once; what is
 * missing is fetched whenever something has come (proceed), and time repeats
 * what was said.
 *
 *     GATHER   stems, the point, READY, the proof of work: in any order
 *     ASK      INTRODUCE or MOVE was said; an answer is waited for
 *     WAIT     it was taken: somebody is to come to the rendezvous point
 */
#include "tunnel/service/connect.h"

#include "tunnel/channel/invitation.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define GATHER_TIME (15 * TIME_S)
#define ASK_TIME    (8 * TIME_S)
#define WAIT_TIME   (12 * TIME_S)
/* Both are longer when answers take long: by so many times what they may. */
#define LONG_TIMES 16
#define LONG_MOST  (20 * TIME_S)
/* A second attempt: after so many times what an answer over a circuit takes. */
#define SECOND_TIMES 4
#define SECOND_LEAST (10 * TIME_MS)

enum stage { GATHER, ASK, WAIT };

/* What is under way on one of the two circuits. */
struct arm {
    struct circuit *c; /* NULL: no stem yet */
    bool ready;        /* READY came; the point was reached */
};

struct connect {
    TAILQ_ENTRY(connect) link;
    uint32_t round;
    struct service *service;
    struct stem_kit *kit;
    struct connect_goal goal;
    uint8_t member[32], member_secret[32]; /* behind the goal's */
    struct channel *over;
    connect_done_fn *done;
    void *arg;
    enum stage stage;
    uint64_t began;
    struct arm meeting, asking;
    struct relay_target rendezvous;
    uint8_t cookie[MEETING_COOKIE_BYTES];
    bool sealed; /* noise and noise1 are there */
    struct noise noise;
    uint8_t noise1[MEETING_NOISE1_BYTES];
    uint64_t work_id; /* 0: none is asked for */
    bool worked;
    struct work_proof proof;
    struct asking asked; /* of what was said */
    uint64_t stage_end;
};

static const struct route_ops meeting_ops, asking_ops;

static struct circuits *circuits_of(const struct connect *c)
{
    return c->service->all->env.circuits;
}

static uint64_t deadline_of(const struct connect *c)
{
    return time_min(c->stage_end, c->asked.again_at);
}

/* ---- The end ------------------------------------------------------------ */

static void drop(struct connect *c, struct arm *arm, uint64_t now)
{
    if (arm->c != NULL)
        route_drop(circuits_of(c), arm->c, now);
    *arm = (struct arm){0};
}

void connect_free(struct connect *c, uint64_t now)
{
    struct services *s = c->service->all;

    TAILQ_REMOVE(&s->connects, c, link);
    s->connect_count--;
    drop(c, &c->meeting, now);
    drop(c, &c->asking, now);
    sodium_memzero(c, sizeof(*c));
    free(c);
}

static void finish_with(struct connect *c, struct connect_result *r,
                        uint64_t now)
{
    connect_done_fn *done = c->done;
    void *arg = c->arg;

    memcpy(r->rendezvous, c->rendezvous.identity, sizeof(r->rendezvous));
    connect_free(c, now);
    done(arg, r, now);
    sodium_memzero(r, sizeof(*r));
}

static void finish(struct connect *c, enum connect_end end, uint64_t now)
{
    struct connect_result r = {.end = end};

    finish_with(c, &r, now);
}

static void joined(struct connect *c, struct bytes noise2, uint64_t now)
{
    struct connect_result r = {.end = CONNECT_JOINED};

    if (invitation_answered(&c->noise, noise2, &r.resumed, &r.keys) != OK) {
        finish(c, CONNECT_HANDSHAKE, now);
        return;
    }
    patience_learn(&c->service->all->meeting, time_since(c->began, now));
    c->sealed = false;
    r.circuit = c->meeting.c;
    r.circuit->joined = true;
    c->meeting.c = NULL;
    finish_with(c, &r, now);
}

/* ---- Saying ------------------------------------------------------------- */

static void say(struct connect *c, struct circuit *circuit,
                const struct meeting_message *m, uint64_t now)
{
    route_send(circuits_of(c), circuit, m, now);
}

static void say_rendezvous(struct connect *c, uint64_t now)
{
    struct meeting_message m = {.type = MEETING_RENDEZVOUS,
                                .cookie = c->cookie};

    say(c, c->meeting.c, &m, now);
}

static void say_introduce(struct connect *c, uint64_t now)
{
    struct meeting_message m = {.type = MEETING_INTRODUCE,
                                .auth_id = c->goal.auth_id,
                                .has_work = c->worked,
                                .noise =
                                    bytes_of(c->noise1, sizeof(c->noise1))};

    if (c->worked) {
        work_hint(c->goal.work_seed, c->goal.auth_id, m.work.hint);
        m.work.effort = c->goal.effort;
        bytes_put_number(m.work.nonce, sizeof(m.work.nonce), c->proof.nonce);
        memcpy(m.work.digest, c->proof.digest, sizeof(m.work.digest));
    }
    say(c, c->asking.c, &m, now);
}

static void say_move(struct connect *c, uint64_t now)
{
    struct channel_move move = {
        .cookie = c->cookie, .noise1 = bytes_of(c->noise1, sizeof(c->noise1))};

    channel_move(c->over, &move, now); /* which says it again by itself */
}

static void repeat(struct connect *c, uint64_t now)
{
    asking_again(&c->asked, now);
    if (c->stage == ASK && c->over == NULL)
        say_introduce(c, now);
    /* Said again when all is joined, it is answered with JOINED again. */
    if (c->meeting.c != NULL && (!c->meeting.ready || c->stage == WAIT))
        say_rendezvous(c, now);
}

/* The rendezvous point answers, or, through the introduction point, the other
 * end, over as many hops again. */
static uint64_t answer_overdue(const struct connect *c, enum stage stage)
{
    unsigned hops = c->service->options.hops;

    if (stage != ASK)
        return circuits_overdue(circuits_of(c), hops);
    return patience_overdue(&c->service->all->introducing,
                            2 * circuits_overdue(circuits_of(c), hops + 1));
}

static uint64_t longer(const struct connect *c, uint64_t least)
{
    uint64_t time = time_min(LONG_TIMES * answer_overdue(c, ASK), LONG_MOST);

    return time > least ? time : least;
}

static void enter(struct connect *c, enum stage stage, uint64_t time,
                  uint64_t now)
{
    c->stage = stage;
    c->stage_end = time_after(now, time);
    asking_begin(&c->asked, answer_overdue(c, stage), now);
}

/* ---- Gathering ---------------------------------------------------------- */

static bool needs_meeting(const struct connect *c)
{
    return !c->goal.probe;
}

static void solve(struct connect *c)
{
    struct services *s = c->service->all;
    struct work_task task = {.effort = c->goal.effort};

    if (s->env.world.solve == NULL)
        return; /* it ends with the stage */
    c->work_id = ++s->next_work;
    memcpy(task.seed, c->goal.work_seed, sizeof(task.seed));
    memcpy(task.auth_id, c->goal.auth_id, sizeof(task.auth_id));
    memcpy(task.e, c->noise1, sizeof(task.e));
    c->stage_end = time_after(c->stage_end, s->config.max_work);
    s->env.world.solve(s->env.world.ctx, c->work_id, &task, s->config.max_work);
}

static enum error prove_member(struct connect *c, struct invitation *i,
                               const uint8_t ephemeral[32])
{
    uint8_t e[NOISE_KEY_BYTES];

    if (c->goal.member == NULL)
        return OK;
    noise_public_key(ephemeral, e);
    i->has_member = true;
    memcpy(i->member, c->member, sizeof(i->member));
    return member_prove(c->member_secret, c->member, c->goal.key, e, i->mac);
}

/* As soon as the rendezvous point is known. */
static bool seal(struct connect *c, const struct circuit *at)
{
    struct services *s = c->service->all;
    struct invitation i = {.greeting = c->goal.greeting,
                           .flags = c->goal.probe ? INVITATION_PROBE : 0,
                           .resume = c->goal.resume};
    struct invitation_to to = {.network = s->config.network,
                               .credential = c->service->credential,
                               .key = c->goal.key};
    uint8_t ephemeral[NOISE_KEY_BYTES];
    enum error e;

    service_relay_target(s, at, &c->rendezvous);
    i.rendezvous = c->rendezvous;
    memcpy(i.cookie, c->cookie, sizeof(i.cookie));
    memcpy(i.resume_id, c->goal.resume_id, sizeof(i.resume_id));
    s->env.random.fill(s->env.random.ctx, ephemeral, sizeof(ephemeral));
    e = prove_member(c, &i, ephemeral);
    if (e == OK)
        e = invitation_write(&i, &to, ephemeral, &c->noise, c->noise1);
    sodium_memzero(ephemeral, sizeof(ephemeral));
    c->sealed = e == OK;
    if (c->sealed && c->goal.has_work)
        solve(c);
    return c->sealed;
}

/* False when the attempt has ended. */
static bool take_meeting(struct connect *c, uint64_t now)
{
    uint8_t point[1][32];

    memcpy(point[0], c->goal.point.identity, sizeof(point[0]));
    c->meeting.c = stem_take(c->kit, NULL, (const uint8_t(*)[32])point,
                             c->over == NULL, &meeting_ops, c, now);
    if (c->meeting.c == NULL)
        return true;
    if (!seal(c, c->meeting.c)) {
        finish(c, CONNECT_HANDSHAKE, now);
        return false;
    }
    asking_begin(&c->asked, answer_overdue(c, GATHER), now);
    say_rendezvous(c, now);
    return true;
}

static const uint8_t *last_hop(const struct circuit *c)
{
    return c->hop[c->length - 1].target.identity;
}

static bool take_asking(struct connect *c, uint64_t now)
{
    struct services *s = c->service->all;
    struct link_target point;

    c->asking.c =
        stem_take(c->kit, c->goal.point.identity, NULL, 0, &asking_ops, c, now);
    if (c->asking.c == NULL)
        return true;
    if (c->goal.probe && !c->sealed && !seal(c, c->asking.c)) {
        finish(c, CONNECT_HANDSHAKE, now);
        return false;
    }
    if (!service_link_target(s, last_hop(c->asking.c), &c->goal.point,
                             &point) ||
        circuit_extend(s->env.circuits, c->asking.c, &point, now) != OK) {
        finish(c, CONNECT_NO_POINT, now);
        return false;
    }
    return true;
}

static bool is_complete(const struct connect *c)
{
    return c->sealed && (!c->goal.has_work || c->worked) &&
           (c->meeting.ready || !needs_meeting(c)) &&
           (c->asking.ready || c->over != NULL);
}

/* Whatever can be done now. */
static void proceed(struct connect *c, uint64_t now)
{
    if (c->stage != GATHER)
        return;
    if (needs_meeting(c) && c->meeting.c == NULL && !take_meeting(c, now))
        return;
    if (c->over == NULL && c->asking.c == NULL && !take_asking(c, now))
        return;
    if (!is_complete(c))
        return;
    enter(c, ASK, longer(c, ASK_TIME), now);
    if (c->over != NULL)
        say_move(c, now);
    else
        say_introduce(c, now);
}

static void solved(struct connect *c, const struct work_proof *proof,
                   uint64_t now)
{
    c->work_id = 0;
    if (proof == NULL) {
        finish(c, CONNECT_WORK, now);
        return;
    }
    c->proof = *proof;
    c->worked = true;
    proceed(c, now);
}

/* ---- The circuit to the rendezvous point -------------------------------- */

static bool meeting_message(void *holder, struct circuit *circuit,
                            const struct meeting_message *m, uint64_t now)
{
    struct connect *c = holder;

    (void)circuit;
    if (m->type == MEETING_READY && !c->meeting.ready &&
        memcmp(m->cookie, c->cookie, sizeof(c->cookie)) == 0) {
        c->meeting.ready = true;
        proceed(c, now);
        return true;
    }
    if (m->type != MEETING_JOINED || c->stage == GATHER || m->noise.len == 0)
        return m->type == MEETING_READY; /* again */
    joined(c, m->noise, now);
    return true;
}

static void meeting_closed(void *holder, struct circuit *circuit,
                           enum reason why, unsigned hop, uint64_t now)
{
    struct connect *c = holder;

    (void)circuit;
    (void)why;
    (void)hop;
    c->meeting.c = NULL;
    finish(c, c->stage == WAIT ? CONNECT_NO_RENDEZVOUS : CONNECT_NO_CIRCUIT,
           now);
}

static void meeting_refused(void *holder, struct circuit *circuit,
                            enum reason why, uint64_t now)
{
    (void)circuit;
    (void)why;
    finish(holder, CONNECT_NO_CIRCUIT, now);
}

static const struct route_ops meeting_ops = {.message = meeting_message,
                                             .closed = meeting_closed,
                                             .refused = meeting_refused};

/* ---- The circuit to the introduction point ------------------------------ */

static void asking_ready(void *holder, struct circuit *circuit, uint64_t now)
{
    struct connect *c = holder;

    (void)circuit;
    c->asking.ready = true;
    proceed(c, now);
}

static void refused_with(struct connect *c, const struct meeting_message *m,
                         uint64_t now)
{
    struct connect_result r = {.end = CONNECT_REFUSED};

    if (m->status == MEETING_UNKNOWN)
        r.end = CONNECT_NO_POINT;
    if (m->status == MEETING_BUSY || m->status == MEETING_FULL)
        r.end = CONNECT_BUSY;
    if (m->status == MEETING_AGAIN)
        r.end = CONNECT_AGAIN;
    r.effort = r.greeting = m->effort;
    finish_with(c, &r, now);
}

static void taken(struct connect *c, uint64_t now)
{
    if (c->goal.probe) {
        finish(c, CONNECT_PROBED, now);
        return;
    }
    drop(c, &c->asking, now);
    enter(c, WAIT, longer(c, WAIT_TIME), now);
}

static bool asking_message(void *holder, struct circuit *circuit,
                           const struct meeting_message *m, uint64_t now)
{
    struct connect *c = holder;

    (void)circuit;
    if (m->type != MEETING_INTRODUCE_ACK || c->stage != ASK)
        return false;
    if (m->status == MEETING_TAKEN)
        asking_learn(&c->asked, &c->service->all->introducing, now);
    if (m->status == MEETING_TAKEN)
        taken(c, now);
    else
        refused_with(c, m, now);
    return true;
}

/* With the INTRODUCE on its way somebody may come all the same. */
static void asking_closed(void *holder, struct circuit *circuit,
                          enum reason why, unsigned hop, uint64_t now)
{
    struct connect *c = holder;

    (void)circuit;
    (void)why;
    (void)hop;
    c->asking.c = NULL;
    finish(c, CONNECT_NO_POINT, now);
}

static void asking_refused(void *holder, struct circuit *circuit,
                           enum reason why, uint64_t now)
{
    (void)circuit;
    (void)why;
    finish(holder, CONNECT_NO_POINT, now);
}

static const struct route_ops asking_ops = {.ready = asking_ready,
                                            .message = asking_message,
                                            .closed = asking_closed,
                                            .refused = asking_refused};

bool connect_has_asked(const struct connect *c)
{
    return c->stage != GATHER;
}

bool connect_is_on_its_way_to(const struct connect *c,
                              const uint8_t auth_id[AUTH_ID_BYTES])
{
    return c->stage == GATHER &&
           memcmp(c->goal.auth_id, auth_id, sizeof(c->goal.auth_id)) == 0;
}

bool connect_is_taken(const struct connect *c)
{
    return c->stage == WAIT;
}

uint64_t connect_overdue_at(const struct connect *c)
{
    uint64_t time =
        2 * SECOND_TIMES *
        circuits_overdue(circuits_of(c), c->service->options.hops + 1);

    time = patience_overdue(&c->service->all->meeting, time);
    return time_after(c->began, time > SECOND_LEAST ? time : SECOND_LEAST);
}

uint64_t connect_second_at(const struct service *service, uint64_t now)
{
    uint64_t time = SECOND_TIMES * circuits_overdue(service->all->env.circuits,
                                                    service->options.hops + 1);

    return time_after(now, time > SECOND_LEAST ? time : SECOND_LEAST);
}

/* ---- MOVE --------------------------------------------------------------- */

void connect_move_refused(struct connect *c, uint64_t now)
{
    finish(c, CONNECT_REFUSED, now);
}

/* ---- Life --------------------------------------------------------------- */

enum error connect_new(struct service *service, struct stem_kit *kit,
                       const struct connect_goal *goal, struct channel *over,
                       connect_done_fn *done, void *arg, uint64_t now,
                       struct connect **out)
{
    struct services *s = service->all;
    struct connect *c;

    if (s->connect_count >= s->config.max_connects)
        return ERR_FULL;
    c = calloc(1, sizeof(struct connect));
    if (c == NULL)
        return ERR_NO_MEMORY;
    c->service = service;
    c->kit = kit;
    c->goal = *goal;
    if (goal->member != NULL) {
        memcpy(c->member, goal->member, sizeof(c->member));
        memcpy(c->member_secret, goal->member_secret, sizeof(c->member_secret));
        c->goal.member = c->member;
        c->goal.member_secret = c->member_secret;
    }
    c->over = over;
    c->began = now;
    c->done = done;
    c->arg = arg;
    s->env.random.fill(s->env.random.ctx, c->cookie, sizeof(c->cookie));
    TAILQ_INSERT_TAIL(&s->connects, c, link);
    s->connect_count++;
    enter(c, GATHER, GATHER_TIME, now);
    c->asked.again_at = now; /* stems are taken in the next tick */
    *out = c;
    return OK;
}

static enum connect_end overdue(const struct connect *c)
{
    if (c->stage == WAIT)
        return CONNECT_NO_RENDEZVOUS;
    if (c->stage == ASK)
        return CONNECT_SILENT;
    if (c->goal.has_work && c->sealed && !c->worked)
        return CONNECT_WORK;
    return c->asking.c != NULL && !c->asking.ready ? CONNECT_NO_POINT
                                                   : CONNECT_NO_CIRCUIT;
}

static void tick(struct connect *c, uint64_t now)
{
    if (now >= c->stage_end) {
        finish(c, overdue(c), now);
        return;
    }
    if (now >= c->asked.again_at) {
        repeat(c, now);
        proceed(c, now);
    }
}

/* ---- All of them -------------------------------------------------------- */

/* An attempt that ends may begin others: so each round starts again at the
 * head, and takes those that it has not had. */
static struct connect *next_of_round(struct services *s)
{
    struct connect *c;

    TAILQ_FOREACH(c, &s->connects, link)
    {
        if (c->round != s->connect_round) {
            c->round = s->connect_round;
            return c;
        }
    }
    return NULL;
}

void connects_stems(struct services *s, const struct stem_kit *kit,
                    enum path_result why, uint64_t now)
{
    struct connect *c;

    s->connect_round++;
    while ((c = next_of_round(s)) != NULL) {
        if (c->kit != kit || c->stage != GATHER)
            continue;
        if (why == PATH_FOUND)
            proceed(c, now);
        else if (c->asking.c == NULL && c->meeting.c == NULL)
            finish(c, CONNECT_NO_CIRCUIT, now);
    }
}

void connects_tick(struct services *s, uint64_t now)
{
    struct connect *c;

    s->connect_round++;
    while ((c = next_of_round(s)) != NULL)
        tick(c, now);
}

uint64_t connects_deadline(const struct services *s)
{
    const struct connect *c;
    uint64_t at = TIME_NEVER;

    TAILQ_FOREACH(c, &s->connects, link)
    at = time_min(at, deadline_of(c));
    return at;
}

void services_solved(struct services *s, uint64_t id, bool found,
                     const struct work_proof *proof, uint64_t now)
{
    struct connect *c;

    TAILQ_FOREACH(c, &s->connects, link)
    {
        if (id != 0 && c->work_id == id) {
            solved(c, found ? proof : NULL, now);
            return;
        }
    }
}
