/* SPDX-License-Identifier: MIT
 *
 * Two DHTs as one, each a script here: which of them answers what, and when.
 */
#include "fail_alloc.h"
#include "provider/both_provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* One of the two. */
struct stub {
    struct dht_provider provider;
    enum error refuses; /* every request and publication */
    bool at_once;       /* answers from within the request, with `error` */
    enum error error;
    struct dht_provider_handler handler; /* of the last request */
    uint64_t requests, cancelled;
    unsigned announced, withdrawn, puts;
};

/* Who asks. */
struct heard {
    unsigned peers, items, counts, dones;
    struct endpoint peer;
    int64_t seq;
    struct dht_provider_counts counted;
    enum error error;
};

struct pair {
    struct stub of[2];
    struct both_provider both;
    struct heard heard;
    uint64_t request;
};

static const struct id a_hash = {{1}};
static const struct dht_provider_counts some = {30, 20, 8};

static enum error ask(struct stub *s,
                      const struct dht_provider_handler *handler,
                      uint64_t *request)
{
    if (s->refuses != OK)
        return s->refuses;
    s->handler = *handler;
    *request = 100 + ++s->requests;
    if (s->at_once)
        handler->done(handler->ctx, handler->cookie, s->error);
    return OK;
}

static enum error get_peers(void *ctx, const struct id *hash,
                            const struct dht_provider_handler *handler,
                            uint64_t *request)
{
    assert_true(id_equal(hash, &a_hash));
    return ask(ctx, handler, request);
}

static enum error get_item(void *ctx, const uint8_t key[32], struct bytes salt,
                           const struct dht_provider_handler *handler,
                           uint64_t *request)
{
    assert_int_equal(key[0], 7);
    assert_int_equal(salt.len, 1);
    return ask(ctx, handler, request);
}

static enum error put_once(void *ctx, const struct dht_provider_item *item,
                           const struct dht_provider_handler *handler,
                           uint64_t *request)
{
    assert_int_equal(item->seq, 3);
    return ask(ctx, handler, request);
}

static enum error announce(void *ctx, const struct id *hash)
{
    struct stub *s = ctx;

    (void)hash;
    s->announced += s->refuses == OK;
    return s->refuses;
}

static void withdraw(void *ctx, const struct id *hash)
{
    struct stub *s = ctx;

    (void)hash;
    s->withdrawn++;
}

static enum error put(void *ctx, const struct dht_provider_item *item)
{
    struct stub *s = ctx;

    (void)item;
    s->puts += s->refuses == OK;
    return s->refuses;
}

static void cancel(void *ctx, uint64_t request)
{
    struct stub *s = ctx;

    s->cancelled = request;
}

static void on_peer(void *ctx, uint64_t cookie, const struct endpoint *peer)
{
    struct heard *h = ctx;

    assert_int_equal(cookie, 42);
    assert_int_equal(h->dones, 0);
    h->peers++;
    h->peer = *peer;
}

static void on_item(void *ctx, uint64_t cookie,
                    const struct dht_provider_item *item)
{
    struct heard *h = ctx;

    assert_int_equal(cookie, 42);
    assert_int_equal(h->dones, 0);
    h->items++;
    h->seq = item->seq;
}

static void on_counted(void *ctx, uint64_t cookie,
                       const struct dht_provider_counts *counts)
{
    struct heard *h = ctx;

    assert_int_equal(cookie, 42);
    assert_int_equal(h->dones, 0);
    h->counts++;
    h->counted = *counts;
}

static void on_done(void *ctx, uint64_t cookie, enum error e)
{
    struct heard *h = ctx;

    assert_int_equal(cookie, 42);
    h->dones++;
    h->error = e;
}

static void pair_init(struct pair *p)
{
    *p = (struct pair){.request = 0};
    for (unsigned i = 0; i < 2; i++)
        p->of[i].provider = (struct dht_provider){.ctx = &p->of[i],
                                                  .announce = announce,
                                                  .withdraw = withdraw,
                                                  .get_peers = get_peers,
                                                  .put = put,
                                                  .put_once = put_once,
                                                  .get_item = get_item,
                                                  .cancel = cancel};
    both_provider_init(&p->both, &p->of[0].provider, &p->of[1].provider);
}

