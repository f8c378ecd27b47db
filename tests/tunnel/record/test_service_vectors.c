/* SPDX-License-Identifier: MIT
 *
 * The test vectors of docs/protocol-services.md, made by the code (vectors.h).
 *
 * Keys and random bytes are one byte repeated, so that they can be told apart
 * in the file: 11 the seed of the key service, 55 an access secret, 66 the
 * nonce of the descriptor, 77 the salt of a point at the relay 88, 99 and aa
 * the secrets of two members, bb the nonce of an entry, cc the initiator's key
 * of a handshake, dd the seed of work, ee and ef the keys of the two sides of
 * the handshake "service", f0 and f1 keys of onion layers, f2 the identity of
 * the rendezvous point, f3 a cookie, f4 the transcript of a hop, f5 a resume
 * name that is asked for.
 */
#include "service_fixture.h"

#include "tunnel/channel/end_message.h"
#include "tunnel/channel/invitation.h"
#include "tunnel/circuit/onion.h"
#include "tunnel/link/cell.h"
#include "tunnel/record/address.h"
#include "tunnel/record/entry.h"
#include "tunnel/record/member_proof.h"
#include "tunnel/record/service_key.h"

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
    uint8_t hint[WORK_HINT_BYTES];
    uint64_t nonce = 0;

    memset(task.seed, 0xdd, sizeof(task.seed));
    memset(task.auth_id, 0x77, sizeof(task.auth_id));
    memset(task.e, 0xcc, sizeof(task.e));
    assert_int_equal(work_solve(&task, &nonce, 10000, &proof), OK);
    put("\n# The first proof of work of effort 64 from nonce 0 on.\n");
    put_counter("work_nonce", proof.nonce);
    put_bytes("work_digest", proof.digest, sizeof(proof.digest));
    work_hint(task.seed, task.auth_id, hint);
    put_bytes("work_hint", hint, sizeof(hint));
}

/* ---- Meeting ------------------------------------------------------------ */

static struct point_keys keys_of_point(void)
{
    uint8_t seed[32], secret[32], salt[POINT_SALT], relay[32];
    struct point_keys keys;

    memset(seed, 0x11, sizeof(seed));
    memset(salt, 0x77, sizeof(salt));
    memset(relay, 0x88, sizeof(relay));
    service_key_secret(seed, secret);
    service_key_point(secret, salt, relay, &keys);
    return keys;
}

static void put_establish(void)
{
    struct point_keys keys = keys_of_point();
    uint8_t topic[32], entry[MEETING_ENTRY_BYTES], signature[64];
    uint8_t transcript[MEETING_TRANSCRIPT_BYTES], covered[MEETING_SIGNED_MAX];
    uint8_t text[1240];
    struct meeting_message m = {.type = MEETING_INTRO_ESTABLISH,
                                .auth_key = keys.auth_key,
                                .rate = 20,
                                .burst = 300,
                                .signature = signature};
    size_t len;

    memset(transcript, 0xf4, sizeof(transcript));
    memset(topic, 0x01, sizeof(topic));
    memset(entry, 0x02, sizeof(entry));
    put("\n# INTRO_ESTABLISH of a service and of a member (topic 01.., entry "
        "02..), with\n# a rate of 20 and a burst of 300, on a circuit whose "
        "transcript begins f4..\n");
    for (unsigned i = 0; i < 2; i++) {
        m.topic = i == 0 ? NULL : topic;
        m.entry = i == 0 ? NULL : entry;
        len = meeting_signed_bytes(&m, transcript, covered);
        crypto_sign_detached(signature, NULL, covered, len, keys.auth_secret);
        assert_int_equal(meeting_message_write(&m, text, sizeof(text), &len),
                         OK);
        put_bytes(nth("establish", i), text, len);
    }
}

static struct invitation invitation_of_vectors(bool of_member)
{
    struct invitation i = {.greeting = FIXTURE_WALL};

    memset(i.cookie, 0xf3, sizeof(i.cookie));
    i.rendezvous = fixture_intro(1, 2).relay;
    memset(i.rendezvous.identity, 0xf2, sizeof(i.rendezvous.identity));
    i.has_member = of_member;
    i.resume = !of_member;
    memset(i.resume_id, 0xf5, sizeof(i.resume_id));
    return i;
}

static void put_answer(const uint8_t noise1[MEETING_NOISE1_BYTES],
                       const struct invitation_to *to, struct noise *opener)
{
    uint8_t ephemeral[32], noise2[MEETING_NOISE2_BYTES];
    struct channel_keys here, there;
    struct invitation read;
    struct noise n;
    bool resumed;

    assert_int_equal(invitation_read(noise1, to, false, &n, &read), OK);
    memset(ephemeral, 0xef, sizeof(ephemeral));
    assert_int_equal(invitation_answer(&n, ephemeral, true, noise2, &here), OK);
    put_bytes("noise2", noise2, sizeof(noise2));
    assert_int_equal(invitation_answered(opener,
                                         bytes_of(noise2, sizeof(noise2)),
                                         &resumed, &there),
                     OK);
    assert_true(resumed);
    assert_memory_equal(here.out, there.in, 32);
    put32("to_responder", there.out);
    put32("to_initiator", there.in);
    put_bytes("resume_name", there.resume, sizeof(there.resume));
}

