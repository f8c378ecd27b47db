/* SPDX-License-Identifier: MIT
 *
 * Callbacks come back in: handlers and events that do whatever the interface
 * offers.
 */
#include "publish_fixture.h"

#include "dht/dht_parts.h"

static unsigned publications(const struct fixture *f)
{
    struct dht_status status;

    dht_status(f->h.d, f->h.now, &status);
    return status.publications;
}

/* ---- Withdrawing in an event --------------------------------------------- */

/* Stands between the engine and the harness. */
struct meddler {
    struct fixture *f;
    enum dht_event_kind kind; /* of the event that makes it act */
    bool armed;
    unsigned events;
    dht_request request; /* to be cancelled */
};

static struct meddler meddler;

static void withdraw_at_event(void *ctx, const struct dht_event *event)
{
    harness_event(ctx, event);
    if (!meddler.armed || event->kind != meddler.kind)
        return;
    meddler.events++;
    if (meddler.request != 0)
        dht_cancel(meddler.f->h.d, meddler.request);
    else
        dht_withdraw(meddler.f->h.d, &meddler.f->target);
}

static struct fixture *start_meddling(enum dht_event_kind kind, size_t peers)
{
    struct fixture *f = start(peers);
    const struct dht_env env = {&f->h, harness_send, harness_random,
                                withdraw_at_event};

    dht_free(f->h.d);
    assert_int_equal(dht_new(&f->h.config, &env, f->h.now, &f->h.d), OK);
    meddler = (struct meddler){.f = f, .kind = kind};
    return f;
}

/* The only node that is known gets silent; the query that waits for it is
 * given up to make room for the first one of a round; so the last contact is
 * lost, and that event withdraws what the round is for. */
static void test_dht_reentry_withdrawn_while_its_round_begins(void **state)
{
    struct fixture *f = start_meddling(DHT_EVENT_JOINED, 1);
    const struct dht_stats *stats = dht_stats(f->h.d);
    struct dht_status status;
    dht_request request;

    (void)state;
    f->h.config.max_pending = 1;
    assert_int_equal(dht_reconfigure(f->h.d, &f->h.config), OK);
    harness_befriend(&f->h, &f->p.peer[0].ep, &f->p.peer[0].id);
    do {
        harness_run(&f->h, f->h.now + 10 * TIME_MS);
        dht_status(f->h.d, f->h.now, &status);
    } while (stats->timeouts < 2 || status.pending > 0);
    assert_int_equal(
        dht_find_node(f->h.d, &f->target, NULL, f->h.now, &request), OK);
    dht_cancel(f->h.d, request);
    f->h.now += 4 * TIME_S;
    announce(f, 4000, false);
    meddler.armed = true;
    dht_tick(f->h.d, f->h.now);
    assert_int_equal(meddler.events, 1);
    assert_int_equal(publications(f), 0);
    harness_run(&f->h, f->h.now);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.error, ERR_CANCELLED);
    harness_run(&f->h, f->h.now + TIME_HOUR);
    assert_int_equal(f->w.done, 1);
    end(f);
}

/* ---- Cancelling in an event ---------------------------------------------- */

static void on_samples(void *ctx, const struct dht_samples *samples)
{
    struct witness *w = ctx;

    (void)samples;
    w->item_count++;
}

/* The answer makes its sender a contact, which is an event, in which the
 * request that it answers is cancelled: its handler hears nothing. */
static void test_dht_reentry_cancelled_by_its_answer(void **state)
{
    struct fixture *f = start_meddling(DHT_EVENT_NODE, 1);
    struct dht_handler handler = witness_handler(&f->w);
    const struct peer *p = &f->p.peer[0];
    struct dht_message m;

    (void)state;
    assert_int_equal(dht_sample(f->h.d, &p->ep, &f->target, on_samples,
                                &handler, f->h.now, &meddler.request),
                     OK);
    meddler.armed = true;
    harness_answer(&m, harness_next(&f->h), &p->id);
    m.samples = bytes_of(p->id.b, ID_BYTES);
    m.interval = 60;
    m.num = 1;
    m.has |= DHT_HAS_SAMPLES | DHT_HAS_INTERVAL | DHT_HAS_NUM | DHT_HAS_NODES;
    assert_int_equal(harness_give(&f->h, &p->ep, &m), OK);
    harness_run(&f->h, f->h.now + 30 * TIME_S);
    assert_int_equal(meddler.events, 1);
    assert_int_equal(f->w.item_count, 0);
    assert_int_equal(f->w.step_count, 0);
    assert_int_equal(f->w.done, 0);
    end(f);
}