static struct dht_provider_handler handler_of(struct pair *p)
{
    return (struct dht_provider_handler){.ctx = &p->heard,
                                         .cookie = 42,
                                         .peer = on_peer,
                                         .item = on_item,
                                         .counted = on_counted,
                                         .done = on_done};
}

static enum error look_up(struct pair *p)
{
    const struct dht_provider *dht = &p->both.provider;
    const struct dht_provider_handler handler = handler_of(p);

    p->heard = (struct heard){.peers = 0};
    return dht->get_peers(dht->ctx, &a_hash, &handler, &p->request);
}

static enum error put_for_another(struct pair *p)
{
    const struct dht_provider *dht = &p->both.provider;
    const struct dht_provider_handler handler = handler_of(p);
    const struct dht_provider_item item = {.seq = 3};

    p->heard = (struct heard){.peers = 0};
    return dht->put_once(dht->ctx, &item, &handler, &p->request);
}

static void tell_peer(struct stub *s, unsigned i)
{
    struct endpoint ep = {.family = FAMILY_IPV4, .port = 1000};

    memcpy(ep.addr, &i, sizeof(i));
    s->handler.peer(s->handler.ctx, s->handler.cookie, &ep);
}

static void tell_item(struct stub *s, int64_t seq)
{
    const struct dht_provider_item item = {.seq = seq};

    s->handler.item(s->handler.ctx, s->handler.cookie, &item);
}

static void tell_end(struct stub *s, enum error e)
{
    s->handler.counted(s->handler.ctx, s->handler.cookie, &some);
    s->handler.done(s->handler.ctx, s->handler.cookie, e);
}

static void test_both_tell_each_peer_once(void **state)
{
    struct pair p;

    (void)state;
    pair_init(&p);
    assert_int_equal(look_up(&p), OK);
    assert_int_not_equal(p.request, 0);
    tell_peer(&p.of[1], 1); /* before the first one has said anything */
    tell_peer(&p.of[0], 1);
    tell_peer(&p.of[0], 2);
    tell_peer(&p.of[1], 2);
    assert_int_equal(p.heard.peers, 2);
    tell_end(&p.of[1], OK);
    assert_int_equal(p.heard.dones, 0);
    tell_peer(&p.of[0], 3);
    assert_int_equal(p.heard.peers, 3);
    tell_end(&p.of[0], ERR_NO_NODES);
    assert_int_equal(p.heard.counts, 1);
    assert_int_equal(p.heard.counted.asked, 60);
    assert_int_equal(p.heard.counted.answered, 40);
    assert_int_equal(p.heard.counted.stored, 16);
    assert_int_equal(p.heard.dones, 1);
    assert_int_equal(p.heard.error, OK);
    both_provider_deinit(&p.both);
}

/* Ten thousand in one of them: so many are remembered, and those of the other
 * come all the same. */
static void test_both_keep_room_for_each_others_peers(void **state)
{
    struct pair p;

    (void)state;
    pair_init(&p);
    assert_int_equal(look_up(&p), OK);
    for (unsigned i = 0; i < 10000; i++)
        tell_peer(&p.of[1], i);
    assert_int_equal(p.heard.peers, BOTH_PEERS_MAX);
    tell_peer(&p.of[0], 1);
    assert_int_equal(p.heard.peers, BOTH_PEERS_MAX);
    tell_peer(&p.of[0], 20000);
    assert_int_equal(p.heard.peers, BOTH_PEERS_MAX + 1);
    both_provider_deinit(&p.both);
}

