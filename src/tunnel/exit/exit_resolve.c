/* SPDX-License-Identifier: MIT
 *
 * Names under way. A question belongs to one circuit and goes to the world
 * once, however many of its datagrams wait for it: exit_wait begins or joins
 * one, and exit_resolved, its deadline or a circuit that needs its place ends
 * it. It is in x->questions and in its circuit's until then; while what waits
 * is served it is in x->answered, since callbacks may free circuits and ask
 * anew.
 */
#include "tunnel/exit/exit_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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

static struct exit_question *find_cookie(struct exit *x, uint32_t cookie)
{
    struct exit_question *q;

    TAILQ_FOREACH(q, &x->questions, age)
    {
        if (q->cookie == cookie)
            break;
    }
    return q;
}

static void take_out(struct exit *x, struct exit_question *q)
{
    TAILQ_REMOVE(&x->questions, q, age);
    TAILQ_REMOVE(&q->circuit->questions, q, of_circuit);
    x->question_count--;
}

static void free_wait(struct exit *x, struct exit_circuit *c,
                      struct exit_wait *w)
{
    assert(x->waiting > 0 && c->waiting > 0 && c->source->waiting > 0);
    x->waiting--;
    c->waiting--;
    c->source->waiting--;
    free(w);
}

static void free_waits(struct exit *x, struct exit_question *q)
{
    while (q->first != NULL) {
        struct exit_wait *w = q->first;

        q->first = w->next;
        free_wait(x, q->circuit, w);
    }
    q->last = &q->first;
}

static struct exit_question *ask(struct exit *x, struct exit_circuit *c,
                                 const struct name *name, uint64_t now)
{
    struct exit_question *q = calloc(1, sizeof(*q));

    if (q == NULL)
        return NULL;
    q->circuit = c;
    q->last = &q->first;
    q->deadline = time_after(now, x->config.resolve_timeout);
    q->cookie = x->next_cookie++;
    q->name = *name;
    TAILQ_INSERT_TAIL(&x->questions, q, age);
    TAILQ_INSERT_TAIL(&c->questions, q, of_circuit);
    x->question_count++;
    x->stats.questions++;
    return q;
}

static void append(struct exit *x, struct exit_question *q, struct exit_wait *w)
{
    *q->last = w;
    q->last = &w->next;
    q->circuit->waiting++;
    q->circuit->source->waiting++;
    x->waiting++;
}

static struct exit_wait *wait_new(uint16_t port, struct bytes payload)
{
    struct exit_wait *w = malloc(sizeof(*w) + payload.len);

    if (w == NULL)
        return NULL;
    *w = (struct exit_wait){.port = port, .len = (uint16_t)payload.len};
    if (payload.len > 0)
        memcpy(w->payload, payload.p, payload.len);
    return w;
}

/* Sends what waits for `q`, or says why it is not sent, and frees `q`. The
 * callbacks may free any circuit, which takes its waits along. */
static void serve(struct exit *x, struct exit_question *q,
                  const struct name_addrs *addrs, enum reason otherwise,
                  uint64_t now)
{
    q->outer = x->answered;
    x->answered = q;
    while (q->first != NULL) {
        struct exit_wait *w = q->first;
        struct exit_circuit *c = q->circuit;
        enum reason why = otherwise;

        if (addrs != NULL)
            why = exit_send_any(x, c, addrs, w->port,
                                bytes_of(w->payload, w->len), now);
        q->first = w->next;
        free_wait(x, c, w);
        if (why != EXIT_SENT) {
            x->stats.refused[why]++;
            x->env.failed(x->env.ctx, c->owner, why, now);
        }
    }
    assert(x->answered == q);
    x->answered = q->outer;
    free(q);
}

/* ---- Room for another --------------------------------------------------- */

/* Of two questions, whether the holder of `a` has more: its source, then its
 * circuit. `c` is about to have one more. */
static bool has_more(const struct exit_question *a,
                     const struct exit_question *b,
                     const struct exit_circuit *c)
{
    unsigned source_a =
        a->circuit->source->waiting + (a->circuit->source == c->source);
    unsigned source_b =
        b->circuit->source->waiting + (b->circuit->source == c->source);

    if (source_a != source_b)
        return source_a > source_b;
    return a->circuit->waiting + (a->circuit == c) >
           b->circuit->waiting + (b->circuit == c);
}

/* The biggest holder's oldest makes room for a datagram of `c`, unless that is
 * the biggest itself. False: there is no room. True with the question's cookie
 * in `out` when one is to go. */
