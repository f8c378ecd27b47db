/* SPDX-License-Identifier: MIT
 *
 * The test vectors of docs/protocol-tunnel.md, made by the code (vectors.h).
 *
 * Keys and random bytes are one byte repeated, so that they can be told apart
 * in the file: 11 the identity seed and 22 the handshake secret of hop 1, then
 * 12 and 23 of hop 2, 13 and 24 of hop 3; 3x and 4x ephemeral secrets of the
 * client and of hop x, 30 and 40 those of the link.
 */
#include "testing.h"

#include "tunnel/circuit/circuit_message.h"
#include "tunnel/circuit/onion.h"
#include "tunnel/crypto/prologue.h"
#include "tunnel/directory/descriptor.h"
#include "tunnel/directory/directory.h"
#include "tunnel/link/cell.h"
#include "tunnel/link/cookie.h"
#include "tunnel/link/link_text.h"
#include "tunnel/link/part.h"
#include "wire/msgpack/mp_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>

#include "vectors.h"

#define DOCUMENT "docs/vectors/tunnel.txt"
#define NETWORK  "test"
#define HOPS     3

/* ---- Keys --------------------------------------------------------------- */

struct node {
    uint8_t identity[32], signing[64];
    uint8_t secret[32], key[32];
};

static struct node hop[HOPS + 1]; /* from 1 */

static const uint8_t *bytes32(uint8_t value)
{
    static uint8_t out[32];

    memset(out, value, sizeof(out));
    return out;
}

static void put_nodes(void)
{
    for (unsigned i = 1; i <= HOPS; i++) {
        struct node *n = &hop[i];

        crypto_sign_seed_keypair(n->identity, n->signing,
                                 bytes32((uint8_t)(0x10 + i)));
        memcpy(n->secret, bytes32((uint8_t)(0x21 + i)), 32);
        noise_public_key(n->secret, n->key);
        put_bytes(nth("identity", i), n->identity, 32);
        put_bytes(nth("handshake_key", i), n->key, 32);
    }
}

static struct endpoint endpoint_of(unsigned i)
{
    return (struct endpoint){
        .family = FAMILY_IPV4, .addr = {203, 0, 113, (uint8_t)i}, .port = 7881};
}

/* ---- Handshakes --------------------------------------------------------- */

static void put_prologue(const char *purpose, const struct node *to)
{
    uint8_t buf[128];
    struct mp_writer w;

    mp_writer_init(&w, buf, sizeof(buf));
    mp_write_array(&w, 5);
    mp_write_text(&w, "warren");
    mp_write_uint(&w, TUNNEL_VERSION);
    mp_write_text(&w, purpose);
    mp_write_text(&w, NETWORK);
    mp_write_bin(&w, bytes_of(to->identity, 32));
    put_bytes("prologue", buf, w.len);
}

/* Both sides; the two messages and the keys. */
static void handshake(const char *purpose, const struct node *to, uint8_t eph,
                      struct bytes payload, uint8_t *noise1, uint8_t *noise2,
                      struct noise_keys *keys)
{
    uint8_t got[8];
    struct noise client, node;

    prologue_init_noise(&client, purpose, NETWORK, to->identity, to->key);
    prologue_init_noise(&node, purpose, NETWORK, to->identity, to->key);
    assert_int_equal(noise_write_first(&client, bytes32(eph), payload, noise1),
                     OK);
    assert_int_equal(
        noise_read_first(&node, to->secret,
                         bytes_of(noise1, payload.len + NOISE_OVERHEAD), got),
        OK);
    assert_int_equal(noise_write_second(&node, bytes32((uint8_t)(eph + 0x10)),
                                        bytes_of(NULL, 0), noise2),
                     OK);
    assert_int_equal(
        noise_read_second(&client, bytes_of(noise2, NOISE_OVERHEAD), got), OK);
    noise_split(&client, keys);
}

static void put_message(const char *name, struct link_message *m)
{
    uint8_t d[LINK_MESSAGE_MAX];
    size_t len = link_message_write(m, d);

    put_bytes(name, d, len);
}

