/* SPDX-License-Identifier: MIT
 *
 * Our own announcements and items, stored at scripted peers.
 */
#include "publish_fixture.h"

#include "dht/dht_parts.h"
#include "dht/publish/publication.h"

#include <sodium.h>

static void test_dht_publish_announce(void **state)
{
    struct fixture *f = start(60);

    (void)state;
    join(f);
    announce(f, 4321, false);
    run(f, 10 * TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.error, OK);
    assert_int_equal(f->w.result.stored, DHT_K);
    assert_int_equal(f->stored, DHT_K);
    assert_int_equal(f->port, 4321);
    assert_int_equal(f->implied, 0);
    assert_int_equal(harness_events(&f->h, DHT_EVENT_PUBLISHED), 1);
    /* The second call replaces the first. */
    announce(f, 5, true);
    run(f, 10 * TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->implied, DHT_K);
    end(f);
}

struct listed {
    unsigned count;
    struct dht_publication_info last;
};

static void list(void *ctx, const struct dht_publication_info *info)
{
    struct listed *l = ctx;

    l->count++;
    l->last = *info;
}

static void test_dht_publish_is_listed(void **state)
{
    struct fixture *f = start(60);
    struct listed l = {0};
    uint64_t begun;

    (void)state;
    join(f);
    begun = f->h.now;
    dht_publications(f->h.d, list, &l);
    assert_int_equal(l.count, 0);
    announce(f, 4321, false);
    run(f, 10 * TIME_S);
    dht_publications(f->h.d, list, &l);
    assert_int_equal(l.count, 1);
    assert_true(id_equal(&l.last.target, &f->target));
    assert_false(l.last.is_item);
    assert_int_equal(l.last.port, 4321);
    assert_null(l.last.key);
    assert_int_equal(l.last.stored, DHT_K);
    assert_int_equal(l.last.failed, 0);
    assert_int_equal(l.last.since, begun);
    assert_in_range(l.last.next, begun + 10 * TIME_MIN, begun + 20 * TIME_MIN);
    /* a round that nobody accepts */
    f->no_token = true;
    run(f, 20 * TIME_MIN);
    dht_publications(f->h.d, list, &l);
    assert_int_equal(l.last.stored, 0);
    assert_true(l.last.failed > 0);
    assert_int_equal(l.last.since, begun);
    assert_int_equal(dht_withdraw(f->h.d, &f->target), OK);
    l.count = 0;
    dht_publications(f->h.d, list, &l);
    assert_int_equal(l.count, 0);
    end(f);
}

/* A store that was lost is tried again, once. */
static void test_dht_publish_repeats_a_lost_store(void **state)
{
    struct fixture *f = start(60);

    (void)state;
    join(f);
    f->silent_once = true;
    announce(f, 4321, false);
    run(f, 10 * TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->lost, DHT_K);
    assert_int_equal(f->w.result.stored, DHT_K);
    end(f);
}

/* Peers forget after 30 minutes: rounds come often enough, not more often,
 * and stop when it is withdrawn. */
static void test_dht_publish_renews(void **state)
{
    struct fixture *f = start(30);

    (void)state;
    join(f);
    announce(f, 4321, false);
    run(f, 2 * TIME_HOUR);
    assert_in_range(f->stored, 8 * DHT_K, 12 * DHT_K);
    assert_int_equal(harness_events(&f->h, DHT_EVENT_PUBLISHED),
                     f->stored / DHT_K);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(dht_withdraw(f->h.d, &f->target), OK);
    assert_int_equal(dht_withdraw(f->h.d, &f->target), ERR_NOT_FOUND);
    f->stored = 0;
    run(f, TIME_HOUR);
    assert_int_equal(f->stored, 0);
    end(f);
}

static void test_dht_publish_retries_with_back_off(void **state)
{
    struct fixture *f = start(10);
    size_t tries;

    (void)state;
    join(f);
    f->refuse = DHT_ERROR_SERVER;
    announce(f, 4321, false);
    run(f, 10 * TIME_MIN);
    assert_int_equal(f->w.result.error, ERR_REMOTE);
    assert_int_equal(f->w.result.stored, 0);
    tries = harness_events(&f->h, DHT_EVENT_PUBLISHED);
    assert_in_range(tries, 4, 8);
    f->refuse = 0;
    run(f, 15 * TIME_MIN);
    assert_in_range(f->stored, DHT_K, 3 * DHT_K);
    end(f);
}