/* ---- Announcing again in `done` ------------------------------------------ */

struct stubborn {
    struct fixture *f;
    unsigned done;
};

static void announce_again(void *ctx, const struct dht_result *result)
{
    struct stubborn *s = ctx;
    const struct dht_handler handler = {.ctx = s, .done = announce_again};

    (void)result;
    if (++s->done > 20)
        return;
    assert_int_equal(dht_announce(s->f->h.d, &s->f->target, 4000, false,
                                  &handler, s->f->h.now, NULL),
                     OK);
}

static void test_dht_reentry_announces_when_withdrawn(void **state)
{
    struct fixture *f = start(20);
    struct stubborn s = {.f = f};
    const struct dht_handler handler = {.ctx = &s, .done = announce_again};

    (void)state;
    join(f);
    assert_int_equal(
        dht_announce(f->h.d, &f->target, 4000, false, &handler, f->h.now, NULL),
        OK);
    assert_int_equal(dht_withdraw(f->h.d, &f->target), OK);
    assert_int_equal(s.done, 1);
    assert_int_equal(publications(f), 1);
    end(f);
}

/* Two that announce again whenever they are replaced, which replaces the
 * other: each turn ends, and comes back at the next tick. */
static void test_dht_reentry_takes_turns(void **state)
{
    struct fixture *f = start(20);
    struct stubborn s = {.f = f};
    const struct dht_handler handler = {.ctx = &s, .done = announce_again};

    (void)state;
    join(f);
    for (int i = 0; i < 2; i++)
        assert_int_equal(dht_announce(f->h.d, &f->target, 4000, false, &handler,
                                      f->h.now, NULL),
                         OK);
    assert_int_equal(s.done, 1);
    assert_true(dht_next_deadline(f->h.d) <= f->h.now);
    dht_tick(f->h.d, f->h.now);
    assert_int_equal(s.done, 2);
    assert_int_equal(publications(f), 1);
    end(f);
}

/* ---- Everything, in everything ------------------------------------------- */

/* A scenario in which all callbacks are called is played again and again; each
 * time another callback does something, of all that there is to do. */
enum act {
    CANCEL, /* all requests that were made */
    WITHDRAW,
    UNPUT,
    ANNOUNCE,
    PUT,
    OPEN, /* each kind of request */
    TELL, /* nodes, addresses, settings */
    TICK,
    RECEIVE,
    LOOK,
    CLOSE, /* the node */
    ACTS
};

#define HEARD_MAX 64

/* Who made a request. */
struct heard {
    dht_request request;
    unsigned done;
    bool cancelled;
};

static struct {
    struct fixture *f;
    enum act act;
    unsigned at;    /* which callback acts; 0: each, up to 40 times */
    unsigned count; /* callbacks so far */
    unsigned acts;
    bool closed;
    size_t heard_count;
    struct heard heard[HEARD_MAX];
    struct value value;
    struct dht_item item;
    struct dht_message answer;
} play;

static void act(void);

static void hear(void)
{
    assert_false(play.closed);
    play.count++;
    if (play.at == 0 ? play.acts < 40 : play.count == play.at) {
        play.acts++;
        act();
    }
}

static void hear_of(const struct heard *h)
{
    assert_int_equal(h->done, 0);
    assert_false(h->cancelled);
    hear();
}

static void play_peer(void *ctx, const struct endpoint *peer,
                      const struct dht_step *step)
{
    struct endpoint copy = *peer;
    struct dht_step step_copy = *step;

    hear_of(ctx);
    assert_memory_equal(&copy, peer, sizeof(copy));
    assert_memory_equal(&step_copy, step, sizeof(step_copy));
}

static void play_item(void *ctx, const struct dht_item *item,
                      const struct dht_step *step)
{
    (void)step;
    hear_of(ctx);
    assert_true(
        bytes_equal(value_bytes(item->value), value_bytes(&play.value)));
}

