/* SPDX-License-Identifier: MIT */
#include "testing.h"

#include "tunnel/channel/invitation.h"
#include "tunnel/crypto/prologue.h"
#include "wire/msgpack/mp_writer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sodium.h>

#define NETWORK "test"

static uint8_t secret[32], key[32], credential[32] = {9};
static const uint8_t ephemeral[32] = {7, 7}, other_ephemeral[32] = {8, 8};
static struct invitation_to opener, responder;

static void begin(void)
{
    memset(secret, 3, sizeof(secret));
    noise_public_key(secret, key);
    opener = (struct invitation_to){
        .network = NETWORK, .credential = credential, .key = key};
    responder = opener;
    responder.secret = secret;
}

static struct endpoint ep(const char *text)
{
    struct endpoint out;

    assert_int_equal(endpoint_parse(text, &out), OK);
    return out;
}

/* With or without: a bit each. */
static struct invitation some(unsigned fields)
{
    struct invitation i = {.rendezvous = {.endpoint_count = 1}};

    memset(i.cookie, 1, sizeof(i.cookie));
    memset(i.rendezvous.identity, 2, 32);
    memset(i.rendezvous.handshake_key, 3, 32);
    i.rendezvous.endpoints[0] = ep("8.8.4.4:7881");
    i.resume = fields & 1;
    i.has_member = (fields & 2) != 0;
    if (i.resume)
        memset(i.resume_id, 4, sizeof(i.resume_id));
    if (i.has_member) {
        memset(i.member, 5, sizeof(i.member));
        memset(i.mac, 6, sizeof(i.mac));
    }
    if (fields & 4)
        i.rendezvous.endpoints[i.rendezvous.endpoint_count++] =
            ep("[2a00:1450::1]:7881");
    i.greeting = fields & 8 ? UINT32_MAX : 0;
    i.flags = fields & 16 ? UINT8_MAX : 0;
    return i;
}

static void assert_same(const struct invitation *a, const struct invitation *b)
{
    assert_memory_equal(a->cookie, b->cookie, sizeof(a->cookie));
    assert_memory_equal(a->rendezvous.identity, b->rendezvous.identity, 32);
    assert_memory_equal(a->rendezvous.handshake_key,
                        b->rendezvous.handshake_key, 32);
    assert_int_equal(a->rendezvous.endpoint_count,
                     b->rendezvous.endpoint_count);
    for (unsigned i = 0; i < a->rendezvous.endpoint_count; i++)
        assert_true(endpoint_equal(&a->rendezvous.endpoints[i],
                                   &b->rendezvous.endpoints[i]));
    assert_int_equal(a->resume, b->resume);
    assert_memory_equal(a->resume_id, b->resume_id, sizeof(a->resume_id));
    assert_int_equal(a->has_member, b->has_member);
    assert_memory_equal(a->member, b->member, sizeof(a->member));
    assert_memory_equal(a->mac, b->mac, sizeof(a->mac));
    assert_int_equal(a->greeting, b->greeting);
    assert_int_equal(a->flags, b->flags);
}

static void write(const struct invitation *i, struct noise *n,
                  uint8_t noise1[MEETING_NOISE1_BYTES])
{
    assert_int_equal(invitation_write(i, &opener, ephemeral, n, noise1), OK);
}

static enum error read_with(const struct invitation_to *to,
                            const uint8_t noise1[MEETING_NOISE1_BYTES])
{
    struct noise n;
    struct invitation i;
    enum error e = invitation_read(noise1, to, false, &n, &i);

    if (e == OK)
        noise_deinit(&n);
    return e;
}

/* ---- Both ways ----------------------------------------------------------- */

static void test_invitation_each_field_is_optional(void **state)
{
    (void)state;
    begin();
    for (unsigned fields = 0; fields < 32; fields++) {
        struct invitation i = some(fields), got;
        uint8_t noise1[MEETING_NOISE1_BYTES], noise2[MEETING_NOISE2_BYTES];
        struct channel_keys a, b;
        struct noise n, m;
        bool resumed = false;

        write(&i, &n, noise1);
        assert_int_equal(invitation_read(noise1, &responder, false, &m, &got),
                         OK);
        assert_same(&i, &got);
        assert_int_equal(
            invitation_answer(&m, other_ephemeral, fields & 1, noise2, &b), OK);
        assert_int_equal(invitation_answered(&n,
                                             bytes_of(noise2, sizeof(noise2)),
                                             &resumed, &a),
                         OK);
        assert_int_equal(resumed, fields & 1);
        assert_memory_equal(a.out, b.in, sizeof(a.out));
        assert_memory_equal(a.in, b.out, sizeof(a.in));
        assert_memory_not_equal(a.in, a.out, sizeof(a.in));
        assert_memory_equal(a.resume, b.resume, sizeof(a.resume));
        assert_false(sodium_is_zero(a.resume, sizeof(a.resume)));
    }
}