static void test_dht_publish_nobody_has_room(void **state)
{
    struct fixture *f = start(20);

    (void)state;
    join(f);
    f->no_token = true;
    announce(f, 4321, false);
    run(f, 10 * TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.error, ERR_FULL);
    assert_int_equal(f->stored, 0);
    end(f);
}

static void test_dht_publish_without_nodes(void **state)
{
    struct fixture *f = start(10);

    (void)state;
    announce(f, 4321, false);
    run(f, TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.error, ERR_NO_NODES);
    /* It is made up for once there is somebody. */
    join(f);
    run(f, TIME_MIN);
    assert_int_equal(f->stored, DHT_K);
    end(f);
}

static unsigned rounds(const struct fixture *f)
{
    unsigned count = 0;

    for (const struct publication *p = f->h.d->publications.first; p != NULL;
         p = p->next)
        count += p->search != NULL;
    return count;
}

static void test_dht_publish_cap(void **state)
{
    struct fixture *f = start(10);
    struct dht_status status;
    unsigned n = 0;

    (void)state;
    join(f);
    for (; n <= f->h.config.max_publications; n++) {
        struct id hash = test_random_id(&f->random);

        if (dht_announce(f->h.d, &hash, 1, false, NULL, f->h.now, NULL) != OK)
            break;
    }
    assert_int_equal(n, f->h.config.max_publications);
    dht_status(f->h.d, f->h.now, &status);
    assert_int_equal(status.publications, n);
    /* One more of the same hash is no more. */
    f->target = test_random_id(&f->random);
    assert_int_equal(
        dht_announce(f->h.d, &f->target, 1, false, NULL, f->h.now, NULL),
        ERR_FULL);
    assert_int_equal(
        dht_announce(f->h.d, &f->target, 0, false, NULL, f->h.now, NULL),
        ERR_RANGE);
    /* All get their turn, a bounded number at a time, and within the minute
     * after a start. */
    for (int i = 0; i < 550 && f->stored < n * DHT_K; i++) {
        run(f, TIME_S / 10);
        dht_status(f->h.d, f->h.now, &status);
        assert_true(status.pending <= f->h.config.max_pending);
        assert_true(rounds(f) <= (f->h.config.max_lookups + 1) / 2);
        while (f->h.sent_count > 0)
            free(f->h.sent[--f->h.sent_count]);
        f->h.taken = 0;
    }
    assert_int_equal(f->stored, n * DHT_K);
    end(f);
}

static void test_dht_publish_cancelled_and_replaced(void **state)
{
    struct fixture *f = start(30);
    struct dht_handler handler;
    struct witness second;
    dht_request request;

    (void)state;
    join(f);
    announce(f, 1, false);
    handler = witness_handler(&second);
    assert_int_equal(dht_announce(f->h.d, &f->target, 2, false, &handler,
                                  f->h.now, &request),
                     OK);
    /* Who waited for the first hears that it is over. */
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.error, ERR_CANCELLED);
    /* Cancelled: not heard of, but published all the same. */
    dht_cancel(f->h.d, request);
    run(f, 10 * TIME_S);
    assert_int_equal(second.done, 0);
    assert_int_equal(f->stored, DHT_K);
    assert_int_equal(f->port, 2);
    end(f);
}

/* ---- Items --------------------------------------------------------------- */

struct our_item {
    struct value value;
    uint8_t secret[64];
    struct dht_item item;
};

static void make_item(struct our_item *x, const char *text, int64_t seq)
{
    uint8_t seed[32] = {9}, key[32];

    memset(x, 0, sizeof(*x));
    assert_int_equal(value_from_bytes(bytes_of_text(text), &x->value), OK);
    crypto_sign_seed_keypair(key, x->secret, seed);
    x->item.mutable_item = true;
    x->item.value = &x->value;
    x->item.seq = seq;
    x->item.salt = TEST_BYTES("salt");
    dht_item_sign(&x->item, x->secret);
}

