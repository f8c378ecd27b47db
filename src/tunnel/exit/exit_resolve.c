/* SPDX-License-Identifier: MIT
 *
 * Names under way. A question belongs to one circuit and goes to the world
 * once, however many of its datagrams and lookups wait for it: exit_wait begins
 * or joins one, and exit_resolved, its deadline or a circuit that needs its
 * place ends it. It is in x->questions and in its circuit's until then; in
 * x->held when it was answered sooner than it may be; while what waits is
 * served it is in x->answered, since callbacks may free circuits and ask anew.
 */
#include "tunnel/exit/exit_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_PLACES 8
#define DOUBLED_MAX  8
#define NOBODY       UINT64_MAX /* above all cookies */
/* Most answers come within it; who waits for longer makes way for equals. */
#define IN_TIME (500 * TIME_MS)

static struct exit_question *find_name(const struct exit_circuit *c,
                                       const struct name *name)
{
    struct exit_question *q;

    TAILQ_FOREACH(q, &c->questions, of_circuit)
    {
        if (q->name.len == name->len &&
            memcmp(q->name.text, name->text, name->len) == 0)
            break;
    }
    return q;
}

static struct exit_question *find_in(const struct exit_questions *list,
                                     uint32_t cookie)
{
    struct exit_question *q;

    TAILQ_FOREACH(q, list, age)
    {
        if (q->cookie == cookie)
            break;
    }
    return q;
}

/* One that the world has. */
static struct exit_question *find_cookie(const struct exit *x, uint32_t cookie)
{
    return find_in(&x->questions, cookie);
}

static void take_out(struct exit *x, struct exit_question *q)
{
    TAILQ_REMOVE(q->held ? &x->held : &x->questions, q, age);
    TAILQ_REMOVE(&q->circuit->questions, q, of_circuit);
    x->places[q->place] = x->places[--x->question_count];
    x->places[q->place]->place = q->place;
}

/* Before its end. */
static void give_up(struct exit *x, struct exit_question *q)
{
    take_out(x, q);
    if (!q->held)
        x->env.world.resolve_cancel(x->env.world.ctx, q->cookie);
}

static bool grow(struct exit *x)
{
    unsigned cap = x->place_cap == 0 ? FIRST_PLACES : 2 * x->place_cap;
    struct exit_question **places;

    if (x->question_count < x->place_cap)
        return true;
    places = realloc(x->places, cap * sizeof(struct exit_question *));
    if (places == NULL)
        return false;
    x->places = places;
    x->place_cap = cap;
    return true;
}

static void uncount(struct exit *x, struct exit_circuit *c)
{
    assert(x->waiting > 0 && c->waiting > 0);
    x->waiting--;
    c->waiting--;
    shares_remove(&x->waiting_by, &c->neighbour);
}

static struct exit_wait *take_first(struct exit *x, struct exit_question *q)
{
    struct exit_wait *w = q->first;

    q->first = w->next;
    if (q->first == NULL)
        q->last = &q->first;
    uncount(x, q->circuit);
    return w;
}

static void free_waits(struct exit *x, struct exit_question *q)
{
    while (q->first != NULL)
        free(take_first(x, q));
}

static struct exit_question *ask(struct exit *x, struct exit_circuit *c,
                                 const struct name *name,
                                 const struct exit_want *want, uint64_t now)
{
    struct exit_question *q = grow(x) ? calloc(1, sizeof(*q)) : NULL;

    if (q == NULL)
        return NULL;
    q->circuit = c;
    q->last = &q->first;
    q->asked_at = now;
    q->deadline = time_after(now, x->config.resolve_timeout);
    q->cookie = x->next_cookie++;
    q->name = *name;
    q->reverse = want->reverse;
    q->address = want->address;
    TAILQ_INSERT_TAIL(&x->questions, q, age);
    TAILQ_INSERT_TAIL(&c->questions, q, of_circuit);
    q->place = x->question_count++;
    x->places[q->place] = q;
    x->stats.questions++;
    return q;
}

static void append(struct exit *x, struct exit_question *q, struct exit_wait *w)
{
    *q->last = w;
    q->last = &w->next;
    q->circuit->waiting++;
    x->waiting++;
}

/* Counted as its source's; append comes next. */
static struct exit_wait *wait_new(struct exit *x, const struct exit_circuit *c,
                                  const struct exit_want *want)
{
    struct bytes payload = want->payload;
    struct exit_wait *w = malloc(sizeof(*w) + payload.len);

    if (w == NULL || shares_add(&x->waiting_by, &c->neighbour) != OK) {
        free(w);
        return NULL;
    }
    *w = (struct exit_wait){.want = *want};
    w->want.payload = bytes_of(w->payload, payload.len);
    if (payload.len > 0)
        memcpy(w->payload, payload.p, payload.len);
    return w;
}

