/* SPDX-License-Identifier: MIT
 *
 * A DHT of the program's as the tunnels see it.
 */
#include "lib/lib_provider.h"

#include "dht/types/dht_item.h"
#include "lib/lib_error.h"
#include "testing.h"
#include "warren.h"
#include "wire/krpc/dht_message.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The program's side: keeps what it is asked. */
static struct theirs {
    int result;   /* of what is asked */
    bool at_once; /* answers from within */
    unsigned asked, cancelled, announced, withdrawn, put;
    struct warren_dht_listener listener; /* of the last request */
    uint8_t hash[20];
    struct warren_dht_item item;
} theirs;

/* The engine's. */
static struct ours {
    unsigned peers, items, done, answered;
    enum error error;
    struct endpoint peer;
    int64_t seq;
} ours;

static int take(const struct warren_dht_listener *l, uint64_t *request)
{
    theirs.asked++;
    if (theirs.result != WARREN_OK)
        return theirs.result;
    theirs.listener = *l;
    *request = theirs.asked;
    if (theirs.at_once)
        l->done(l->ctx, l->cookie, WARREN_OK);
    return WARREN_OK;
}

static int announce(void *ctx, const uint8_t hash[20])
{
    assert_ptr_equal(ctx, &theirs);
    memcpy(theirs.hash, hash, 20);
    theirs.announced++;
    return theirs.result;
}

static void withdraw(void *ctx, const uint8_t hash[20])
{
    assert_ptr_equal(ctx, &theirs);
    assert_memory_equal(theirs.hash, hash, 20);
    theirs.withdrawn++;
}

static int get_peers(void *ctx, const uint8_t hash[20],
                     const struct warren_dht_listener *l, uint64_t *request)
{
    assert_ptr_equal(ctx, &theirs);
    memcpy(theirs.hash, hash, 20);
    return take(l, request);
}

static int put(void *ctx, const struct warren_dht_item *item)
{
    assert_ptr_equal(ctx, &theirs);
    theirs.item = *item;
    theirs.put++;
    return theirs.result;
}

static int put_once(void *ctx, const struct warren_dht_item *item,
                    const struct warren_dht_listener *l, uint64_t *request)
{
    assert_ptr_equal(ctx, &theirs);
    theirs.item = *item;
    return take(l, request);
}

static int get_item(void *ctx, const uint8_t key[32], const void *salt,
                    size_t salt_len, const struct warren_dht_listener *l,
                    uint64_t *request)
{
    (void)key;
    (void)salt;
    (void)salt_len;
    assert_ptr_equal(ctx, &theirs);
    return take(l, request);
}

static void cancel(void *ctx, uint64_t request)
{
    assert_ptr_equal(ctx, &theirs);
    assert_int_equal(request, theirs.asked);
    theirs.cancelled++;
}

static const struct warren_dht_provider table = {.ctx = &theirs,
                                                 .announce = announce,
                                                 .withdraw = withdraw,
                                                 .get_peers = get_peers,
                                                 .put = put,
                                                 .put_once = put_once,
                                                 .get_item = get_item,
                                                 .cancel = cancel};

static void on_peer(void *ctx, uint64_t cookie, const struct endpoint *peer)
{
    assert_ptr_equal(ctx, &ours);
    assert_int_equal(cookie, 77);
    ours.peer = *peer;
    ours.peers++;
}

static void on_item(void *ctx, uint64_t cookie,
                    const struct dht_provider_item *item)
{
    assert_ptr_equal(ctx, &ours);
    assert_int_equal(cookie, 77);
    ours.seq = item->seq;
    ours.items++;
}

static void on_done(void *ctx, uint64_t cookie, enum error e)
{
    assert_ptr_equal(ctx, &ours);
    assert_int_equal(cookie, 77);
    ours.error = e;
    ours.done++;
}

static const struct dht_provider_handler handler = {.ctx = &ours,
                                                    .cookie = 77,
                                                    .peer = on_peer,
                                                    .item = on_item,
                                                    .done = on_done};

static void on_answered(void *arg)
{
    assert_ptr_equal(arg, &ours);
    ours.answered++;
}

static struct lib_provider *provider;
static const struct dht_provider *dht;
static const struct id hash = {{1, 2, 3}};