static void put_init(const uint8_t *noise1)
{
    struct link_message m = {.kind = LINK_INIT,
                             .version = TUNNEL_VERSION,
                             .index = 0x01020304,
                             .noise = noise1};
    struct endpoint source = endpoint_of(200);
    uint8_t d[LINK_MESSAGE_MAX], nonce[LINK_NONCE_BYTES];
    uint8_t sealed[LINK_SEALED_BYTES], cookie[LINK_COOKIE_BYTES];
    uint8_t mac1[LINK_MAC_BYTES];
    struct link_message retry = {.kind = LINK_RETRY,
                                 .receiver = m.index,
                                 .nonce = bytes_of(nonce, sizeof(nonce)),
                                 .sealed = sealed};
    struct cookie_jar jar;
    size_t len = link_message_write(&m, d);

    cookie_set_macs(d, &m, hop[1].identity, NULL);
    memcpy(mac1, d + m.maced.len, sizeof(mac1));
    put_bytes("init", d, len);
    cookie_jar_init(&jar, bytes32(0x77), 0);
    memset(nonce, 0x66, sizeof(nonce));
    cookie_seal(&jar, &source, hop[1].identity, mac1, nonce, sealed);
    put_message("retry", &retry);
    assert_int_equal(cookie_open(&retry, hop[1].identity, mac1, cookie), OK);
    put_bytes("cookie", cookie, sizeof(cookie));
    cookie_set_macs(d, &m, hop[1].identity, cookie);
    put_bytes("init_with_cookie", d, len);
}

static void put_small_messages(void)
{
    static const uint8_t nonce[LINK_ASK_NONCE] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const uint8_t cookie[LINK_COOKIE_BYTES] = {9, 10, 11, 12};
    struct link_message m = {
        .kind = LINK_REFUSE, .receiver = 0x01020304, .version = TUNNEL_VERSION};

    put_message("refuse", &m);
    m = (struct link_message){.kind = LINK_ASK,
                              .version = TUNNEL_VERSION,
                              .network = bytes_of_text(NETWORK),
                              .nonce = bytes_of(nonce, sizeof(nonce))};
    put_message("ask", &m);
    m.cookie = cookie;
    put_message("ask_with_cookie", &m);
    assert_int_equal(endpoint_parse("203.0.113.200:7881", &m.reached), OK);
    m.ask_back = true;
    put_message("ask_of_unproven", &m);
    m = (struct link_message){.kind = LINK_COOKIE,
                              .nonce = bytes_of(nonce, sizeof(nonce)),
                              .cookie = cookie};
    put_message("cookie_for_ask", &m);
    m = (struct link_message){.kind = LINK_POKE};
    put_message("poke", &m);
    m = (struct link_message){.kind = LINK_UNKNOWN, .receiver = 0x01020304};
    put_message("unknown", &m);
}

static void put_cell(const char *name, const struct cell_keys *keys,
                     uint64_t counter, enum cell_type type, struct bytes t)
{
    struct cell_head head = {.circuit = type < CELL_CREATE ? 0 : 0x0a0b0c0d,
                             .type = (uint8_t)type};
    uint8_t d[CELL_SMALL] = {0};

    memcpy(d + CELL_BODY_OFFSET, t.p, t.len);
    if (type != CELL_RELAY)
        cell_seal_body(keys, counter, d, sizeof(d));
    else
        cell_mask(keys, counter, d, sizeof(d));
    cell_seal(keys, 0x05060708, counter, &head, d, sizeof(d));
    put_bytes(name, d, sizeof(d));
}

/* A PING that asks whether large cells pass, whole and in parts. */
static void put_parts(const struct cell_keys *keys)
{
    struct cell_head head = {.type = CELL_PING};
    uint8_t d[CELL_LARGE] = {0}, part[PART_BYTES];

    memset(d + CELL_BODY_OFFSET, 0x88, 8);
    cell_seal_body(keys, 4, d, sizeof(d));
    cell_seal(keys, 0x05060708, 4, &head, d, sizeof(d));
    put_bytes("cell_large_ping", d, sizeof(d));
    for (unsigned half = 0; half < 2; half++) {
        part_write(part, d, half);
        put_bytes(nth("part", half + 1), part, sizeof(part));
    }
}