static void play_step(void *ctx, const struct dht_step *step)
{
    (void)step;
    hear_of(ctx);
}

static void play_samples(void *ctx, const struct dht_samples *samples)
{
    hear_of(ctx);
    assert_int_equal(samples->samples.len, 0);
}

static void play_answer(void *ctx, const struct dht_answer *answer)
{
    hear_of(ctx);
    assert_true(endpoint_equal(&answer->from, &play.f->p.peer[2].ep));
}

static void play_done(void *ctx, const struct dht_result *result)
{
    struct heard *h = ctx;

    assert_int_equal(h->done++, 0);
    assert_false(h->cancelled);
    assert_true(result->answered <= result->asked);
    hear();
}

static void play_event(void *ctx, const struct dht_event *event)
{
    harness_event(ctx, event);
    hear();
}

/* One more who hears; NULL when there were enough. */
static struct heard *new_heard(struct dht_handler *handler)
{
    struct heard *h;

    if (play.heard_count == HEARD_MAX)
        return NULL;
    h = &play.heard[play.heard_count++];
    *h = (struct heard){.request = 0};
    *handler =
        (struct dht_handler){h, play_peer, play_item, play_step, play_done};
    return h;
}

/* A request that was not taken is as good as none. */
static void made(struct heard *h, enum error err)
{
    if (err != OK)
        h->cancelled = true;
}

static void do_announce(void)
{
    struct harness *h = &play.f->h;
    struct dht_handler handler;
    struct heard *heard = new_heard(&handler);

    if (heard != NULL)
        made(heard, dht_announce(h->d, &play.f->target, 4000, false, &handler,
                                 h->now, &heard->request));
}

static void do_put(void)
{
    struct harness *h = &play.f->h;
    struct dht_handler handler;
    struct heard *heard = new_heard(&handler);

    if (heard != NULL)
        made(heard, dht_put(h->d, &play.item, NULL, &handler, h->now,
                            &heard->request));
}

static void do_open(void)
{
    struct harness *h = &play.f->h;
    const struct endpoint *ep = &play.f->p.peer[2].ep;
    const struct id *target = &play.f->target;

    for (unsigned kind = 0; kind < 6; kind++) {
        struct dht_handler handler;
        struct heard *heard = new_heard(&handler);
        dht_request *out;
        enum error err;

        if (heard == NULL)
            return;
        out = &heard->request;
        if (kind == 0)
            err = dht_ping(h->d, ep, &handler, h->now, out);
        else if (kind == 1)
            err = dht_sample(h->d, ep, target, play_samples, &handler, h->now,
                             out);
        else if (kind == 5)
            err = dht_ask(h->d, ep, target, play_answer, &handler, h->now, out);
        else if (kind == 2)
            err = dht_find_node(h->d, target, &handler, h->now, out);
        else if (kind == 3)
            err = dht_get_peers(h->d, target, &handler, h->now, out);
        else
            err = dht_get_item(h->d, target, bytes_of(NULL, 0), &handler,
                               h->now, out);
        made(heard, err);
    }
}

static void do_cancel(void)
{
    for (size_t i = 0; i < play.heard_count; i++) {
        struct heard *h = &play.heard[i];

        dht_cancel(play.f->h.d, h->request);
        h->cancelled |= h->done == 0;
    }
}

static void do_tell(void)
{
    struct harness *h = &play.f->h;
    const struct peer *p = &play.f->p.peer[3];

    dht_node_add(h->d, &p->id, &p->ep, h->now);
    dht_bootstrap_clear(h->d);
    assert_int_equal(dht_bootstrap_add(h->d, &p->ep, h->now), OK);
    h->config.max_pending = 4;
    assert_int_equal(dht_reconfigure(h->d, &h->config), OK);
}

static void do_receive(void)
{
    struct harness *h = &play.f->h;
    const struct peer *p = &play.f->p.peer[4];
    struct dht_message m;

    harness_query(&m, DHT_GET_PEERS, &p->id, &play.f->target);
    assert_int_equal(harness_give(h, &p->ep, &m), OK);
}

