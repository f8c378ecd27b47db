/* SPDX-License-Identifier: MIT
 *
 * The test vectors of docs/protocol-services.md, made by the code (vectors.h).
 *
 * Keys and random bytes are one byte repeated, so that they can be told apart
 * in the file: 11 the seed of the key service, 55 an access secret, 66 the
 * nonce of the descriptor, 77 the salt of a point at the relay 88, 99 and aa
 * the secrets of two members, bb the nonce of an entry, cc the initiator's key
 * of a handshake, dd the seed of work.
 */
#include "service_fixture.h"

#include "tunnel/record/address.h"
#include "tunnel/record/entry.h"
#include "tunnel/record/member_proof.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "vectors.h"

#define DOCUMENT "docs/vectors/services.txt"
#define PERIOD   FIXTURE_PERIOD

static void put32(const char *name, const uint8_t p[32])
{
    put_bytes(name, p, 32);
}

static struct blinded_key put_blinded(const struct service_secret *secret,
                                      const struct service_name *name,
                                      uint32_t period, unsigned n)
{
    struct blinded_key key;
    uint8_t factor[32];

    blind_factor(NETWORK, name, period, factor);
    blind_secret(secret, factor, &key);
    put32(nth("blind_factor", n), factor);
    put32(nth("blinded_scalar", n), key.scalar);
    put32(nth("blinded_prefix", n), key.prefix);
    put32(nth("blinded_key", n), key.key);
    return key;
}

static void put_keys(void)
{
    struct service_secret secret = fixture_secret(0x11);
    struct service_name name = fixture_name(0x11);
    struct bytes message = bytes_of_text("a value");
    char address[ADDRESS_TEXT_SIZE];
    uint8_t out[64];
    struct blinded_key key;

    put("\n# A service with a key, and its address as text.\n");
    put32("scalar", secret.scalar);
    put32("prefix", secret.prefix);
    put32("key", secret.key);
    address_print(NETWORK, name.key, address);
    put_bytes("address", (const uint8_t *)address, strlen(address));
    blind_credential(NETWORK, &name, out);
    put32("credential", out);
    put("\n# Blinded: in period %u, in the one after it, and in period %u for "
        "those\n# with the access secret. The signature is of \"a value\", by "
        "the first.\n",
        PERIOD, PERIOD);
    key = put_blinded(&secret, &name, PERIOD, 1);
    assert_int_equal(blind_sign(&key, message, out), OK);
    put_bytes("signature", out, sizeof(out));
    (void)put_blinded(&secret, &name, PERIOD + 1, 2);
    name.has_access = true;
    memset(name.access, 0x55, sizeof(name.access));
    (void)put_blinded(&secret, &name, PERIOD, 3);
    blind_credential(NETWORK, &name, out);
    put32("credential_with_access", out);
}

static void put_descriptor(void)
{
    struct service_fixture f = fixture_service(0x11, PERIOD);
    struct service_descriptor d = fixture_descriptor(PERIOD, 3);
    struct service_item items[SERVICE_REPLICAS];
    uint8_t text[SERVICE_TEXT_BYTES], nonce[SERVICE_NONCE_BYTES];

    put("\n# Its descriptor: three introduction points, the second with two "
        "endpoints,\n# and work; the text, and the item with seq 7.\n");
    d.intros[1] = fixture_intro(2, 2);
    d.has_work = true;
    memset(d.work_seed, 0xdd, sizeof(d.work_seed));
    d.work_effort = 2048;
    d.work_expires = FIXTURE_WALL + 3600;
    service_text_write(&d, text);
    put_bytes("descriptor_text", text, sizeof(text));
    memset(nonce, 0x66, sizeof(nonce));
    assert_int_equal(
        service_descriptor_seal(&f.view, &f.key, &d, 7, nonce, items), OK);
    put_bytes("descriptor_value", items[0].value.mp, items[0].value.len);
    put_bytes("descriptor_signature.0", items[0].signature, 64);
    put_bytes("descriptor_signature.1", items[1].signature, 64);
    d.intro_count = 0;
    d.has_work = false;
    d.lifetime = SERVICE_LIFETIME_WITHDRAWN;
    assert_int_equal(
        service_descriptor_seal(&f.view, &f.key, &d, 8, nonce, items), OK);
    put("# Withdrawn, with seq 8.\n");
    put_bytes("withdrawn_value", items[0].value.mp, items[0].value.len);
}