static void put_link(void)
{
    uint8_t noise1[NOISE_OVERHEAD], noise2[NOISE_OVERHEAD];
    uint8_t t[LINK_TEXT_SMALL];
    struct link_message accept = {.kind = LINK_ACCEPT,
                                  .receiver = 0x01020304,
                                  .index = 0x05060708,
                                  .noise = noise2};
    struct noise_keys keys;
    struct cell_keys cells;
    size_t len;

    put("\n# A link to hop 1.\n");
    put_prologue("link", &hop[1]);
    handshake("link", &hop[1], 0x30, bytes_of(NULL, 0), noise1, noise2, &keys);
    put_bytes("noise1", noise1, sizeof(noise1));
    put_bytes("noise2", noise2, sizeof(noise2));
    put_init(noise1);
    put_message("accept", &accept);
    put_small_messages();
    put_bytes("to_responder", keys.to_responder, 32);
    put_bytes("to_initiator", keys.to_initiator, 32);
    put_bytes("transcript", keys.transcript, sizeof(keys.transcript));
    cell_keys_init(&cells, keys.to_responder);
    put_bytes("body_key", cells.body, 32);
    put_bytes("mask_key", cells.mask, sizeof(cells.mask));
    put_cell("cell_ping", &cells, 1, CELL_PING, bytes_of(t, 0));
    len = link_text_write_destroy(t, REASON_REQUESTED);
    put_bytes("text_destroy", t, len);
    put_cell("cell_destroy", &cells, 2, CELL_DESTROY, bytes_of(t, len));
    put_cell("cell_relay", &cells, 3, CELL_RELAY,
             bytes_of_text("a body of 344 bytes, zeros from here on"));
    put_parts(&cells);
    len = link_text_write_rekey(t, 0x11121314, noise1);
    put_bytes("text_rekey", t, len);
}

/* ---- The onion ---------------------------------------------------------- */

static struct onion_sender down[HOPS + 1], up[HOPS + 1];
static struct onion_receiver hop_in[HOPS + 1], client_in[HOPS + 1];

static void put_hops(void)
{
    uint8_t noise1[HOP_NOISE1_BYTES], noise2[NOISE_OVERHEAD];
    uint8_t t[LINK_TEXT_SMALL];
    struct noise_keys keys;
    size_t len;

    put("\n# The handshakes with three hops.\n");
    for (unsigned i = 1; i <= HOPS; i++) {
        uint8_t payload[HOP_PAYLOAD_BYTES] = {0x91, (uint8_t)i};

        handshake("hop", &hop[i], (uint8_t)(0x30 + i),
                  bytes_of(payload, sizeof(payload)), noise1, noise2, &keys);
        put_bytes(nth("hop_noise1", i), noise1, sizeof(noise1));
        put_bytes(nth("hop_noise2", i), noise2, sizeof(noise2));
        put_bytes(nth("forward_key", i), keys.to_responder, 32);
        put_bytes(nth("backward_key", i), keys.to_initiator, 32);
        onion_sender_init(&down[i], keys.to_responder);
        onion_receiver_init(&hop_in[i], keys.to_responder);
        onion_sender_init(&up[i], keys.to_initiator);
        onion_receiver_init(&client_in[i], keys.to_initiator);
        put_counter(nth("forward_counter", i), down[i].counter);
        put_counter(nth("backward_counter", i), up[i].counter);
        if (i > 1)
            continue;
        len = link_text_write_create(t, 0x0a0b0c0d,
                                     bytes_of(noise1, sizeof(noise1)));
        put_bytes("text_create", t, len);
        len = link_text_write_created(t, 0x0e0f1011, noise2);
        put_bytes("text_created", t, len);
    }
}