static void test_both_tell_newer_items_only(void **state)
{
    static const uint8_t key[32] = {7};
    struct dht_provider_handler handler;
    struct pair p;

    (void)state;
    pair_init(&p);
    handler = handler_of(&p);
    handler.peer = NULL;
    handler.counted = NULL;
    assert_int_equal(p.both.provider.get_item(p.both.provider.ctx, key,
                                              bytes_of("s", 1), &handler,
                                              &p.request),
                     OK);
    assert_null(p.of[0].handler.peer);
    tell_item(&p.of[0], 0);
    tell_item(&p.of[1], 5);
    tell_item(&p.of[0], 5);
    tell_item(&p.of[0], 4);
    assert_int_equal(p.heard.items, 2);
    assert_int_equal(p.heard.seq, 5);
    tell_item(&p.of[0], 6);
    assert_int_equal(p.heard.seq, 6);
    tell_end(&p.of[0], ERR_TIMEOUT);
    tell_end(&p.of[1], ERR_NO_NODES);
    assert_int_equal(p.heard.counts, 0);
    assert_int_equal(p.heard.error, ERR_TIMEOUT);
    both_provider_deinit(&p.both);
}

static void test_both_go_on_when_one_refuses(void **state)
{
    struct pair p;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        pair_init(&p);
        p.of[i].refuses = ERR_FULL;
        assert_int_equal(look_up(&p), OK);
        tell_peer(&p.of[1 - i], 1);
        assert_int_equal(p.heard.peers, 1);
        assert_int_equal(p.heard.dones, 0);
        tell_end(&p.of[1 - i], ERR_TIMEOUT);
        assert_int_equal(p.heard.dones, 1);
        assert_int_equal(p.heard.error, ERR_TIMEOUT);

        /* The other one has ended before it was known that this one refuses. */
        p.of[1 - i].at_once = true;
        assert_int_equal(look_up(&p), OK);
        assert_int_equal(p.heard.dones, 1);
        assert_int_equal(p.heard.error, OK);
        both_provider_deinit(&p.both);
    }
}

static void test_both_refuse_when_both_do(void **state)
{
    struct pair p;

    (void)state;
    pair_init(&p);
    p.of[0].refuses = ERR_UNSUPPORTED;
    p.of[1].refuses = ERR_FULL;
    assert_int_equal(look_up(&p), ERR_FULL);
    p.of[1].refuses = ERR_NO_MEMORY;
    assert_int_equal(look_up(&p), ERR_UNSUPPORTED);
    assert_int_equal(p.heard.dones, 0);
    assert_int_equal(p.request, 0);
    both_provider_deinit(&p.both);
}

static void test_both_may_end_at_once(void **state)
{
    struct pair p;

    (void)state;
    pair_init(&p);
    p.of[0].at_once = p.of[1].at_once = true;
    p.of[0].error = ERR_NO_NODES;
    assert_int_equal(look_up(&p), OK);
    assert_int_equal(p.heard.dones, 1);
    assert_int_equal(p.heard.error, OK);
    assert_int_not_equal(p.request, 0);
    p.both.provider.cancel(p.both.provider.ctx, p.request); /* no effect */
    assert_int_equal(p.of[0].cancelled, 0);
    p.of[1].at_once = false;
    assert_int_equal(look_up(&p), OK);
    assert_int_equal(p.heard.dones, 0);
    tell_end(&p.of[1], ERR_TIMEOUT);
    assert_int_equal(p.heard.dones, 1);
    assert_int_equal(p.heard.error, ERR_NO_NODES);
    both_provider_deinit(&p.both);
}

static void test_both_are_cancelled(void **state)
{
    struct pair p;

    (void)state;
    pair_init(&p);
    assert_int_equal(look_up(&p), OK);
    tell_peer(&p.of[0], 1);
    p.both.provider.cancel(p.both.provider.ctx, p.request);
    assert_int_equal(p.of[0].cancelled, 101);
    assert_int_equal(p.of[1].cancelled, 101);
    /* What has ended is not, and what nobody cancels is at the end. */
    assert_int_equal(look_up(&p), OK);
    tell_end(&p.of[0], OK);
    both_provider_deinit(&p.both);
    assert_int_equal(p.of[0].cancelled, 101);
    assert_int_equal(p.of[1].cancelled, 102);
    assert_int_equal(p.heard.dones, 0);
}

