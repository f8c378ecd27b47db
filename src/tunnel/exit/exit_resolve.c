/* SPDX-License-Identifier: MIT
 *
 * Names under way. A question goes to the world once, however many datagrams
 * wait for it: exit_wait begins or joins one, and exit_resolved or its deadline
 * serves what waits. It is in x->questions until it is answered, then in
 * x->answered, whose callbacks may free circuits and ask anew.
 */
#include "tunnel/exit/exit_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct exit_question *find_name(struct exit *x, const struct name *name)
{
    struct exit_question *q;

    for (q = x->questions; q != NULL; q = q->next) {
        if (q->name.len == name->len &&
            memcmp(q->name.text, name->text, name->len) == 0)
            break;
    }
    return q;
}

/* The link that points to the question, or to NULL. */
static struct exit_question **find_cookie(struct exit *x, uint32_t cookie)
{
    struct exit_question **at = &x->questions;

    while (*at != NULL && (*at)->cookie != cookie)
        at = &(*at)->next;
    return at;
}

static struct exit_question *take_out(struct exit *x, struct exit_question **at)
{
    struct exit_question *q = *at;

    *at = q->next;
    if (x->last_question == &q->next)
        x->last_question = at;
    q->next = NULL;
    x->question_count--;
    return q;
}

static void free_wait(struct exit *x, struct exit_wait *w)
{
    assert(x->waiting > 0 && w->circuit->waiting > 0);
    x->waiting--;
    w->circuit->waiting--;
    free(w);
}

static struct exit_question *ask(struct exit *x, const struct name *name,
                                 uint64_t now)
{
    struct exit_question *q = malloc(sizeof(*q));

    if (q == NULL)
        return NULL;
    q->next = NULL;
    q->first = NULL;
    q->last = &q->first;
    q->deadline = time_after(now, x->config.resolve_timeout);
    q->cookie = x->next_cookie++;
    q->name = *name;
    *x->last_question = q;
    x->last_question = &q->next;
    x->question_count++;
    x->stats.questions++;
    return q;
}

static void append(struct exit *x, struct exit_question *q, struct exit_wait *w)
{
    *q->last = w;
    q->last = &w->next;
    w->circuit->waiting++;
    x->waiting++;
}

static struct exit_wait *wait_new(struct exit_circuit *c, uint16_t port,
                                  struct bytes payload)
{
    struct exit_wait *w = malloc(sizeof(*w) + payload.len);

    if (w == NULL)
        return NULL;
    *w = (struct exit_wait){
        .circuit = c, .port = port, .len = (uint16_t)payload.len};
    if (payload.len > 0)
        memcpy(w->payload, payload.p, payload.len);
    return w;
}

/* A question of its own for the first who waits. */
static enum reason ask_for(struct exit *x, struct exit_wait *w,
                           const struct name *name, uint64_t now)
{
    struct exit_question **at, *q = NULL;
    uint32_t cookie;

    if (x->question_count < x->config.max_questions) {
        if (!token_bucket_take(&w->circuit->question_bucket, &x->question_rate,
                               now)) {
            free(w);
            return REASON_RATE;
        }
        q = ask(x, name, now);
    }
    if (q == NULL) {
        free(w);
        return REASON_FULL;
    }
    append(x, q, w);
    cookie = q->cookie;
    /* The answer may come before this returns: `q` and `w` are gone then. */
    if (x->env.world.resolve(x->env.world.ctx, q->name.text, cookie) == OK)
        return EXIT_SENT;
    at = find_cookie(x, cookie);
    if (*at == NULL)
        return EXIT_SENT;
    q = take_out(x, at);
    free_wait(x, q->first);
    free(q);
    return REASON_RESOLVE;
}

enum reason exit_wait(struct exit *x, struct exit_circuit *c,
                      const struct name *name, uint16_t port,
                      struct bytes payload, uint64_t now)
{
    struct exit_question *q = find_name(x, name);
    struct exit_wait *w;

    if (c->waiting >= x->config.max_waiting_circuit ||
        x->waiting >= x->config.max_waiting)
        return REASON_FULL;
    w = wait_new(c, port, payload);
    if (w == NULL)
        return REASON_FULL;
    if (q == NULL)
        return ask_for(x, w, name, now);
    append(x, q, w);
    return EXIT_SENT;
}

static void drop_from(struct exit *x, struct exit_question *q,
                      const struct exit_circuit *c)
{
    struct exit_wait **at = &q->first;

    while (*at != NULL) {
        struct exit_wait *w = *at;

        if (w->circuit == c) {
            *at = w->next;
            free_wait(x, w);
        } else {
            at = &w->next;
        }
    }
    q->last = at;
}

/* The questions stay: their answers are worth caching. */
void exit_waits_drop(struct exit *x, struct exit_circuit *c)
{
    struct exit_question *q;

    if (c->waiting == 0)
        return;
    for (q = x->questions; q != NULL; q = q->next)
        drop_from(x, q, c);
    for (q = x->answered; q != NULL; q = q->next)
        drop_from(x, q, c);
    assert(c->waiting == 0);
}

/* Sends what waits for `q`, or says why it is not sent, and frees `q`. The
 * callbacks may free any circuit, which takes its waits out of the list. */
static void serve(struct exit *x, struct exit_question *q,
                  const struct name_addrs *addrs, uint64_t now)
{
    q->next = x->answered;
    x->answered = q;
    while (q->first != NULL) {
        struct exit_wait *w = q->first;
        struct exit_circuit *c = w->circuit;
        enum reason why = REASON_TIMEOUT;

        if (addrs != NULL)
            why = exit_send_any(x, c, addrs, w->port,
                                bytes_of(w->payload, w->len), now);
        q->first = w->next;
        if (q->first == NULL)
            q->last = &q->first;
        free_wait(x, w);
        if (why != EXIT_SENT) {
            x->stats.refused[why]++;
            x->env.failed(x->env.ctx, c->owner, why, now);
        }
    }
    assert(x->answered == q);
    x->answered = q->next;
    free(q);
}

void exit_resolved(struct exit *x, uint32_t cookie,
                   const struct endpoint *addrs, size_t count, uint64_t ttl,
                   uint64_t now)
{
    struct exit_question **at = find_cookie(x, cookie);
    struct name_addrs list = {0};
    struct exit_question *q;

    if (*at == NULL) {
        x->stats.late_answers++;
        return;
    }
    q = take_out(x, at);
    for (; list.count < count && list.count < NAME_ADDRS_MAX; list.count++) {
        list.ep[list.count] = addrs[list.count];
        list.ep[list.count].port = 0;
    }
    name_cache_put(&x->cache, &q->name, &list, ttl, now);
    serve(x, q, &list, now);
}

void exit_questions_tick(struct exit *x, uint64_t now)
{
    while (x->questions != NULL && x->questions->deadline <= now) {
        struct exit_question *q = take_out(x, &x->questions);

        x->env.world.resolve_cancel(x->env.world.ctx, q->cookie);
        serve(x, q, NULL, now);
    }
}

uint64_t exit_questions_deadline(const struct exit *x)
{
    return x->questions == NULL ? TIME_NEVER : x->questions->deadline;
}

void exit_questions_free(struct exit *x)
{
    assert(x->answered == NULL);
    while (x->questions != NULL) {
        struct exit_question *q = take_out(x, &x->questions);

        assert(q->first == NULL);
        x->env.world.resolve_cancel(x->env.world.ctx, q->cookie);
        free(q);
    }
}