static int set_up(void **state)
{
    (void)state;
    theirs = (struct theirs){.result = WARREN_OK};
    ours = (struct ours){0};
    provider = lib_provider_new(&table, on_answered, &ours);
    dht = lib_provider_table(provider);
    return provider == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    lib_provider_free(provider);
    return 0;
}

/* ---- Peers -------------------------------------------------------------- */

static void say_done(int error)
{
    theirs.listener.done(theirs.listener.ctx, theirs.listener.cookie, error);
}

static void test_lib_provider_peers_come_later(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(7)};
    const struct sockaddr strange = {.sa_family = AF_UNIX};
    uint64_t request = 0;

    (void)state;
    assert_int_equal(dht->get_peers(dht->ctx, &hash, &handler, &request), OK);
    assert_int_equal(request, 1);
    assert_memory_equal(theirs.hash, hash.b, sizeof(hash.b));
    theirs.listener.peer(theirs.listener.ctx, theirs.listener.cookie,
                         (struct sockaddr *)&at);
    theirs.listener.peer(theirs.listener.ctx, theirs.listener.cookie, &strange);
    assert_int_equal(ours.peers, 1);
    assert_int_equal(ours.peer.port, 7);
    say_done(WARREN_ERR_TIMEOUT);
    assert_int_equal(ours.done, 1);
    assert_int_equal(ours.error, ERR_TIMEOUT);
    assert_true(ours.answered >= 2);
    dht->cancel(dht->ctx, request); /* too late */
    assert_int_equal(theirs.cancelled, 0);
}

static void test_lib_provider_answer_from_within(void **state)
{
    uint64_t request = 0;

    (void)state;
    theirs.at_once = true;
    assert_int_equal(dht->get_peers(dht->ctx, &hash, &handler, &request), OK);
    assert_int_equal(ours.done, 1);
    dht->cancel(dht->ctx, request);
    assert_int_equal(theirs.cancelled, 0);
}

static void test_lib_provider_refusal(void **state)
{
    uint64_t request = 5;

    (void)state;
    theirs.result = WARREN_ERR_FULL;
    assert_int_equal(dht->get_peers(dht->ctx, &hash, &handler, &request),
                     ERR_FULL);
    assert_int_equal(request, 5);
    assert_int_equal(ours.done, 0);
    theirs.result = 12345;
    assert_int_equal(dht->announce(dht->ctx, &hash), ERR_REMOTE);
}

static void test_lib_provider_cancel(void **state)
{
    uint64_t request;

    (void)state;
    assert_int_equal(dht->get_peers(dht->ctx, &hash, &handler, &request), OK);
    dht->cancel(dht->ctx, request);
    dht->cancel(dht->ctx, request);
    assert_int_equal(theirs.cancelled, 1);
    assert_int_equal(ours.done, 0);

    /* What runs at the end is cancelled too. */
    assert_int_equal(dht->get_peers(dht->ctx, &hash, &handler, &request), OK);
    lib_provider_free(provider);
    provider = NULL;
    assert_int_equal(theirs.cancelled, 2);
}

/* ---- Items -------------------------------------------------------------- */

static void sign(struct dht_item *item, struct value *value)
{
    uint8_t public[32], secret[64];

    assert_int_equal(crypto_sign_keypair(public, secret), 0);
    assert_int_equal(value_from_bytes(bytes_of_text("a relay"), value), OK);
    *item = (struct dht_item){.mutable_item = true,
                              .seq = 9,
                              .salt = bytes_of_text("salt"),
                              .value = value};
    dht_item_sign(item, secret);
}

static struct warren_dht_item as_theirs(const struct dht_item *item)
{
    struct warren_dht_item out = {.salt = item->salt.p,
                                  .salt_len = item->salt.len,
                                  .seq = item->seq,
                                  .value = item->value->mp,
                                  .value_len = item->value->len};

    memcpy(out.key, item->key, 32);
    memcpy(out.signature, item->signature, 64);
    return out;
}

static void say_item(const struct warren_dht_item *item)
{
    theirs.listener.item(theirs.listener.ctx, theirs.listener.cookie, item);
}