static void test_both_put_for_others(void **state)
{
    struct pair p;

    (void)state;
    pair_init(&p);
    assert_int_equal(put_for_another(&p), OK);
    tell_end(&p.of[0], ERR_TIMEOUT);
    tell_end(&p.of[1], ERR_SEQ); /* a newer one is out there */
    assert_int_equal(p.heard.error, ERR_SEQ);
    assert_int_equal(put_for_another(&p), OK);
    tell_end(&p.of[0], ERR_SEQ);
    tell_end(&p.of[1], OK);
    assert_int_equal(p.heard.error, OK);
    both_provider_deinit(&p.both);

    p.of[0].provider.put_once = NULL;
    both_provider_init(&p.both, &p.of[0].provider, &p.of[1].provider);
    assert_int_equal(put_for_another(&p), OK);
    tell_end(&p.of[1], OK);
    assert_int_equal(p.heard.dones, 1);
    both_provider_deinit(&p.both);

    p.of[1].provider.put_once = NULL;
    both_provider_init(&p.both, &p.of[0].provider, &p.of[1].provider);
    assert_null(p.both.provider.put_once);
    both_provider_deinit(&p.both);
}

static void test_both_publish(void **state)
{
    const struct dht_provider_item item = {.seq = 3};
    const struct dht_provider *dht;
    struct pair p;

    (void)state;
    pair_init(&p);
    dht = &p.both.provider;
    assert_int_equal(dht->announce(dht->ctx, &a_hash), OK);
    assert_int_equal(dht->put(dht->ctx, &item), OK);
    p.of[0].refuses = ERR_FULL;
    assert_int_equal(dht->announce(dht->ctx, &a_hash), OK);
    assert_int_equal(dht->put(dht->ctx, &item), OK);
    dht->withdraw(dht->ctx, &a_hash);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(p.of[i].announced, 1 + i);
        assert_int_equal(p.of[i].puts, 1 + i);
        assert_int_equal(p.of[i].withdrawn, 1);
    }
    p.of[1].refuses = ERR_NO_MEMORY;
    assert_int_equal(dht->announce(dht->ctx, &a_hash), ERR_FULL);
    p.of[1].refuses = ERR_FULL;
    p.of[0].refuses = ERR_NO_MEMORY;
    assert_int_equal(dht->put(dht->ctx, &item), ERR_FULL);
    both_provider_deinit(&p.both);
}

static void test_both_are_anonymous_when_each_is(void **state)
{
    struct pair p;

    (void)state;
    pair_init(&p);
    p.of[0].provider.anonymous = true;
    both_provider_init(&p.both, &p.of[0].provider, &p.of[1].provider);
    assert_false(p.both.provider.anonymous);
    p.of[1].provider.anonymous = true;
    both_provider_init(&p.both, &p.of[0].provider, &p.of[1].provider);
    assert_true(p.both.provider.anonymous);
    both_provider_deinit(&p.both);
}

/* Where there is no memory to remember a peer, it is not told: it could come
 * twice. */
static void test_both_without_memory(void **state)
{
    struct pair p;

    (void)state;
    pair_init(&p);
    fail_alloc_at(1);
    assert_int_equal(look_up(&p), ERR_NO_MEMORY);
    assert_true(fail_alloc_end());
    assert_int_equal(look_up(&p), OK);
    fail_alloc_at(1);
    tell_peer(&p.of[0], 1);
    assert_true(fail_alloc_end());
    assert_int_equal(p.heard.peers, 0);
    tell_peer(&p.of[0], 1);
    assert_int_equal(p.heard.peers, 1);
    both_provider_deinit(&p.both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_tell_each_peer_once),
        cmocka_unit_test(test_both_keep_room_for_each_others_peers),
        cmocka_unit_test(test_both_tell_newer_items_only),
        cmocka_unit_test(test_both_go_on_when_one_refuses),
        cmocka_unit_test(test_both_refuse_when_both_do),
        cmocka_unit_test(test_both_may_end_at_once),
        cmocka_unit_test(test_both_are_cancelled),
        cmocka_unit_test(test_both_put_for_others),
        cmocka_unit_test(test_both_publish),
        cmocka_unit_test(test_both_are_anonymous_when_each_is),
        cmocka_unit_test(test_both_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