static enum error put(struct fixture *f, const struct our_item *x,
                      const int64_t *cas)
{
    struct dht_handler handler = witness_handler(&f->w);

    f->stored = f->with_cas = 0;
    dht_item_target(&x->item, &f->target);
    return dht_put(f->h.d, &x->item, cas, &handler, f->h.now, NULL);
}

/* Lets the peers have the item. */
static void give_out(struct fixture *f, struct dht_message *m,
                     const struct our_item *x)
{
    dht_message_init(m, DHT_RESPONSE);
    m->value = x->value;
    m->key = x->item.key;
    m->signature = x->item.signature;
    m->seq = x->item.seq;
    m->has |= DHT_HAS_VALUE | DHT_HAS_KEY | DHT_HAS_SIGNATURE | DHT_HAS_SEQ;
    f->item = m;
}

static void test_dht_publish_put(void **state)
{
    struct fixture *f = start(40);
    const int64_t cas = 2;
    struct dht_message m;
    struct our_item x;

    (void)state;
    join(f);
    make_item(&x, "one", 3);
    assert_int_equal(put(f, &x, &cas), OK);
    run(f, 10 * TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.error, OK);
    assert_int_equal(f->w.result.stored, DHT_K);
    assert_int_equal(f->seq, 3);
    assert_int_equal(f->with_cas, DHT_K);
    /* Renewed within the two hours that others keep it, without condition. */
    give_out(f, &m, &x);
    run(f, 4 * TIME_HOUR);
    assert_in_range(f->stored, 4 * DHT_K, 7 * DHT_K);
    f->item = NULL;
    assert_int_equal(f->with_cas, DHT_K);
    /* Newer replaces, older is refused, the same again is fine. */
    make_item(&x, "older", 2);
    assert_int_equal(put(f, &x, NULL), ERR_SEQ);
    make_item(&x, "other", 3);
    assert_int_equal(put(f, &x, NULL), ERR_SEQ);
    make_item(&x, "one", 3);
    assert_int_equal(put(f, &x, NULL), OK);
    run(f, 10 * TIME_S);
    make_item(&x, "four", 4);
    assert_int_equal(put(f, &x, NULL), OK);
    run(f, 10 * TIME_S);
    assert_int_equal(f->seq, 4);
    x.item.signature[3] ^= 1;
    assert_int_equal(put(f, &x, NULL), ERR_SIGNATURE);
    assert_int_equal(dht_unput(f->h.d, &f->target), OK);
    assert_int_equal(dht_unput(f->h.d, &f->target), ERR_NOT_FOUND);
    f->stored = 0;
    run(f, 2 * TIME_HOUR);
    assert_int_equal(f->stored, 0);
    end(f);
}

static const struct dht_event *last_published(const struct fixture *f)
{
    size_t i = f->h.event_count;

    while (i > 0 && f->h.events[i - 1].kind != DHT_EVENT_PUBLISHED)
        i--;
    assert_true(i > 0);
    return &f->h.events[i - 1];
}

/* Somebody who has our key published a newer item elsewhere. */
static void test_dht_publish_yields_to_newer(void **state)
{
    struct fixture *f = start(40);
    struct our_item ours, theirs;
    struct dht_message m;

    (void)state;
    join(f);
    make_item(&ours, "ours", 3);
    make_item(&theirs, "theirs", 9);
    give_out(f, &m, &theirs);
    assert_int_equal(put(f, &ours, NULL), OK);
    run(f, 10 * TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.error, ERR_SEQ);
    assert_int_equal(f->stored, 0);
    run(f, 5 * TIME_HOUR);
    assert_int_equal(f->stored, 0);
    assert_int_equal(last_published(f)->error, ERR_SEQ);
    /* A still newer one of ours is published. */
    make_item(&ours, "ours", 10);
    assert_int_equal(put(f, &ours, NULL), OK);
    run(f, 10 * TIME_S);
    assert_int_equal(f->stored, DHT_K);
    end(f);
}

/* The same version of another value: who comes second hears so, but one that
 * was published first is not given up for it. */