/* From the client to hop `to`; what each hop on the way has in hand. */
static void put_forward(const char *name, unsigned to,
                        const struct circuit_message *m)
{
    uint8_t body[CELL_SMALL_BODY];
    char label[64];
    bool is_message;
    size_t len;

    assert_int_equal(
        circuit_message_write(m, body, onion_message_len(sizeof(body)), &len),
        OK);
    onion_message(body, sizeof(body), to, len);
    for (unsigned i = to; i >= 1; i--)
        onion_add(&down[i], body, sizeof(body), i);
    for (unsigned i = 1; i <= to; i++) {
        snprintf(label, sizeof(label), "%s_at_hop", name);
        put_bytes(nth(label, i), body,
                  onion_text_len(sizeof(body), i) + ONION_LAYER_BYTES);
        assert_int_equal(
            onion_remove(&hop_in[i], body, sizeof(body), i, &is_message), OK);
        assert_true(is_message == (i == to));
    }
}

/* From hop `from` to the client; what each hop on the way sends. */
static void put_backward(const char *name, unsigned from,
                         const struct circuit_message *m)
{
    uint8_t body[CELL_SMALL_BODY];
    char label[64];
    bool is_message;
    size_t len;

    assert_int_equal(
        circuit_message_write(m, body, onion_message_len(sizeof(body)), &len),
        OK);
    onion_message(body, sizeof(body), from, len);
    for (unsigned i = from; i >= 1; i--) {
        onion_add(&up[i], body, sizeof(body), i);
        snprintf(label, sizeof(label), "%s_from_hop", name);
        put_bytes(nth(label, i), body,
                  onion_text_len(sizeof(body), i) + ONION_LAYER_BYTES);
    }
    for (unsigned i = 1; i <= from; i++) {
        assert_int_equal(
            onion_remove(&client_in[i], body, sizeof(body), i, &is_message),
            OK);
        assert_true(is_message == (i == from));
    }
}

static void put_onion(void)
{
    struct circuit_message m = {.type = CIRCUIT_DATA,
                                .ep = endpoint_of(99),
                                .payload = bytes_of_text("hello")};
    struct circuit_message ping = {.type = CIRCUIT_PING,
                                   .nonce = UINT64_C(0x0123456789abcdef)};

    put("\n# Layers in a small cell: DATA to hop 3 and back, PING to hop 2.\n");
    put_forward("data", 3, &m);
    put_backward("answer", 3, &m);
    put_forward("ping", 2, &ping);
}

/* ---- Messages and descriptors ------------------------------------------- */

static void put_circuit_message(const char *name,
                                const struct circuit_message *m)
{
    uint8_t out[CELL_LARGE_BODY];
    size_t len;

    assert_int_equal(circuit_message_write(m, out, sizeof(out), &len), OK);
    put_bytes(name, out, len);
}

static void put_circuit_messages(void)
{
    static const uint8_t noise[HOP_NOISE1_BYTES] = {0x99};
    static const uint8_t pad[8] = {0, 8};
    const struct {
        const char *name;
        struct circuit_message m;
    } all[] = {
        {"extend",
         {.type = CIRCUIT_EXTEND,
          .attempt = 1,
          .identity = hop[2].identity,
          .handshake_key = hop[2].key,
          .ep = endpoint_of(2),
          .noise = bytes_of(noise, sizeof(noise))}},
        {"extended",
         {.type = CIRCUIT_EXTENDED,
          .attempt = 1,
          .noise = bytes_of(noise, NOISE_OVERHEAD)}},
        {"failed",
         {.type = CIRCUIT_FAILED, .attempt = 1, .reason = REASON_UNREACHABLE}},
        {"data_to_name",
         {.type = CIRCUIT_DATA,
          .name = bytes_of_text("echo.example"),
          .port = 7,
          .payload = bytes_of_text("hello")}},
        {"piece",
         {.type = CIRCUIT_PIECE,
          .piece_id = 258,
          .piece_index = 1,
          .piece_count = 2,
          .payload = bytes_of_text("llo")}},
        {"pong", {.type = CIRCUIT_PONG, .nonce = 7}},
        {"destroy", {.type = CIRCUIT_DESTROY, .reason = REASON_IDLE}},
        {"test",
         {.type = CIRCUIT_TEST,
          .nonce = UINT64_C(0x500000001),
          .payload = bytes_of(pad, sizeof(pad))}},
        {"tested",
         {.type = CIRCUIT_TESTED,
          .nonce = UINT64_C(0x500000001),
          .payload = bytes_of(pad, sizeof(pad))}},
        {"packet_in",
         {.type = CIRCUIT_PACKET_IN, .payload = bytes_of_text("packet")}},
        {"packet_back",
         {.type = CIRCUIT_PACKET_BACK, .payload = bytes_of_text("packet")}},
    };

    put("\n# Circuit messages, without their padding.\n");
    for (size_t i = 0; i < COUNT_OF(all); i++)
        put_circuit_message(all[i].name, &all[i].m);
}