/* The circuit may be gone when this returns. */
static void refuse(struct exit *x, struct exit_circuit *c,
                   const struct exit_want *want, enum reason why, uint64_t now)
{
    x->stats.refused[why]++;
    if (want->lookup)
        x->env.found(x->env.ctx, c->owner, want->number,
                     &(struct exit_answer){.why = why}, now);
    else
        x->env.failed(x->env.ctx, c->owner, why, now);
}

/* Does what waits for `q`, or says why it is not done, and frees `q`. The
 * callbacks may free any circuit, which takes its waits along. */
static void serve(struct exit *x, struct exit_question *q,
                  const struct name_answer *answer, enum reason otherwise,
                  uint64_t now)
{
    q->outer = x->answered;
    x->answered = q;
    while (q->first != NULL) {
        struct exit_circuit *c = q->circuit;
        struct exit_wait *w = take_first(x, q);
        enum reason why = otherwise;

        if (answer != NULL)
            why = exit_serve(x, c, &w->want, answer, now);
        if (why != EXIT_SENT)
            refuse(x, c, &w->want, why, now);
        free(w);
    }
    assert(x->answered == q);
    x->answered = q->outer;
    free(q);
}

/* ---- Room for another --------------------------------------------------- */

/* Of one source, circuits that have twice as many weigh twice as much. */
static struct holding holding_of(const struct exit_circuit *c, unsigned more,
                                 uint64_t since)
{
    struct holding h = {.source = c->neighbour, .used_at = since};

    for (unsigned n = c->waiting + more; n > 1 && h.doubled < DOUBLED_MAX;
         n /= 2)
        h.doubled++;
    return h;
}

static bool tell_question(const void *table, size_t place, struct holding *out)
{
    const struct exit *x = table;
    const struct exit_question *q = x->places[place];

    *out = holding_of(q->circuit, 0, q->asked_at);
    return true;
}

/* Whether there is room for a want of `c`, for the sake of which another
 * question if `another`. The one that makes way is in `out`, by its cookie:
 * NOBODY, or who has most. That may be `c`: then there is no room. */
static bool find_room(struct exit *x, const struct exit_circuit *c,
                      bool another, uint64_t now, uint64_t *out)
{
    struct holding newcomer, holder;
    size_t place;

    *out = NOBODY;
    if (x->waiting < x->config.max_waiting &&
        (!another || x->question_count < x->config.max_questions))
        return true;
    place =
        shares_heaviest(&x->waiting_by, x->question_count, tell_question, x);
    if (place == SIZE_MAX || x->places[place]->circuit == c)
        return false;
    newcomer = holding_of(c, 1, now);
    tell_question(x, place, &holder);
    *out = x->places[place]->cookie;
    return shares_yields(&x->waiting_by, &holder, &newcomer, IN_TIME, now);
}

static void displace(struct exit *x, uint64_t cookie, uint64_t now)
{
    struct exit_question *q = NULL;

    if (cookie != NOBODY)
        q = find_in(&x->questions, (uint32_t)cookie);
    if (cookie != NOBODY && q == NULL)
        q = find_in(&x->held, (uint32_t)cookie);
    if (q == NULL)
        return;
    give_up(x, q);
    x->stats.displaced++;
    serve(x, q, NULL, REASON_FULL, now);
}

/* ---- Waiting ------------------------------------------------------------ */

/* Asks the world. The answer may come before this returns: the question is
 * gone then. */
static enum reason ask_world(struct exit *x, struct exit_question *q)
{
    const struct exit_world *world = &x->env.world;
    const struct endpoint address = q->address;
    uint32_t cookie = q->cookie;
    enum error e = q->reverse
                       ? world->reverse(world->ctx, &address, cookie)
                       : world->resolve(world->ctx, q->name.text, cookie);

    if (e == OK)
        return EXIT_SENT;
    q = find_cookie(x, cookie);
    if (q == NULL)
        return EXIT_SENT;
    take_out(x, q);
    free_waits(x, q);
    free(q);
    return REASON_DNS;
}

enum reason exit_wait(struct exit *x, struct exit_circuit *c,
                      const struct name *name, const struct exit_want *want,
                      uint64_t now)
{
    struct exit_question *q = find_name(c, name);
    bool another = q == NULL;
    enum reason why = EXIT_SENT;
    struct exit_wait *w;
    uint64_t victim;

    if (c->waiting >= x->config.max_waiting_circuit)
        return REASON_FULL;
    /* First of all: who is refused pays as well. */
    if (another &&
        !token_bucket_take(&c->question_bucket, &x->question_rate, now))
        return REASON_RATE;
    if (!find_room(x, c, another, now, &victim))
        return REASON_FULL;
    w = wait_new(x, c, want);
    if (w == NULL)
        return REASON_FULL;
    if (another)
        q = ask(x, c, name, want, now);
    if (q == NULL) {
        shares_remove(&x->waiting_by, &c->neighbour);
        free(w);
        return REASON_FULL;
    }
    append(x, q, w);
    if (another)
        why = ask_world(x, q);
    if (why == EXIT_SENT)
        displace(x, victim, now);
    return why;
}