static void do_look(void)
{
    struct dht_status status;

    dht_status(play.f->h.d, play.f->h.now, &status);
    assert_true(dht_next_deadline(play.f->h.d) != TIME_NEVER);
}

static void act(void)
{
    struct harness *h = &play.f->h;

    switch (play.act) {
    case CANCEL:
        do_cancel();
        break;
    case WITHDRAW:
        dht_withdraw(h->d, &play.f->target);
        break;
    case UNPUT:
        dht_unput(h->d, &play.f->target);
        break;
    case ANNOUNCE:
        do_announce();
        break;
    case PUT:
        do_put();
        break;
    case OPEN:
        do_open();
        break;
    case TELL:
        do_tell();
        break;
    case TICK:
        dht_tick(h->d, h->now);
        break;
    case RECEIVE:
        do_receive();
        break;
    case LOOK:
        do_look();
        break;
    case CLOSE:
        play.closed = true;
        dht_free(h->d);
        break;
    case ACTS:
        break;
    }
}

/* An item and a peer under the target, which all peers have. */
static void make_values(void)
{
    play.item = (struct dht_item){.value = &play.value};
    assert_int_equal(value_from_bytes(TEST_BYTES("hello"), &play.value), OK);
    dht_item_target(&play.item, &play.f->target);
    dht_message_init(&play.answer, DHT_RESPONSE);
    play.answer.value = play.value;
    play.answer.values[0] = test_ep("127.2.0.1:5000");
    play.answer.values[1] = test_ep("127.2.0.2:5000");
    play.answer.value_count = 2;
    play.answer.has |= DHT_HAS_VALUE | DHT_HAS_VALUES;
    play.f->item = &play.answer;
}

static void play_on(uint64_t duration)
{
    struct harness *h = &play.f->h;
    uint64_t end = h->now + duration;

    while (!play.closed) {
        struct sent *s = harness_next(h);
        uint64_t next;

        if (s != NULL) {
            respond(play.f, s);
            continue;
        }
        next = dht_next_deadline(h->d);
        if (next > end)
            break;
        h->now = next > h->now ? next : h->now;
        dht_tick(h->d, h->now);
    }
}

/* Returns how many callbacks there were. */
static unsigned play_once(enum act what, unsigned at)
{
    struct fixture *f = start(6);
    const struct dht_env env = {&f->h, harness_send, harness_random,
                                play_event};

    memset(&play, 0, sizeof(play));
    play.f = f;
    play.act = what;
    play.at = at;
    make_values();
    f->p.peer[1].silent = true;
    dht_free(f->h.d);
    assert_int_equal(dht_new(&f->h.config, &env, f->h.now, &f->h.d), OK);
    assert_int_equal(dht_bootstrap_add(f->h.d, &f->p.peer[0].ep, f->h.now), OK);
    play_on(5 * TIME_S);
    if (!play.closed)
        do_announce();
    if (!play.closed)
        do_put();
    if (!play.closed)
        do_open();
    play_on(2 * TIME_MIN);
    if (!play.closed) {
        queries_check(&f->h.d->queries);
        assert_int_equal(f->h.d->world.callbacks.waiting, 0);
        assert_int_equal(f->h.d->world.callbacks.promised, 0);
        assert_null(f->h.d->requests);
        for (size_t i = 0; i < play.heard_count; i++)
            assert_int_equal(play.heard[i].done + play.heard[i].cancelled, 1);
    } else {
        f->h.d = NULL;
    }
    end(f);
    return play.count;
}

static void test_dht_reentry_anything_anywhere(void **state)
{
    unsigned count = play_once(ACTS, UINT32_MAX);

    (void)state;
    assert_in_range(count, 40, 400);
    for (enum act what = CANCEL; what < ACTS; what++) {
        play_once(what, 0);
        for (unsigned at = 1; at <= count; at++)
            play_once(what, at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_reentry_withdrawn_while_its_round_begins),
        cmocka_unit_test(test_dht_reentry_cancelled_by_its_answer),
        cmocka_unit_test(test_dht_reentry_announces_when_withdrawn),
        cmocka_unit_test(test_dht_reentry_takes_turns),
        cmocka_unit_test(test_dht_reentry_anything_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