static void test_dht_publish_version_is_taken(void **state)
{
    struct fixture *f = start(40);
    struct our_item ours, theirs;
    struct dht_message m;

    (void)state;
    join(f);
    make_item(&ours, "ours", 3);
    make_item(&theirs, "theirs", 3);
    give_out(f, &m, &theirs);
    assert_int_equal(put(f, &ours, NULL), OK);
    run(f, 10 * TIME_S);
    assert_int_equal(f->w.result.error, ERR_SEQ);
    assert_int_equal(f->stored, 0);
    f->item = NULL;
    make_item(&ours, "ours", 4);
    make_item(&theirs, "theirs", 4);
    assert_int_equal(put(f, &ours, NULL), OK);
    run(f, 10 * TIME_S);
    assert_int_equal(f->w.result.error, OK);
    give_out(f, &m, &theirs);
    run(f, 2 * TIME_HOUR);
    /* As nobody finds ours, not once an hour but four times. */
    assert_in_range(f->stored, 8 * DHT_K, 14 * DHT_K);
    end(f);
}

/* A newer seq that is not signed by our key means nothing. */
static void test_dht_publish_ignores_forged(void **state)
{
    struct fixture *f = start(40);
    struct our_item ours, theirs;
    struct dht_message m;

    (void)state;
    join(f);
    make_item(&ours, "ours", 3);
    make_item(&theirs, "theirs", 9);
    theirs.item.signature[0] ^= 1;
    give_out(f, &m, &theirs);
    assert_int_equal(put(f, &ours, NULL), OK);
    run(f, 10 * TIME_S);
    assert_int_equal(f->w.result.error, OK);
    assert_int_equal(f->stored, DHT_K);
    end(f);
}

static void test_dht_publish_cas_mismatch(void **state)
{
    struct fixture *f = start(40);
    struct dht_status status;
    const int64_t cas = 2;
    struct our_item x;

    (void)state;
    join(f);
    f->refuse = DHT_ERROR_CAS;
    make_item(&x, "one", 3);
    assert_int_equal(put(f, &x, &cas), OK);
    run(f, 10 * TIME_S);
    assert_int_equal(f->w.result.error, ERR_CAS);
    dht_status(f->h.d, f->h.now, &status);
    assert_int_equal(status.publications, 0);
    end(f);
}

static unsigned publications(const struct fixture *f)
{
    struct dht_status status;

    dht_status(f->h.d, f->h.now, &status);
    return status.publications;
}

/* Sent twice, it would find its own seq in place of the one it expects. */
static void test_dht_publish_condition_is_not_repeated(void **state)
{
    struct fixture *f = start(40);
    const int64_t cas = 2;
    struct our_item x;

    (void)state;
    join(f);
    f->silent_once = true;
    make_item(&x, "one", 3);
    assert_int_equal(put(f, &x, &cas), OK);
    run(f, 10 * TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.stored, 0);
    assert_int_equal(f->lost, DHT_K);
    end(f);
}

/* What was there before goes on until the condition has held. */
static void test_dht_publish_cas_spares_the_old(void **state)
{
    struct fixture *f = start(40);
    const int64_t wrong = 7, right = 3;
    struct our_item old, x;

    (void)state;
    join(f);
    make_item(&old, "one", 3);
    assert_int_equal(put(f, &old, NULL), OK);
    run(f, 10 * TIME_S);
    f->refuse = DHT_ERROR_CAS;
    make_item(&x, "two", 4);
    assert_int_equal(put(f, &x, &wrong), OK);
    assert_int_equal(publications(f), 2);
    /* A second one takes the place of the first, whose end is heard. */
    assert_int_equal(put(f, &x, &wrong), OK);
    assert_int_equal(f->w.result.error, ERR_CANCELLED);
    assert_int_equal(publications(f), 2);
    f->w = (struct witness){.done = 0};
    run(f, 10 * TIME_S);
    assert_int_equal(f->w.result.error, ERR_CAS);
    assert_int_equal(publications(f), 1);
    f->refuse = 0;
    f->seq = 0;
    run(f, 2 * TIME_HOUR);
    assert_int_equal(f->seq, 3); /* renewed */
    assert_int_equal(put(f, &x, &right), OK);
    run(f, 10 * TIME_S);
    assert_int_equal(f->w.result.error, OK);
    assert_int_equal(publications(f), 1);
    run(f, 2 * TIME_HOUR);
    assert_int_equal(f->seq, 4);
    /* Withdrawn, both are gone. */
    make_item(&x, "three", 5);
    assert_int_equal(put(f, &x, &right), OK);
    assert_int_equal(dht_unput(f->h.d, &f->target), OK);
    assert_int_equal(publications(f), 0);
    end(f);
}

