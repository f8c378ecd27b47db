/* SPDX-License-Identifier: MIT
 *
 * The built-in DHT as a provider, in a network of them: what is put once for
 * somebody else can be got by all, and is left to nobody.
 */
#include "sim_dht_test.h"

#include "provider/builtin_provider.h"

#include <sodium.h>
#include <string.h>

struct heard {
    bool done;
    enum error error;
    unsigned items;
    int64_t seq;
    struct dht_provider_counts counts;
};

static void on_item(void *ctx, uint64_t cookie,
                    const struct dht_provider_item *item)
{
    struct heard *h = ctx;

    (void)cookie;
    h->items++;
    h->seq = item->seq;
}

static void on_counted(void *ctx, uint64_t cookie,
                       const struct dht_provider_counts *counts)
{
    struct heard *h = ctx;

    (void)cookie;
    assert_false(h->done);
    h->counts = *counts;
}

static void on_done(void *ctx, uint64_t cookie, enum error e)
{
    struct heard *h = ctx;

    (void)cookie;
    h->done = true;
    h->error = e;
}

static struct dht_provider_handler handler_of(struct heard *h)
{
    *h = (struct heard){.done = false};
    return (struct dht_provider_handler){
        .ctx = h, .item = on_item, .counted = on_counted, .done = on_done};
}

static uint64_t now(void *ctx)
{
    return sim_now(ctx);
}

static void wait_for(struct world *w, uint32_t node, const struct heard *h)
{
    sim_wake(w->sim, node);
    sim_run_until_set(w->sim, &h->done, sim_now(w->sim) + TIME_MIN);
    assert_true(h->done);
}

static struct dht_item item_of(const struct value *value, int64_t seq)
{
    uint8_t seed[32] = {7}, key[32], secret[64];
    struct dht_item item = {.mutable_item = true, .seq = seq, .value = value};

    crypto_sign_seed_keypair(key, secret, seed);
    dht_item_sign(&item, secret);
    return item;
}

static enum error put_once(struct world *w, struct builtin_provider *b,
                           uint32_t node, const struct value *value,
                           int64_t seq, struct heard *h)
{
    const struct dht_item item = item_of(value, seq);
    const struct dht_provider_handler handler = handler_of(h);
    struct dht_provider_item out = {.seq = seq, .value = value};
    uint64_t request;
    enum error e;

    memcpy(out.key, item.key, sizeof(out.key));
    memcpy(out.signature, item.signature, sizeof(out.signature));
    e = b->provider.put_once(b->provider.ctx, &out, &handler, &request);
    if (e == OK)
        wait_for(w, node, h);
    return e;
}

static void test_sim_provider_puts_once(void **state)
{
    struct builtin_provider by_one, by_other;
    struct world *w = &world;
    uint32_t one, other;
    struct dht_status status;
    struct dht_provider_handler handler;
    struct heard h;
    struct value value;
    uint8_t text[996] = {1};
    uint64_t request;

    (void)state;
    world_init(w);
    world_start(w);
    world_grow(w, 30, TIME_S);
    sim_run_for(w->sim, TIME_MIN);
    one = w->net.members[3];
    other = w->net.members[9];
    builtin_provider_init(&by_one, sim_dht_of(w->sim, one)->dht, now, w->sim);
    builtin_provider_init(&by_other, sim_dht_of(w->sim, other)->dht, now,
                          w->sim);
    assert_false(by_one.provider.anonymous);
    assert_int_equal(value_from_bytes(bytes_of(text, sizeof(text)), &value),
                     OK);
    assert_int_equal(put_once(w, &by_one, one, &value, 5, &h), OK);
    assert_int_equal(h.error, OK);
    assert_at_least(h.counts.stored, 4);
    assert_at_least(h.counts.answered, h.counts.stored);
    assert_int_equal(h.items, 0);
    sim_dht_status(w->sim, one, &status);
    assert_int_equal(status.publications, 0);

    handler = handler_of(&h);
    assert_int_equal(by_other.provider.get_item(
                         by_other.provider.ctx, item_of(&value, 5).key,
                         bytes_of(NULL, 0), &handler, &request),
                     OK);
    wait_for(w, other, &h);
    assert_at_least(h.items, 1);
    assert_int_equal(h.seq, 5);
    /* What is older finds the newer one. */
    assert_int_equal(put_once(w, &by_other, other, &value, 4, &h), OK);
    assert_int_equal(h.error, ERR_SEQ);
    assert_int_equal(h.counts.stored, 0);
    builtin_provider_deinit(&by_one);
    builtin_provider_deinit(&by_other);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_provider_puts_once),
    };

    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
