/* SPDX-License-Identifier: MIT */
#include "service_fixture.h"

#include "wire/item/item_signing.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint8_t nonce[SERVICE_NONCE_BYTES] = {9};

static void check_same_relay(const struct relay_target *a,
                             const struct relay_target *b)
{
    assert_memory_equal(a->identity, b->identity, 32);
    assert_memory_equal(a->handshake_key, b->handshake_key, 32);
    assert_int_equal(a->endpoint_count, b->endpoint_count);
    for (size_t i = 0; i < a->endpoint_count; i++)
        assert_true(endpoint_equal(&a->endpoints[i], &b->endpoints[i]));
}

static void check_same(const struct service_descriptor *a,
                       const struct service_descriptor *b)
{
    assert_int_equal(a->period, b->period);
    assert_int_equal(a->issued, b->issued);
    assert_int_equal(a->lifetime, b->lifetime);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->has_work, b->has_work);
    assert_memory_equal(a->work_seed, b->work_seed, WORK_SEED_BYTES);
    assert_int_equal(a->work_effort, b->work_effort);
    assert_int_equal(a->work_expires, b->work_expires);
    assert_int_equal(a->intro_count, b->intro_count);
    for (size_t i = 0; i < a->intro_count; i++) {
        check_same_relay(&a->intros[i].relay, &b->intros[i].relay);
        assert_memory_equal(a->intros[i].auth_id, b->intros[i].auth_id, 16);
        assert_memory_equal(a->intros[i].service_key, b->intros[i].service_key,
                            32);
    }
}

static void seal(const struct service_fixture *f,
                 const struct service_descriptor *d, int64_t seq,
                 struct service_item items[SERVICE_REPLICAS])
{
    assert_int_equal(
        service_descriptor_seal(&f->view, &f->key, d, seq, nonce, items), OK);
}

static enum error open_it(const struct service_view *view, unsigned replica,
                          const struct service_item *item)
{
    struct service_descriptor d;

    return service_descriptor_open(view, replica, item, &d);
}

static void test_service_descriptor_there_and_back(void **state)
{
    struct service_fixture f = fixture_service(1, FIXTURE_PERIOD);

    (void)state;
    for (uint8_t intros = 0; intros <= SERVICE_INTROS_MAX; intros++) {
        struct service_descriptor d =
            fixture_descriptor(FIXTURE_PERIOD, intros);
        struct service_item items[SERVICE_REPLICAS];
        struct service_descriptor got;

        d.has_work = intros % 2;
        d.work_effort = d.has_work ? 1024 : 0;
        seal(&f, &d, 1 + intros, items);
        for (unsigned i = 0; i < SERVICE_REPLICAS; i++) {
            assert_int_equal(items[i].seq, 1 + intros);
            assert_int_equal(
                service_descriptor_open(&f.view, i, &items[i], &got), OK);
            check_same(&got, &d);
        }
        assert_true(bytes_equal(value_bytes(&items[0].value),
                                value_bytes(&items[1].value)));
    }
}

/* Of any content, as large as an item may be. */
static void test_service_descriptor_has_one_length(void **state)
{
    struct service_fixture f = fixture_service(1, UINT32_MAX);
    struct service_descriptor all[] = {fixture_largest(),
                                       fixture_descriptor(UINT32_MAX, 0)};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct service_item items[SERVICE_REPLICAS];
        struct service_descriptor got;
        uint8_t bencoded[VALUE_BENCODED_MAX];

        seal(&f, &all[i], INT64_MAX, items);
        assert_int_equal(value_bencode(&items[0].value, bencoded), 1000);
        assert_memory_equal(bencoded, "996:\x01", 5);
        assert_int_equal(service_descriptor_open(&f.view, 0, &items[0], &got),
                         OK);
        check_same(&got, &all[i]);
    }
}

static void test_service_descriptor_largest_text(void **state)
{
    struct service_descriptor d = fixture_largest();
    uint8_t text[SERVICE_TEXT_BYTES];

    (void)state;
    service_text_write(&d, text);
    assert_int_not_equal(text[SERVICE_TEXT_BYTES - 4], 0);
    assert_true(sodium_is_zero(text + SERVICE_TEXT_BYTES - 3, 3));
}