static enum error put_once(struct fixture *f, const struct our_item *x,
                           dht_request *out)
{
    struct dht_handler handler = witness_handler(&f->w);

    f->stored = 0;
    f->w = (struct witness){.done = 0};
    dht_item_target(&x->item, &f->target);
    return dht_put_once(f->h.d, &x->item, &handler, f->h.now, out);
}

static void never_told(void *ctx, const struct dht_publication_info *info)
{
    (void)ctx;
    (void)info;
    fail();
}

/* For somebody else: stored, and then nothing of it is left here. */
static void test_dht_publish_once(void **state)
{
    struct fixture *f = start(40);
    struct our_item x;
    dht_request request;

    (void)state;
    join(f);
    make_item(&x, "one", 3);
    assert_int_equal(put_once(f, &x, &request), OK);
    dht_publications(f->h.d, never_told, NULL);
    run(f, 10 * TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.error, OK);
    assert_int_equal(f->w.result.stored, DHT_K);
    assert_int_equal(publications(f), 0);
    run(f, 4 * TIME_HOUR);
    assert_int_equal(f->stored, DHT_K);
    assert_int_equal(dht_unput(f->h.d, &f->target), ERR_NOT_FOUND);
    /* Nobody hears of the end, which comes nevertheless when it has begun. */
    assert_int_equal(put_once(f, &x, &request), OK);
    harness_run(&f->h, f->h.now);
    dht_cancel(f->h.d, request);
    run(f, 10 * TIME_S);
    assert_int_equal(f->w.done, 0);
    assert_int_equal(f->stored, DHT_K);
    assert_int_equal(publications(f), 0);
    x.item.signature[3] ^= 1;
    assert_int_equal(put_once(f, &x, &request), ERR_SIGNATURE);
    end(f);
}

static void nothing(void *ctx, const struct dht_result *result)
{
    (void)ctx;
    (void)result;
}

/* Others have us publish as much as they may: nothing that was given up is
 * put, there is room for what is asked for here, and it comes first. */