static void test_lib_provider_items_are_verified(void **state)
{
    struct warren_dht_item right, wrong;
    struct dht_item item;
    struct value value;
    uint64_t request;

    (void)state;
    sign(&item, &value);
    right = as_theirs(&item);
    assert_int_equal(
        dht->get_item(dht->ctx, item.key, item.salt, &handler, &request), OK);
    wrong = right;
    wrong.signature[3] ^= 1;
    say_item(&wrong);
    wrong = right;
    wrong.seq++;
    say_item(&wrong);
    wrong = right;
    wrong.key[0] ^= 1;
    say_item(&wrong);
    wrong = right;
    wrong.salt_len--;
    say_item(&wrong);
    wrong = right;
    wrong.value_len--;
    say_item(&wrong);
    wrong = right;
    wrong.value_len = 0;
    say_item(&wrong);
    assert_int_equal(ours.items, 0);

    say_item(&right);
    assert_int_equal(ours.items, 1);
    assert_int_equal(ours.seq, 9);
    say_done(WARREN_OK);
    assert_int_equal(ours.error, OK);
}

static void test_lib_provider_long_salt(void **state)
{
    static const uint8_t salt[DHT_SALT_MAX + 1], key[32];
    uint64_t request;

    (void)state;
    assert_int_equal(dht->get_item(dht->ctx, key, bytes_of(salt, sizeof(salt)),
                                   &handler, &request),
                     ERR_TOO_LARGE);
    assert_int_equal(theirs.asked, 0);
}

static void test_lib_provider_publications(void **state)
{
    struct dht_provider_item out = {.seq = 9};
    struct dht_item item;
    struct value value;

    (void)state;
    assert_int_equal(dht->announce(dht->ctx, &hash), OK);
    dht->withdraw(dht->ctx, &hash);
    assert_int_equal(theirs.announced, 1);
    assert_int_equal(theirs.withdrawn, 1);

    sign(&item, &value);
    memcpy(out.key, item.key, 32);
    memcpy(out.signature, item.signature, 64);
    out.salt = item.salt;
    out.value = &value;
    assert_int_equal(dht->put(dht->ctx, &out), OK);
    assert_memory_equal(theirs.item.key, item.key, 32);
    assert_memory_equal(theirs.item.signature, item.signature, 64);
    assert_int_equal(theirs.item.salt_len, 4);
    assert_int_equal(theirs.item.value_len, value.len);
    assert_memory_equal(theirs.item.value, value.mp, value.len);
}

/* ---- Errors ------------------------------------------------------------- */

static void test_lib_provider_put_once(void **state)
{
    struct warren_dht_provider without = table;
    struct dht_provider_item item = {.key = {9}, .seq = 5};
    struct lib_provider *other;
    struct value value;
    uint64_t request = 0;

    (void)state;
    assert_int_equal(value_from_bytes(TEST_BYTES("value"), &value), OK);
    item.value = &value;
    assert_int_equal(dht->put_once(dht->ctx, &item, &handler, &request), OK);
    assert_int_equal(theirs.item.seq, 5);
    assert_memory_equal(theirs.item.key, item.key, 32);
    assert_memory_equal(theirs.item.value, value.mp, value.len);
    say_done(WARREN_OK);
    assert_int_equal(ours.done, 1);
    theirs.result = WARREN_ERR_FULL;
    assert_int_equal(dht->put_once(dht->ctx, &item, &handler, &request),
                     ERR_FULL);
    /* A program of before it was there. */
    without.put_once = NULL;
    without.anonymous = 1;
    other = lib_provider_new(&without, on_answered, &ours);
    assert_non_null(other);
    assert_true(lib_provider_table(other)->anonymous && !dht->anonymous);
    assert_int_equal(
        lib_provider_table(other)->put_once(lib_provider_table(other)->ctx,
                                            &item, &handler, &request),
        ERR_UNSUPPORTED);
    lib_provider_free(other);
}

static void test_lib_provider_errors(void **state)
{
    (void)state;
    for (int e = WARREN_OK; e < WARREN_ERR_FAILED; e++)
        assert_int_equal(lib_error_of(lib_error_from(e)), e);
    assert_int_equal(lib_error_of(ERR_CORRUPT), WARREN_ERR_FAILED);
    assert_int_equal(lib_error_from(WARREN_ERR_FAILED), ERR_REMOTE);
    assert_int_equal(lib_error_from(-1), ERR_REMOTE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lib_provider_peers_come_later),
        TEST(test_lib_provider_answer_from_within),
        TEST(test_lib_provider_refusal),
        TEST(test_lib_provider_cancel),
        TEST(test_lib_provider_items_are_verified),
        TEST(test_lib_provider_long_salt),
        TEST(test_lib_provider_publications),
        TEST(test_lib_provider_put_once),
        TEST(test_lib_provider_errors),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