static void put_directory(void)
{
    struct descriptor d = {.issued = 1800000000,
                           .expires = 1800000000 + DESCRIPTOR_LIFETIME,
                           .bandwidth = 1000,
                           .roles = ROLE_RELAY | ROLE_EXIT,
                           .address_count = 1,
                           .addresses = {endpoint_of(1)},
                           .exit_policy_len = 10};
    uint8_t out[DESCRIPTOR_MAX];
    struct id key;
    size_t len;

    put("\n# The descriptor of hop 1, the same as an exit of streams, where it "
        "announces\n# itself, and two of the keys.\n");
    memcpy(d.identity, hop[1].identity, 32);
    memcpy(d.handshake_key, hop[1].key, 32);
    memcpy(d.exit_policy, "accept 443", d.exit_policy_len);
    len = descriptor_write(&d, NETWORK, hop[1].signing, out);
    put_bytes("descriptor", out, len);
    d.tcp_policy_len = 13;
    memcpy(d.tcp_policy, "accept 80,443", d.tcp_policy_len);
    len = descriptor_write(&d, NETWORK, hop[1].signing, out);
    put_bytes("descriptor_tcp", out, len);
    out[0] = (uint8_t)directory_key_index(hop[1].identity);
    put_bytes("key_index", out, 1);
    directory_key(NETWORK, out[0], &key);
    put_bytes("key_of_hop", key.b, ID_BYTES);
    directory_key("main", 0, &key);
    put_bytes("key_main_0", key.b, ID_BYTES);
    directory_key("main", 255, &key);
    put_bytes("key_main_255", key.b, ID_BYTES);
}

/* ---- The file ----------------------------------------------------------- */

static void make_text(void)
{
    put("# Test vectors of the tunnels, see docs/protocol-tunnel.md.\n"
        "# Written by test_tunnel_vectors.c; do not edit.\n"
        "\n# Nodes: the three hops of a circuit, in the network \"" NETWORK
        "\".\n");
    put_nodes();
    put_link();
    put_hops();
    put_onion();
    put_circuit_messages();
    put_directory();
}

static void test_tunnel_vectors_are_those_of_the_document(void **state)
{
    (void)state;
    make_text();
    vectors_compare(DOCUMENT);
}

/* The table of reasons in the document: "| 3 | unreachable | ...". */
static void test_tunnel_vectors_reasons_are_in_the_document(void **state)
{
    FILE *file = fopen("docs/protocol-tunnel.md", "r");
    char line[512], name[32];
    unsigned number, count = 0;

    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "| %u | %31[a-z_] |", &number, name) != 2)
            continue;
        assert_int_equal(number, count);
        assert_true(number < REASON_END_);
        assert_string_equal(name, reason_name((enum reason)number));
        count++;
    }
    fclose(file);
    assert_int_equal(count, REASON_END_);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tunnel_vectors_are_those_of_the_document),
        cmocka_unit_test(test_tunnel_vectors_reasons_are_in_the_document),
    };

    assert_true(sodium_init() >= 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