static struct exit_wait *unlink_lookup(struct exit_question *q, uint64_t lookup)
{
    for (struct exit_wait **at = &q->first; *at != NULL; at = &(*at)->next) {
        struct exit_wait *w = *at;

        if (!w->want.lookup || w->want.number != lookup)
            continue;
        *at = w->next;
        if (w->next == NULL)
            q->last = at;
        return w;
    }
    return NULL;
}

/* Of the question, which goes when nothing else waits for it. */
static bool cancel_in(struct exit *x, struct exit_circuit *c,
                      struct exit_question *q, uint64_t lookup, bool under_way)
{
    struct exit_wait *w = unlink_lookup(q, lookup);

    if (w == NULL)
        return false;
    uncount(x, c);
    free(w);
    if (under_way && q->first == NULL) {
        give_up(x, q);
        free(q);
    }
    return true;
}

void exit_lookup_cancel(struct exit *x, struct exit_circuit *c, uint64_t lookup)
{
    struct exit_question *q;

    TAILQ_FOREACH(q, &c->questions, of_circuit)
    {
        if (cancel_in(x, c, q, lookup, true))
            return;
    }
    for (q = x->answered; q != NULL; q = q->outer)
        if (q->circuit == c && cancel_in(x, c, q, lookup, false))
            return;
}

/* A question of a circuit that goes is nobody's any more. */
void exit_waits_drop(struct exit *x, struct exit_circuit *c)
{
    struct exit_question *q;

    while ((q = TAILQ_FIRST(&c->questions)) != NULL) {
        give_up(x, q);
        free_waits(x, q);
        free(q);
    }
    for (q = x->answered; q != NULL; q = q->outer)
        if (q->circuit == c)
            free_waits(x, q);
    assert(c->waiting == 0);
}

/* ---- Answers ------------------------------------------------------------ */

static void end(struct exit *x, struct exit_question *q, uint64_t now)
{
    take_out(x, q);
    name_cache_put(&x->cache, &q->circuit->names, &q->name, &q->answer, q->ttl,
                   now);
    serve(x, q, &q->answer, EXIT_SENT, now);
}

static void hold(struct exit *x, struct exit_question *q, uint64_t until)
{
    struct exit_question *before;

    TAILQ_REMOVE(&x->questions, q, age);
    q->held = true;
    q->deadline = until;
    TAILQ_FOREACH_REVERSE(before, &x->held, exit_questions, age)
    {
        if (before->deadline <= until)
            break;
    }
    if (before != NULL)
        TAILQ_INSERT_AFTER(&x->held, before, q, age);
    else
        TAILQ_INSERT_HEAD(&x->held, q, age);
}

static void take_addresses(struct name_answer *out,
                           const struct exit_answer *answer)
{
    for (size_t i = 0; i < answer->count && i < NAME_ADDRS_MAX; i++) {
        out->ep[i] = answer->addrs[i];
        out->ep[i].port = 0;
        out->count++;
    }
    if (out->count == 0)
        out->why = REASON_RESOLVE;
}

/* Whoever has an address can have anything for its name: what is none that
 * could be asked for is not passed on. */
static void take_host(struct name_answer *out, const struct exit_answer *answer)
{
    struct endpoint ep;
    bool is_address;

    if (name_parse(answer->name, &out->host, &ep, &is_address) != OK ||
        is_address)
        out->why = REASON_RESOLVE;
}

static void take_answer(struct exit_question *q,
                        const struct exit_answer *answer)
{
    q->answer.why = answer->why;
    q->ttl = answer->ttl;
    if (answer->why != EXIT_SENT)
        return;
    if (q->reverse)
        take_host(&q->answer, answer);
    else
        take_addresses(&q->answer, answer);
}

void exit_resolved(struct exit *x, uint32_t cookie,
                   const struct exit_answer *answer, uint64_t now)
{
    struct exit_question *q = find_cookie(x, cookie);
    uint64_t took, pace;

    if (q == NULL) {
        x->stats.late_answers++;
        return;
    }
    take_answer(q, answer);
    took = time_since(q->asked_at, now);
    pace = exit_pace_of(&x->pace, &q->name, took, now);
    if (pace > took)
        hold(x, q, time_after(q->asked_at, pace));
    else
        end(x, q, now);
}

void exit_questions_tick(struct exit *x, uint64_t now)
{
    struct exit_question *q;

    while ((q = TAILQ_FIRST(&x->held)) != NULL && q->deadline <= now)
        end(x, q, now);
    while ((q = TAILQ_FIRST(&x->questions)) != NULL && q->deadline <= now) {
        give_up(x, q);
        serve(x, q, NULL, REASON_TIMEOUT, now);
    }
}

uint64_t exit_questions_deadline(const struct exit *x)
{
    const struct exit_question *q = TAILQ_FIRST(&x->questions);
    const struct exit_question *held = TAILQ_FIRST(&x->held);

    return time_min(q == NULL ? TIME_NEVER : q->deadline,
                    held == NULL ? TIME_NEVER : held->deadline);
}