static bool find_room(struct exit *x, const struct exit_circuit *c,
                      bool another, uint32_t *out, bool *displaces)
{
    struct exit_question *q, *victim = NULL;

    *displaces = false;
    if (x->waiting < x->config.max_waiting &&
        (!another || x->question_count < x->config.max_questions))
        return true;
    TAILQ_FOREACH(q, &x->questions, age)
    {
        if (victim == NULL || has_more(q, victim, c))
            victim = q;
    }
    if (victim == NULL || victim->circuit == c)
        return false;
    *out = victim->cookie;
    *displaces = true;
    return true;
}

static void displace(struct exit *x, uint32_t cookie, uint64_t now)
{
    struct exit_question *q = find_cookie(x, cookie);

    if (q == NULL)
        return;
    take_out(x, q);
    x->stats.displaced++;
    x->env.world.resolve_cancel(x->env.world.ctx, q->cookie);
    serve(x, q, NULL, REASON_FULL, now);
}

/* ---- Waiting ------------------------------------------------------------ */

/* Asks the world. The answer may come before this returns: the question is
 * gone then. */
static enum reason ask_world(struct exit *x, struct exit_question *q)
{
    uint32_t cookie = q->cookie;

    if (x->env.world.resolve(x->env.world.ctx, q->name.text, cookie) == OK)
        return EXIT_SENT;
    q = find_cookie(x, cookie);
    if (q == NULL)
        return EXIT_SENT;
    take_out(x, q);
    free_waits(x, q);
    free(q);
    return REASON_RESOLVE;
}

enum reason exit_wait(struct exit *x, struct exit_circuit *c,
                      const struct name *name, uint16_t port,
                      struct bytes payload, uint64_t now)
{
    struct exit_question *q = find_name(c, name);
    bool another = q == NULL, displaces;
    enum reason why = EXIT_SENT;
    struct exit_wait *w;
    uint32_t victim;

    if (c->waiting >= x->config.max_waiting_circuit ||
        !find_room(x, c, another, &victim, &displaces))
        return REASON_FULL;
    if (another &&
        !token_bucket_take(&c->question_bucket, &x->question_rate, now))
        return REASON_RATE;
    w = wait_new(port, payload);
    if (another && w != NULL)
        q = ask(x, c, name, now);
    if (w == NULL || q == NULL) {
        free(w);
        return REASON_FULL;
    }
    append(x, q, w);
    if (another)
        why = ask_world(x, q);
    if (displaces && why == EXIT_SENT)
        displace(x, victim, now);
    return why;
}

/* A question of a circuit that goes is nobody's any more. */
void exit_waits_drop(struct exit *x, struct exit_circuit *c)
{
    struct exit_question *q;

    while ((q = TAILQ_FIRST(&c->questions)) != NULL) {
        take_out(x, q);
        free_waits(x, q);
        x->env.world.resolve_cancel(x->env.world.ctx, q->cookie);
        free(q);
    }
    for (q = x->answered; q != NULL; q = q->outer)
        if (q->circuit == c)
            free_waits(x, q);
    assert(c->waiting == 0);
}

/* ---- Answers ------------------------------------------------------------ */

void exit_resolved(struct exit *x, uint32_t cookie,
                   const struct endpoint *addrs, size_t count, uint64_t ttl,
                   uint64_t now)
{
    struct exit_question *q = find_cookie(x, cookie);
    struct name_addrs list = {0};

    if (q == NULL) {
        x->stats.late_answers++;
        return;
    }
    take_out(x, q);
    for (; list.count < count && list.count < NAME_ADDRS_MAX; list.count++) {
        list.ep[list.count] = addrs[list.count];
        list.ep[list.count].port = 0;
    }
    name_cache_put(&x->cache, &q->circuit->names, &q->name, &list, ttl, now);
    serve(x, q, &list, EXIT_SENT, now);
}

void exit_questions_tick(struct exit *x, uint64_t now)
{
    struct exit_question *q;

    while ((q = TAILQ_FIRST(&x->questions)) != NULL && q->deadline <= now) {
        take_out(x, q);
        x->env.world.resolve_cancel(x->env.world.ctx, q->cookie);
        serve(x, q, NULL, REASON_TIMEOUT, now);
    }
}

uint64_t exit_questions_deadline(const struct exit *x)
{
    const struct exit_question *q = TAILQ_FIRST(&x->questions);

    return q == NULL ? TIME_NEVER : q->deadline;
}