/* Random ones are read as they were written. */
static void test_invitation_random(void **state)
{
    struct test_random r = test_seed(1);

    (void)state;
    begin();
    for (unsigned k = 0; k < 500; k++) {
        struct invitation i = some(test_random_below(&r, 32)), got;
        uint8_t noise1[MEETING_NOISE1_BYTES];
        struct noise n, m;

        test_random_fill(&r, i.cookie, sizeof(i.cookie));
        test_random_fill(&r, i.rendezvous.identity, 32);
        i.greeting = (uint32_t)test_random_next(&r);
        i.flags = (uint8_t)test_random_next(&r);
        write(&i, &n, noise1);
        noise_deinit(&n);
        assert_int_equal(invitation_read(noise1, &responder, false, &m, &got),
                         OK);
        assert_same(&i, &got);
        noise_deinit(&m);
    }
}

/* ---- What fails ---------------------------------------------------------- */

static void test_invitation_each_bit_counts(void **state)
{
    uint8_t noise1[MEETING_NOISE1_BYTES], flipped[MEETING_NOISE1_BYTES];
    struct invitation i = some(31);
    struct noise n;

    (void)state;
    begin();
    write(&i, &n, noise1);
    noise_deinit(&n);
    for (unsigned bit = 0; bit < 8 * MEETING_NOISE1_BYTES; bit++) {
        memcpy(flipped, noise1, sizeof(flipped));
        flipped[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(read_with(&responder, flipped), ERR_SIGNATURE);
    }
    assert_int_equal(read_with(&responder, noise1), OK);
}

static void test_invitation_for_one_end_only(void **state)
{
    uint8_t noise1[MEETING_NOISE1_BYTES], other_secret[32], other_key[32];
    uint8_t other_credential[32] = {8};
    struct invitation i = some(0);
    struct invitation_to to;
    struct noise n;

    (void)state;
    begin();
    memset(other_secret, 4, sizeof(other_secret));
    noise_public_key(other_secret, other_key);
    write(&i, &n, noise1);
    noise_deinit(&n);
    to = responder;
    to.credential = other_credential; /* knows the point, not the address */
    assert_int_equal(read_with(&to, noise1), ERR_SIGNATURE);
    to = responder;
    to.network = "tesu";
    assert_int_equal(read_with(&to, noise1), ERR_SIGNATURE);
    to = responder;
    to.secret = other_secret;
    assert_int_equal(read_with(&to, noise1), ERR_SIGNATURE);
    to.key = other_key;
    assert_int_equal(read_with(&to, noise1), ERR_SIGNATURE);
    to = responder;
    to.key = other_key; /* the public half is in the transcript */
    assert_int_equal(read_with(&to, noise1), ERR_SIGNATURE);
}

static void test_invitation_keys_of_nobody(void **state)
{
    static const uint8_t low[32] = {0};
    uint8_t noise1[MEETING_NOISE1_BYTES];
    struct invitation i = some(0);
    struct noise n;

    (void)state;
    begin();
    opener.key = low;
    assert_int_equal(invitation_write(&i, &opener, ephemeral, &n, noise1),
                     ERR_RANGE);
}

/* A private rendezvous point is for networks where that is all there is. */
static void test_invitation_to_a_private_address(void **state)
{
    uint8_t noise1[MEETING_NOISE1_BYTES];
    struct invitation i = some(0), got;
    struct noise n, m;

    (void)state;
    begin();
    i.rendezvous.endpoints[0] = ep("127.0.0.1:7881");
    write(&i, &n, noise1);
    noise_deinit(&n);
    assert_int_equal(read_with(&responder, noise1), ERR_ADDRESS);
    assert_int_equal(invitation_read(noise1, &responder, true, &m, &got), OK);
    noise_deinit(&m);
}

/* ---- Other texts by who knows all ---------------------------------------- */

struct text {
    uint64_t version, greeting, flags;
    size_t cookie, resume, member, mac;
    unsigned elements, endpoints;
    uint8_t behind; /* the last byte of the frame */
};

static const struct text good = {
    .version = 1, .cookie = 16, .elements = 8, .endpoints = 1};

static void seal(const struct text *t, uint8_t noise1[MEETING_NOISE1_BYTES])
{
    static const uint8_t some_bytes[64] = {1, 2, 3};
    struct relay_target target = some(0).rendezvous;
    uint8_t text[INVITATION_SEALED] = {0};
    struct mp_writer w;
    struct noise n;

    mp_writer_init(&w, text, sizeof(text));
    mp_write_array(&w, t->elements);
    mp_write_uint(&w, t->version);
    mp_write_bin(&w, bytes_of(some_bytes, t->cookie));
    target.endpoint_count = (uint8_t)t->endpoints;
    target.endpoints[1] = ep("[2a00:1450::1]:7881");
    relay_target_write(&w, &target);
    mp_write_bin(&w, bytes_of(some_bytes, t->resume));
    mp_write_bin(&w, bytes_of(some_bytes, t->member));
    mp_write_bin(&w, bytes_of(some_bytes, t->mac));
    mp_write_uint(&w, t->greeting);
    if (t->elements >= 8)
        mp_write_uint(&w, t->flags);
    if (t->elements >= 9)
        mp_write_uint(&w, 0);
    assert_int_equal(w.err, OK);
    text[sizeof(text) - 1] = t->behind;
    prologue_init_noise(&n, "service", NETWORK, credential, key);
    assert_int_equal(
        noise_write_first(&n, ephemeral, bytes_of(text, sizeof(text)), noise1),
        OK);
    noise_deinit(&n);
}

static enum error read_text(const struct text *t)
{
    uint8_t noise1[MEETING_NOISE1_BYTES];

    seal(t, noise1);
    return read_with(&responder, noise1);
}

static void test_invitation_texts(void **state)
{
    struct text t = good;

    (void)state;
    begin();
    assert_int_equal(read_text(&good), OK);
    t.behind = 1;
    assert_int_equal(read_text(&t), ERR_TRAILING);
    for (unsigned v = 0; v < 300; v++) {
        t = good;
        t.version = v;
        assert_int_equal(read_text(&t), v == 1 ? OK : ERR_UNSUPPORTED);
    }
    t = good;
    t.elements = 7;
    assert_int_equal(read_text(&t), ERR_MISSING);
    t.elements = 9;
    assert_true(read_text(&t) != OK);
    t = good;
    t.greeting = UINT32_MAX;
    assert_int_equal(read_text(&t), OK);
    t.greeting++;
    assert_true(read_text(&t) != OK);
    t = good;
    t.flags = UINT8_MAX;
    assert_int_equal(read_text(&t), OK);
    t.flags++;
    assert_true(read_text(&t) != OK);
}

static void test_invitation_sizes_are_fixed(void **state)
{
    (void)state;
    begin();
    for (size_t len = 0; len <= 40; len++) {
        struct text t = good;

        t.cookie = len;
        assert_int_equal(read_text(&t) == OK, len == 16);
        t = good;
        t.resume = len;
        assert_int_equal(read_text(&t) == OK, len == 0 || len == 16);
        t = good;
        t.member = len;
        t.mac = 16;
        assert_int_equal(read_text(&t) == OK, len == 32);
        t.member = 32;
        t.mac = len;
        assert_int_equal(read_text(&t) == OK, len == 16);
    }
}

/* A member without its proof, or a proof of nobody. */
static void test_invitation_member_and_mac_go_together(void **state)
{
    struct text t = good;

    (void)state;
    begin();
    t.member = 32;
    assert_int_equal(read_text(&t), ERR_MISSING);
    t.member = 0;
    t.mac = 16;
    assert_int_equal(read_text(&t), ERR_MISSING);
}

/* ---- The answer ---------------------------------------------------------- */

static void invite(struct noise *n, struct noise *m)
{
    uint8_t noise1[MEETING_NOISE1_BYTES];
    struct invitation i = some(0), got;

    write(&i, n, noise1);
    assert_int_equal(invitation_read(noise1, &responder, false, m, &got), OK);
}

/* What is false leaves the handshake as it was: the right one still counts. */
static void test_invitation_false_answers(void **state)
{
    uint8_t noise2[MEETING_NOISE2_BYTES], flipped[MEETING_NOISE2_BYTES];
    struct channel_keys keys = {0}, theirs;
    struct noise n, m;
    bool resumed = true;

    (void)state;
    begin();
    invite(&n, &m);
    assert_int_equal(
        invitation_answer(&m, other_ephemeral, false, noise2, &theirs), OK);
    for (unsigned bit = 0; bit < 8 * MEETING_NOISE2_BYTES; bit++) {
        memcpy(flipped, noise2, sizeof(flipped));
        flipped[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(invitation_answered(&n,
                                             bytes_of(flipped, sizeof(flipped)),
                                             &resumed, &keys),
                         ERR_SIGNATURE);
    }
    for (size_t len = 0; len < MEETING_NOISE2_BYTES; len++)
        assert_int_equal(
            invitation_answered(&n, bytes_of(noise2, len), &resumed, &keys),
            ERR_WRONG_LENGTH);
    assert_true(sodium_is_zero(keys.in, sizeof(keys.in)) && resumed);
    assert_int_equal(invitation_answered(&n, bytes_of(noise2, sizeof(noise2)),
                                         &resumed, &keys),
                     OK);
    assert_memory_equal(keys.in, theirs.out, sizeof(keys.in));
    assert_false(resumed);
}

/* The relay at the rendezvous point, or the introduction point, answers with
 * keys of its own. */
static void test_invitation_answered_by_another(void **state)
{
    uint8_t noise2[MEETING_NOISE2_BYTES], own_secret[32], own_key[32];
    struct invitation_to relay;
    struct channel_keys keys;
    struct noise n, m;
    bool resumed;

    (void)state;
    begin();
    memset(own_secret, 4, sizeof(own_secret));
    noise_public_key(own_secret, own_key);
    invite(&n, &m);
    noise_deinit(&m);
    relay = opener;
    relay.key = own_key;
    prologue_init_noise(&m, "service", relay.network, relay.credential,
                        relay.key);
    noise_public_key(ephemeral, m.e_remote); /* what it saw pass by */
    assert_int_equal(
        invitation_answer(&m, other_ephemeral, false, noise2, &keys), OK);
    assert_int_equal(invitation_answered(&n, bytes_of(noise2, sizeof(noise2)),
                                         &resumed, &keys),
                     ERR_SIGNATURE);
    noise_deinit(&n);
}

/* Each handshake has keys and a name of its own. */
static void test_invitation_keys_are_new_each_time(void **state)
{
    struct channel_keys keys[2];

    (void)state;
    begin();
    for (unsigned i = 0; i < 2; i++) {
        uint8_t noise2[MEETING_NOISE2_BYTES],
            fresh[32] = {(uint8_t)(8 * i + 8)};
        struct noise n, m;

        invite(&n, &m);
        noise_deinit(&n);
        assert_int_equal(invitation_answer(&m, fresh, true, noise2, &keys[i]),
                         OK);
    }
    assert_memory_not_equal(keys[0].in, keys[1].in, 32);
    assert_memory_not_equal(keys[0].out, keys[1].out, 32);
    assert_memory_not_equal(keys[0].resume, keys[1].resume,
                            CHANNEL_RESUME_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_invitation_each_field_is_optional),
        cmocka_unit_test(test_invitation_random),
        cmocka_unit_test(test_invitation_each_bit_counts),
        cmocka_unit_test(test_invitation_for_one_end_only),
        cmocka_unit_test(test_invitation_keys_of_nobody),
        cmocka_unit_test(test_invitation_to_a_private_address),
        cmocka_unit_test(test_invitation_texts),
        cmocka_unit_test(test_invitation_sizes_are_fixed),
        cmocka_unit_test(test_invitation_member_and_mac_go_together),
        cmocka_unit_test(test_invitation_false_answers),
        cmocka_unit_test(test_invitation_answered_by_another),
        cmocka_unit_test(test_invitation_keys_are_new_each_time),
    };

    return cmocka_run_group_tests_name("invitation", tests, NULL, NULL);
}