static void test_dht_publish_for_others_waits(void **state)
{
    struct fixture *f = start(40);
    struct our_item x;
    struct dht_handler others = {.done = nothing};
    dht_request request;
    unsigned count = 0;

    (void)state;
    join(f);
    make_item(&x, "one", 3);
    f->target = test_id("d00d");
    for (; dht_put_once(f->h.d, &x.item, &others, f->h.now, &request) == OK;
         count++) {
        if (count == 99)
            announce(f, 4000, false);
    }
    assert_int_equal(count + 1, 256 - 256 / 8);
    dht_cancel(f->h.d, request);
    assert_int_equal(publications(f), count);
    run(f, 3 * TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_in_range(publications(f), count / 2, count);
    run(f, TIME_MIN);
    assert_int_equal(publications(f), 1);
    end(f);
}

/* What is ours under the same key goes on, and neither touches the other. */
static void test_dht_publish_once_beside_our_own(void **state)
{
    struct fixture *f = start(40);
    struct our_item ours, theirs;
    struct dht_message m;

    (void)state;
    join(f);
    make_item(&theirs, "old", 2);
    assert_int_equal(dht_put_once(f->h.d, &theirs.item, NULL, f->h.now, NULL),
                     OK);
    make_item(&ours, "one", 3);
    assert_int_equal(dht_put(f->h.d, &ours.item, NULL, NULL, f->h.now, NULL),
                     OK);
    make_item(&theirs, "older", 1);
    assert_int_equal(put_once(f, &theirs, NULL), OK);
    assert_int_equal(publications(f), 3);
    give_out(f, &m, &ours);
    run(f, 10 * TIME_S);
    assert_int_equal(f->w.result.error, ERR_SEQ); /* a newer one is there */
    assert_int_equal(publications(f), 1);
    f->seq = 0;
    run(f, 2 * TIME_HOUR);
    assert_int_equal(f->seq, 3); /* renewed */
    f->item = NULL;
    end(f);
}

static void test_dht_publish_get_item(void **state)
{
    struct fixture *f = start(40);
    struct our_item x;
    struct dht_handler handler;
    struct dht_message m;

    (void)state;
    join(f);
    make_item(&x, "found", 7);
    give_out(f, &m, &x);
    dht_item_target(&x.item, &f->target);
    handler = witness_handler(&f->w);
    assert_int_equal(
        dht_get_item(f->h.d, &f->target, x.item.salt, &handler, f->h.now, NULL),
        OK);
    run(f, 10 * TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.item_count, 1);
    assert_int_equal(f->w.seq, 7);
    /* Under another salt it is not the item that was asked for. */
    handler = witness_handler(&f->w);
    assert_int_equal(dht_get_item(f->h.d, &f->target, TEST_BYTES("pepper"),
                                  &handler, f->h.now, NULL),
                     OK);
    run(f, 10 * TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.item_count, 0);
    end(f);
}

/* An immutable item cannot be bettered: the first is enough. */
static void test_dht_publish_get_immutable(void **state)
{
    struct fixture *f = start(40);
    struct our_item x;
    struct dht_handler handler;
    struct dht_message m;

    (void)state;
    join(f);
    make_item(&x, "found", 0);
    x.item.mutable_item = false;
    x.item.salt = bytes_of(NULL, 0);
    dht_item_target(&x.item, &f->target);
    dht_message_init(&m, DHT_RESPONSE);
    m.value = x.value;
    m.has |= DHT_HAS_VALUE;
    f->item = &m;
    handler = witness_handler(&f->w);
    assert_int_equal(dht_get_item(f->h.d, &f->target, bytes_of(NULL, 0),
                                  &handler, f->h.now, NULL),
                     OK);
    run(f, 10 * TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.item_count, 1);
    assert_int_equal(f->w.result.answered, 1);
    assert_int_equal(f->w.result.values, 1);
    end(f);
}

/* With the longest value, salt and numbers that there are, in bencode. */
static void test_dht_publish_put_largest(void **state)
{
    static const uint8_t bytes[1000];
    struct fixture *f = start(30);
    const int64_t cas = INT64_MIN;
    struct our_item x;

    (void)state;
    harness_end(&f->h);
    harness_init(&f->h);
    f->h.config.dialect = DHT_DIALECT_MAINLINE;
    harness_start(&f->h);
    join(f);
    make_item(&x, "", INT64_MIN + 1);
    assert_int_equal(value_from_bytes(bytes_of(bytes, 996), &x.value), OK);
    x.item.salt = bytes_of(bytes, DHT_SALT_MAX);
    dht_item_sign(&x.item, x.secret);
    assert_int_equal(put(f, &x, &cas), OK);
    run(f, 10 * TIME_S);
    assert_int_equal(f->w.done, 1);
    assert_int_equal(f->w.result.stored, DHT_K);
    end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_publish_announce),
        cmocka_unit_test(test_dht_publish_is_listed),
        cmocka_unit_test(test_dht_publish_repeats_a_lost_store),
        cmocka_unit_test(test_dht_publish_renews),
        cmocka_unit_test(test_dht_publish_retries_with_back_off),
        cmocka_unit_test(test_dht_publish_nobody_has_room),
        cmocka_unit_test(test_dht_publish_without_nodes),
        cmocka_unit_test(test_dht_publish_cap),
        cmocka_unit_test(test_dht_publish_cancelled_and_replaced),
        cmocka_unit_test(test_dht_publish_put),
        cmocka_unit_test(test_dht_publish_put_largest),
        cmocka_unit_test(test_dht_publish_yields_to_newer),
        cmocka_unit_test(test_dht_publish_version_is_taken),
        cmocka_unit_test(test_dht_publish_ignores_forged),
        cmocka_unit_test(test_dht_publish_cas_mismatch),
        cmocka_unit_test(test_dht_publish_condition_is_not_repeated),
        cmocka_unit_test(test_dht_publish_cas_spares_the_old),
        cmocka_unit_test(test_dht_publish_once),
        cmocka_unit_test(test_dht_publish_once_beside_our_own),
        cmocka_unit_test(test_dht_publish_for_others_waits),
        cmocka_unit_test(test_dht_publish_get_item),
        cmocka_unit_test(test_dht_publish_get_immutable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