static void test_service_descriptor_sorts(void **state)
{
    struct service_descriptor d = fixture_descriptor(1, SERVICE_INTROS_MAX);
    struct service_descriptor mixed = d, got;
    uint8_t text[SERVICE_TEXT_BYTES];
    static const int order[] = {3, 0, 5, 4, 1, 2};

    (void)state;
    for (size_t i = 0; i < SERVICE_INTROS_MAX; i++)
        mixed.intros[i] = d.intros[order[i]];
    service_text_write(&mixed, text);
    assert_int_equal(service_text_read(text, false, &got), OK);
    check_same(&got, &d);
}

/* Each bit of value, signature and seq; another replica's salt; all that
 * makes a view. */
static void test_service_descriptor_forged(void **state)
{
    struct service_fixture f = fixture_service(1, FIXTURE_PERIOD);
    struct service_descriptor d = fixture_descriptor(FIXTURE_PERIOD, 3);
    struct service_item items[SERVICE_REPLICAS], *item = &items[1];

    (void)state;
    seal(&f, &d, 5, items);
    assert_int_equal(open_it(&f.view, 1, item), OK);
    assert_int_equal(open_it(&f.view, 0, item), ERR_SIGNATURE);
    assert_int_equal(open_it(&f.view, 1, &items[0]), ERR_SIGNATURE);
    for (unsigned bit = 0; bit < 8u * item->value.len; bit++) {
        item->value.mp[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(open_it(&f.view, 1, item), OK);
        item->value.mp[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (unsigned bit = 0; bit < 512; bit++) {
        item->signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(open_it(&f.view, 1, item), ERR_SIGNATURE);
        item->signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (int64_t seq = -1; seq < 8; seq++) {
        item->seq = seq;
        assert_int_equal(open_it(&f.view, 1, item), seq < 1    ? ERR_RANGE
                                                    : seq == 5 ? OK
                                                               : ERR_SIGNATURE);
    }
}

/* Who knows less, or other, than the address and the period cannot open it. */
static void test_service_descriptor_of_another(void **state)
{
    struct service_fixture f = fixture_service(1, FIXTURE_PERIOD);
    struct service_fixture other = fixture_service(2, FIXTURE_PERIOD);
    struct service_fixture later = fixture_service(1, FIXTURE_PERIOD + 1);
    struct service_descriptor d = fixture_descriptor(FIXTURE_PERIOD, 3);
    struct service_item items[SERVICE_REPLICAS];
    struct service_view view;

    (void)state;
    seal(&f, &d, 1, items);
    assert_int_equal(open_it(&other.view, 0, &items[0]), ERR_SIGNATURE);
    assert_int_equal(open_it(&later.view, 0, &items[0]), ERR_SIGNATURE);
    /* Found under the right key, without the rest. */
    view = f.view;
    view.period++;
    assert_int_equal(open_it(&view, 0, &items[0]), ERR_SIGNATURE);
    view = f.view;
    view.credential[0] ^= 1;
    assert_int_equal(open_it(&view, 0, &items[0]), ERR_SIGNATURE);
    /* An access secret makes another key, another item, another seal. */
    f.name.has_access = true;
    assert_int_equal(
        service_view_init(NETWORK, &f.name, FIXTURE_PERIOD, false, &view), OK);
    assert_memory_not_equal(view.key, f.view.key, 32);
    assert_memory_not_equal(view.credential, f.view.credential, 32);
    assert_int_equal(open_it(&view, 0, &items[0]), ERR_SIGNATURE);
}

static void test_service_view_of_no_key(void **state)
{
    struct service_name name = {.key = {1}};
    struct service_view view;

    (void)state;
    assert_int_equal(service_view_init(NETWORK, &name, 1, false, &view),
                     ERR_RANGE);
}

/* Any text, sealed and signed as it must be: what a hostile service can do. */
static enum error open_text(const struct service_fixture *f,
                            const uint8_t text[SERVICE_TEXT_BYTES],
                            uint8_t version)
{
    uint8_t along[41], sealed[SERVICE_DESCRIPTOR_BYTES], key[32], hash[54];
    uint8_t to_sign[ITEM_SIGNED_MAX];
    struct service_item item = {.seq = 1};
    size_t len;

    along[0] = 1;
    memcpy(along + 1, f->view.key, 32);
    bytes_put_number(along + 33, 8, 1);
    memcpy(hash, "warren descriptor", 18);
    memcpy(hash + 18, f->view.key, 32);
    bytes_put_number(hash + 50, 4, f->view.period);
    crypto_generichash(key, 32, hash, sizeof(hash), f->view.credential, 32);
    memset(sealed, 0, 25);
    sealed[0] = version;
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        sealed + 25, NULL, text, SERVICE_TEXT_BYTES, along, sizeof(along), NULL,
        sealed + 1, key);
    assert_int_equal(
        value_from_bytes(bytes_of(sealed, sizeof(sealed)), &item.value), OK);
    len = item_signed_bytes(service_replica_salt(0), 1, &item.value, to_sign);
    assert_int_equal(
        blind_sign(&f->key, bytes_of(to_sign, len), item.signature), OK);
    return open_it(&f->view, 0, &item);
}

static void test_service_descriptor_of_another_version(void **state)
{
    struct service_fixture f = fixture_service(1, FIXTURE_PERIOD);
    struct service_descriptor d = fixture_descriptor(FIXTURE_PERIOD, 1);
    uint8_t text[SERVICE_TEXT_BYTES];

    (void)state;
    service_text_write(&d, text);
    assert_int_equal(open_text(&f, text, 1), OK);
    assert_int_equal(open_text(&f, text, 2), ERR_UNSUPPORTED);
    d.period++;
    service_text_write(&d, text);
    assert_int_equal(open_text(&f, text, 1), ERR_UNEXPECTED);
}

static void test_service_descriptor_of_another_length(void **state)
{
    static const uint8_t many[997] = {1};
    struct service_fixture f = fixture_service(1, FIXTURE_PERIOD);
    static const char *const others[] = {"05", "80", "c0", "93010203"};
    struct service_item item = {.seq = 1};

    (void)state;
    for (size_t len = 0; len <= 997; len += len < 990 ? 99 : 1) {
        if (len == SERVICE_DESCRIPTOR_BYTES)
            continue;
        if (value_from_bytes(bytes_of(many, len), &item.value) == OK)
            assert_int_equal(open_it(&f.view, 0, &item), ERR_WRONG_LENGTH);
        else
            assert_int_equal(len, 997);
    }
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        struct bytes mp = test_hex(others[i]);

        memcpy(item.value.mp, mp.p, mp.len);
        item.value.len = (uint16_t)mp.len;
        assert_int_not_equal(open_it(&f.view, 0, &item), OK);
    }
}

static enum error read_text(const struct service_descriptor *d)
{
    struct service_descriptor got;
    uint8_t text[SERVICE_TEXT_BYTES];

    service_text_write(d, text);
    return service_text_read(text, false, &got);
}

/* A client that builds circuits to all of one relay's names builds as many as
 * a service likes. */
static void test_service_text_one_relay_often(void **state)
{
    struct service_descriptor d = fixture_descriptor(1, SERVICE_INTROS_MAX);

    (void)state;
    assert_int_equal(read_text(&d), OK);
    for (size_t i = 1; i < SERVICE_INTROS_MAX; i++) {
        struct service_descriptor twice = d;

        memcpy(twice.intros[i].relay.identity, d.intros[0].relay.identity, 32);
        assert_int_equal(read_text(&twice), ERR_UNSORTED);
    }
    for (size_t i = 1; i < SERVICE_INTROS_MAX; i++)
        d.intros[i] = d.intros[0];
    assert_int_equal(read_text(&d), ERR_UNSORTED);
}

static void test_service_text_endpoints(void **state)
{
    static const struct {
        const char *text;
        bool usable;
    } cases[] = {
        {"10.0.0.1:7881", true},    {"192.168.1.1:7881", true},
        {"127.0.0.1:7881", true},   {"100.64.0.1:7881", true},
        {"203.0.113.1:7881", true}, {"[fd00::1]:7881", true},
        {"[::1]:7881", true},       {"[64:ff9b::0808:0808]:7881", true},
        {"0.0.0.0:7881", false},    {"255.255.255.255:7881", false},
        {"224.0.0.1:7881", false},  {"8.8.8.8:0", false},
        {"[ff02::1]:7881", false},
    };
    struct service_descriptor d = fixture_descriptor(1, 2), got;
    uint8_t text[SERVICE_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        d.intros[1].relay.endpoints[0] = fixture_endpoint(cases[i].text);
        service_text_write(&d, text);
        assert_int_equal(service_text_read(text, false, &got), ERR_ADDRESS);
        assert_int_equal(service_text_read(text, true, &got),
                         cases[i].usable ? OK : ERR_ADDRESS);
    }
}

static void test_service_text_order_of_endpoints(void **state)
{
    struct service_descriptor d = fixture_descriptor(1, 1);
    struct endpoint *at = d.intros[0].relay.endpoints;

    (void)state;
    d.intros[0] = fixture_intro(1, 2);
    assert_int_equal(read_text(&d), OK);
    at[0] = at[1];
    assert_int_equal(read_text(&d), ERR_UNSORTED);
    at[1] = fixture_endpoint("8.8.8.8:53");
    assert_int_equal(read_text(&d), ERR_UNSORTED);
    at[0] = at[1];
    assert_int_equal(read_text(&d), ERR_UNSORTED);
    d.intros[0].relay.endpoint_count = 1;
    at[0] = fixture_endpoint("[2a00:1450::1]:53");
    assert_int_equal(read_text(&d), OK);
}

static void put_hex(uint8_t text[SERVICE_TEXT_BYTES], const char *hex)
{
    struct bytes made = test_hex(hex);

    memset(text, 0, SERVICE_TEXT_BYTES);
    memcpy(text, made.p, made.len);
}

#define KEY \
    "c420 0101010101010101010101010101010101010101010101010101010101010101"
#define EP "c406 080808081ec9"
#define ID "c410 01010101010101010101010101010101"

static void test_service_text_of_another_layout(void **state)
{
    static const struct {
        const char *hex;
        enum error e;
    } cases[] = {
        {"96 01 01 01 00 c0 90", OK},
        {"96 01 01 01 00 c0 91 93 93" KEY KEY "91" EP ID KEY, OK},
        {"00", ERR_WRONG_TYPE},
        {"95 01 01 01 00 c0", ERR_MISSING},
        {"97 01 01 01 00 c0 90 00", ERR_TOO_LARGE},
        {"96 01 01 00 00 c0 90", ERR_RANGE},
        {"96 01 01 cd05a0 00 c0 90", OK},
        {"96 01 01 cd05a1 00 c0 90", ERR_RANGE},
        {"96 cf0000000100000000 01 01 00 c0 90", ERR_RANGE},
        {"96 01 cf0000000100000000 01 00 c0 90", ERR_RANGE},
        {"96 01 01 01 cd0100 c0 90", ERR_RANGE},
        {"96 01 01 01 ff c0 90", ERR_RANGE},
        {"96 01 01 01 00 93" ID "01 01 90", OK},
        {"96 01 01 01 00 93" ID "00 01 90", ERR_RANGE},
        {"96 01 01 01 00 92" ID "01 90", ERR_MISSING},
        {"96 01 01 01 00 93" KEY "01 01 90", ERR_WRONG_LENGTH},
        {"96 01 01 01 00 c0 90 01", ERR_TRAILING},
        {"96 01 01 01 00 c0 90 00 00 00 00 00 01", ERR_TRAILING},
        {"96 01 01 01 00 c0 c0", ERR_WRONG_TYPE},
        {"96 01 01 01 00 c0 97 00 00 00 00 00 00 00", ERR_TOO_LARGE},
        {"96 01 01 01 00 c0 dc00c8", ERR_TOO_LARGE}, /* 200 */
        {"96 01 01 01 00 c0 91 93 93" KEY KEY "90" ID KEY, ERR_MISSING},
        {"96 01 01 01 00 c0 91 93 93" KEY KEY "93" EP EP EP ID KEY,
         ERR_TOO_LARGE},
        {"96 01 01 01 00 c0 91 93 92" KEY "91" EP ID KEY, ERR_MISSING},
        {"96 01 01 01 00 c0 91 92 93" KEY KEY "91" EP ID, ERR_MISSING},
        {"96 01 01 01 00 c0 91 93 93" KEY KEY "91" ID ID KEY, ERR_WRONG_LENGTH},
        {"96 01 01 01 00 c0 91 93 93" KEY KEY "91" EP KEY KEY,
         ERR_WRONG_LENGTH},
        {"96 01 01 01 00 c0 91 93 93" KEY ID "91" EP ID KEY, ERR_WRONG_LENGTH},
        {"c1", ERR_NOT_MSGPACK},
    };
    uint8_t text[SERVICE_TEXT_BYTES];
    struct service_descriptor got;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        put_hex(text, cases[i].hex);
        if (service_text_read(text, false, &got) != cases[i].e)
            fail_msg("case %zu: %s", i,
                     error_text(service_text_read(text, false, &got)));
    }
}

static void test_service_text_random(void **state)
{
    struct test_random random = test_seed(5);
    struct service_descriptor d = fixture_largest(), got;
    uint8_t text[SERVICE_TEXT_BYTES];

    (void)state;
    for (int i = 0; i < 20000; i++) {
        if (i % 2) {
            test_random_fill(&random, text, sizeof(text));
        } else {
            service_text_write(&d, text);
            for (int n = 0; n < 3; n++)
                text[test_random_below(&random, sizeof(text))] =
                    (uint8_t)test_random_next(&random);
        }
        (void)service_text_read(text, false, &got);
    }
}

static void test_service_descriptor_times(void **state)
{
    static const struct {
        int64_t issued; /* from now */
        uint16_t lifetime;
        enum error e;
    } cases[] = {
        {0, 180, OK},
        {7200, 180, OK},
        {7201, 180, ERR_FUTURE},
        {-180 * 60 - 7200, 180, OK},
        {-180 * 60 - 7201, 180, ERR_EXPIRED},
        {-10 * 60 - 7200, 10, OK},
        {-10 * 60 - 7201, 10, ERR_EXPIRED},
        {-(int64_t)FIXTURE_WALL, 180, ERR_EXPIRED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct service_descriptor d = {.lifetime = cases[i].lifetime};

        d.issued = (uint32_t)(FIXTURE_WALL + cases[i].issued);
        assert_int_equal(service_descriptor_check_time(&d, FIXTURE_WALL),
                         cases[i].e);
        assert_int_equal(service_descriptor_expires(&d),
                         d.issued + 60u * d.lifetime);
    }
}

static void test_service_descriptor_fault_is_told(void **state)
{
    struct service_fixture f = fixture_service(1, FIXTURE_PERIOD);
    struct service_descriptor d = fixture_descriptor(FIXTURE_PERIOD, 1);
    struct service_item items[SERVICE_REPLICAS];

    (void)state;
    f.key.scalar[0] ^= 1;
    assert_int_equal(
        service_descriptor_seal(&f.view, &f.key, &d, 1, nonce, items),
        ERR_SIGNATURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_service_descriptor_there_and_back),
        cmocka_unit_test(test_service_descriptor_has_one_length),
        cmocka_unit_test(test_service_descriptor_largest_text),
        cmocka_unit_test(test_service_descriptor_sorts),
        cmocka_unit_test(test_service_descriptor_forged),
        cmocka_unit_test(test_service_descriptor_of_another),
        cmocka_unit_test(test_service_view_of_no_key),
        cmocka_unit_test(test_service_descriptor_of_another_version),
        cmocka_unit_test(test_service_descriptor_of_another_length),
        cmocka_unit_test(test_service_text_one_relay_often),
        cmocka_unit_test(test_service_text_endpoints),
        cmocka_unit_test(test_service_text_order_of_endpoints),
        cmocka_unit_test(test_service_text_of_another_layout),
        cmocka_unit_test(test_service_text_random),
        cmocka_unit_test(test_service_descriptor_times),
        cmocka_unit_test(test_service_descriptor_fault_is_told),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