/* To the key service; then of the second member to the first. */
static void put_invitations(void)
{
    struct point_keys keys = keys_of_point();
    struct service_name name = fixture_name(0x11);
    uint8_t credential[32], ephemeral[32], noise1[MEETING_NOISE1_BYTES];
    uint8_t secret[32], m[2][32], key[2][32], root[32], e[32];
    struct invitation i = invitation_of_vectors(false);
    struct invitation_to to = {.network = NETWORK,
                               .credential = credential,
                               .key = keys.service_key,
                               .secret = keys.service_secret};
    struct noise n;

    put("\n# The handshake \"service\" with that point, and its answer.\n");
    memset(ephemeral, 0xee, sizeof(ephemeral));
    blind_credential(NETWORK, &name, credential);
    assert_int_equal(invitation_write(&i, &to, ephemeral, &n, noise1), OK);
    put_bytes("noise1", noise1, sizeof(noise1));
    put_answer(noise1, &to, &n);

    put("# The second member introduces itself to the first.\n");
    for (unsigned j = 0; j < 2; j++) {
        memset(secret, j == 0 ? 0x99 : 0xaa, sizeof(secret));
        service_key_member(secret, m[j], key[j]);
    }
    i = invitation_of_vectors(true);
    memcpy(i.member, key[1], sizeof(i.member));
    noise_public_key(ephemeral, e);
    assert_int_equal(member_prove(m[1], key[1], key[0], e, i.mac), OK);
    assert_int_equal(
        topic_root(NETWORK, bytes_of_text("my service identifier"), root), OK);
    topic_credential(root, credential);
    to.key = key[0];
    assert_int_equal(invitation_write(&i, &to, ephemeral, &n, noise1), OK);
    put_bytes("noise1_of_member", noise1, sizeof(noise1));
    noise_deinit(&n);
}

/* ---- The end plane ------------------------------------------------------ */

static void put_end_message(const char *name, const struct end_message *m)
{
    uint8_t text[CELL_MAX];
    size_t len;

    assert_int_equal(end_message_write(m, text, sizeof(text), &len), OK);
    put_bytes(name, text, len);
}

static void put_end_messages(void)
{
    uint8_t cookie[MEETING_COOKIE_BYTES], noise1[MEETING_NOISE1_BYTES];
    struct end_message m = {.nonce = 5, .cookie = cookie};

    memset(cookie, 0xf3, sizeof(cookie));
    memset(noise1, 0x01, sizeof(noise1));
    put("\n# Messages of the end plane: nonce 5; \"hi\" to port 53; piece 1 of "
        "2 of\n# message 258, \"x\"; cookie f3.., noise1 01..; it is full; it "
        "is over.\n");
    m.type = END_HELLO;
    put_end_message("end_hello", &m);
    m.type = END_PING;
    put_end_message("end_ping", &m);
    m.type = END_PONG;
    put_end_message("end_pong", &m);
    m.type = END_DATA;
    m.port = 53;
    m.payload = bytes_of_text("hi");
    put_end_message("end_data", &m);
    m.type = END_PIECE;
    m.piece = (struct piece){
        .id = 258, .index = 1, .count = 2, .bytes = bytes_of_text("x")};
    put_end_message("end_piece", &m);
    m.type = END_MOVE;
    m.noise1 = bytes_of(noise1, sizeof(noise1));
    put_end_message("end_move", &m);
    m.type = END_MOVED;
    m.reason = REASON_FULL;
    put_end_message("end_moved", &m);
    m.type = END_CLOSE;
    m.reason = REASON_REQUESTED;
    put_end_message("end_close", &m);
    m.type = END_PACKET_IN;
    m.payload = bytes_of_text("packet");
    put_end_message("end_packet_in", &m);
    m.type = END_PACKET_BACK;
    put_end_message("end_packet_back", &m);
}

/* The text of the last hop, but for its fill, which is left out: the end layer
 * and its place are the same at each depth. */
static void put_end_layers(void)
{
    uint8_t body[CELL_MAX] = {0}, key[32];
    struct end_message m = {.type = END_HELLO, .nonce = 5};
    struct onion_sender end, hop[4];
    size_t len, small = CELL_SMALL - CELL_BODY_OFFSET;

    put("\n# Its first cell, small: HELLO under the key f0.. as end layer, and "
        "that in\n# layers under f1.., as the first hop gets it where that is "
        "the last, and\n# where the fourth is. The fill behind the end layer "
        "is aa..\n");
    memset(key, 0xf0, sizeof(key));
    onion_sender_init(&end, key);
    assert_int_equal(end_message_write(&m, body, sizeof(body), &len), OK);
    onion_end_add(&end, body, small);
    put_bytes("end_layer", body, onion_end_len(small));
    for (unsigned depth = 1; depth <= 4; depth += 3) {
        uint8_t cell[CELL_MAX];

        memset(cell, 0xaa, sizeof(cell));
        memcpy(cell, body, onion_end_len(small));
        memset(key, 0xf1, sizeof(key));
        for (unsigned i = depth; i > 0; i--) {
            onion_sender_init(&hop[i - 1], key);
            onion_add(&hop[i - 1], cell, small, i);
        }
        put_bytes(nth("end_cell", depth), cell, small);
    }
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
    put_establish();
    put_invitations();
    put_end_messages();
    put_end_layers();
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