static void put_point(void)
{
    uint8_t seed[32], secret[32], salt[POINT_SALT], relay[32];
    struct point_keys keys;

    put("\n# Its keys at an introduction point.\n");
    memset(seed, 0x11, sizeof(seed));
    memset(salt, 0x77, sizeof(salt));
    memset(relay, 0x88, sizeof(relay));
    service_key_secret(seed, secret);
    put32("service_secret", secret);
    service_key_point(secret, salt, relay, &keys);
    put_bytes("auth_seed", keys.auth_secret, 32);
    put32("auth_key", keys.auth_key);
    put_bytes("auth_id", keys.auth_id, AUTH_ID_BYTES);
    put32("point_secret", keys.service_secret);
    put32("point_key", keys.service_key);
}

/* What is in an entry, or seals one, of two members. */
static void put_members(const uint8_t entry_key[32], const uint8_t topic[32])
{
    uint8_t secret[32], m[2][32], key[2][32], nonce[ENTRY_NONCE_BYTES];
    uint8_t sealed[ENTRY_BYTES], e[32], mac[MEMBER_MAC_BYTES];
    struct entry_place place;
    struct entry entry = {.issued = FIXTURE_WALL};

    for (unsigned i = 0; i < 2; i++) {
        memset(secret, i == 0 ? 0x99 : 0xaa, sizeof(secret));
        service_key_member(secret, m[i], key[i]);
        put32(nth("member_secret", i + 1), m[i]);
        put32(nth("member_key", i + 1), key[i]);
    }
    memset(place.auth_id, 0x77, sizeof(place.auth_id));
    memset(place.relay, 0x88, sizeof(place.relay));
    memcpy(place.topic, topic, sizeof(place.topic));
    memset(nonce, 0xbb, sizeof(nonce));
    memcpy(entry.member, key[0], sizeof(entry.member));
    entry_seal(entry_key, &place, &entry, nonce, sealed);
    put("# The first one's entry, under auth id 77.. at relay 88..\n");
    put_bytes("entry", sealed, sizeof(sealed));
    memset(e, 0xcc, sizeof(e));
    assert_int_equal(member_prove(m[0], key[0], key[1], e, mac), OK);
    put("# The first one opens a channel to the second.\n");
    put_bytes("member_mac", mac, sizeof(mac));
}

static void put_string(void)
{
    uint8_t root[32], topic[32], entry_key[32], credential[32];
    struct id id;

    put("\n# The string \"my service identifier\", in period %u.\n", PERIOD);
    assert_int_equal(
        topic_root(NETWORK, bytes_of_text("my service identifier"), root), OK);
    put32("root", root);
    topic_of(root, PERIOD, topic);
    put32("topic", topic);
    topic_entry_key(root, PERIOD, entry_key);
    put32("entry_key", entry_key);
    topic_credential(root, credential);
    put32("string_credential", credential);
    for (unsigned i = 0; i < TOPIC_REPLICAS; i++) {
        topic_hash(NETWORK, topic, i, &id);
        put_bytes(nth("topic_hash", i), id.b, ID_BYTES);
    }
    put_members(entry_key, topic);
}

static void put_work(void)
{
    struct work_task task = {.effort = 64};
    struct work_proof proof;
    uint64_t nonce = 0;

    memset(task.seed, 0xdd, sizeof(task.seed));
    memset(task.auth_id, 0x77, sizeof(task.auth_id));
    memset(task.e, 0xcc, sizeof(task.e));
    assert_int_equal(work_solve(&task, &nonce, 10000, &proof), OK);
    put("\n# The first proof of work of effort 64 from nonce 0 on.\n");
    put_counter("work_nonce", proof.nonce);
    put_bytes("work_digest", proof.digest, sizeof(proof.digest));
}

static void test_service_vectors_are_those_of_the_document(void **state)
{
    (void)state;
    put("# Test vectors of hidden services, see docs/protocol-services.md.\n"
        "# Written by test_service_vectors.c; do not edit.\n"
        "# Everything is of the network \"" NETWORK "\".\n");
    put_keys();
    put_descriptor();
    put_point();
    put_string();
    put_work();
    vectors_compare(DOCUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_service_vectors_are_those_of_the_document),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
