/* SPDX-License-Identifier: MIT
 *
 * docs/protocol-streams.md says what the code does: the bytes of its blocks,
 * and the values of its table of parameters.
 */
#include "stream_world.h"

#include "stream/stream_internal.h"
#include "stream/stream_request.h"

#define DOCUMENT "docs/protocol-streams.md"

/* The bytes of the block ```hex NAME; ';' begins a comment. */
static size_t block(const char *name, uint8_t *out, size_t cap)
{
    FILE *f = fopen(DOCUMENT, "r");
    char line[512], want[64];
    bool within = false;
    size_t len = 0;

    assert_non_null(f);
    snprintf(want, sizeof(want), "```hex %s\n", name);
    while (fgets(line, sizeof(line), f) != NULL) {
        if (within && strcmp(line, "```\n") == 0)
            break;
        line[strcspn(line, ";\n")] = within ? '\0' : line[strcspn(line, ";\n")];
        if (within)
            len += test_unhex(line, out + len, cap - len);
        within |= strcmp(line, want) == 0;
    }
    fclose(f);
    if (len == 0)
        fail_msg("%s does not show '%s'", DOCUMENT, name);
    return len;
}

/* ---- Requests and answers ----------------------------------------------- */

static struct endpoint endpoint(const char *text)
{
    struct endpoint ep;

    assert_int_equal(endpoint_parse(text, &ep), OK);
    return ep;
}

static void check(const char *name, const uint8_t *bytes, size_t len)
{
    uint8_t shown[STREAM_MESSAGE_MAX];

    assert_int_equal(block(name, shown, sizeof(shown)), len);
    assert_memory_equal(shown, bytes, len);
}

static void check_request(const char *name, const struct stream_request *q)
{
    uint8_t out[STREAM_MESSAGE_MAX];

    check(name, out, stream_request_write(q, out));
}

static void check_answer(const char *name, enum stream_request_kind to,
                         const struct stream_answer *a)
{
    uint8_t out[STREAM_MESSAGE_MAX];

    check(name, out, stream_answer_write(a, to, out));
}

static void test_stream_doc_requests(void **state)
{
    const struct bytes name = bytes_of_text("example.com");
    struct stream_request q = {.kind = STREAM_CONNECT};

    (void)state;
    q.ep = endpoint("8.8.8.8:443");
    check_request("request_connect", &q);
    q.ep = endpoint("[2001:db8::1]:80");
    check_request("request_connect_6", &q);
    q = (struct stream_request){STREAM_CONNECT, name, {.port = 0}, 443};
    check_request("request_connect_name", &q);
    q = (struct stream_request){STREAM_RESOLVE, name, {.port = 0}, 0};
    check_request("request_resolve", &q);
    q = (struct stream_request){.kind = STREAM_REVERSE};
    q.ep = endpoint("8.8.8.8:0");
    check_request("request_reverse", &q);
    q = (struct stream_request){.kind = STREAM_PORT, .port = 80};
    check_request("request_port", &q);
}

static void test_stream_doc_answers(void **state)
{
    struct stream_answer a = {.address_count = 1};

    (void)state;
    a.address[0] = endpoint("8.8.8.8:443");
    check_answer("answer_connect", STREAM_CONNECT, &a);
    a = (struct stream_answer){.ttl = 300, .address_count = 2};
    a.address[0] = endpoint("8.8.8.8:0");
    a.address[1] = endpoint("[2001:db8::1]:0");
    check_answer("answer_resolve", STREAM_RESOLVE, &a);
    a = (struct stream_answer){.ttl = 60, .name = bytes_of_text("a.b")};
    check_answer("answer_reverse", STREAM_REVERSE, &a);
    a = (struct stream_answer){.reason = 0};
    check_answer("answer_port", STREAM_PORT, &a);
    a.reason = 22;
    check_answer("answer_refused", STREAM_CONNECT, &a);
    a.reason = 23;
    check_answer("answer_no_name", STREAM_RESOLVE, &a);
    a.reason = 24;
    check_answer("answer_dns", STREAM_REVERSE, &a);
}

/* ---- The first packet --------------------------------------------------- */

static uint8_t first[STREAM_PACKET_MAX];
static size_t first_len;

/* What an opener says is what is shown, but for the id that it makes up. */
static bool see_first(struct world *w, struct world_packet *p)
{
    static const size_t ids[] = {6, 85};

    (void)w;
    if (first_len > 0)
        return true;
    first_len = block("first", first, sizeof(first));
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        memcpy(p->bytes + ids[i], first + ids[i], STREAM_ID_BYTES);
    assert_int_equal(p->len, 1200);
    assert_memory_equal(p->bytes, first, first_len);
    for (size_t i = first_len; i < p->len; i++)
        assert_int_equal(p->bytes[i], 0);
    return true;
}

static struct world *start(void)
{
    struct stream_config config;

    stream_config_init(&config);
    return world_new(10, &config);
}

static void test_stream_doc_first_packet(void **state)
{
    struct world *w = start();
    struct flow *f = flow_new(w);

    (void)state;
    w->tap = see_first;
    assert_int_equal(stream_open(world_connect(w, 1), f, w->now, &f->st), OK);
    stream_write(f->st, TEST_BYTES("hello"), w->now);
    world_run(w, 25 * TIME_MS);
    assert_true(first_len > 100);
    world_free(w);
}

/* An acceptor reads it. */
static void test_stream_doc_first_packet_is_taken(void **state)
{
    struct world *w = start();
    const struct endpoint source = world_source(w, 1);
    uint8_t packet[1200] = {0};

    (void)state;
    block("first", packet, sizeof(packet));
    assert_int_equal(streams_receive(w->side[ACCEPTOR].s, 1, true, &source,
                                     packet, sizeof(packet), w->now),
                     OK);
    assert_int_equal(w->flow_count, 1);
    assert_int_equal(w->flows[0]->in, 5);
    world_free(w);
}

/* ---- Parameters --------------------------------------------------------- */

static void check_row(const char *name, const char *value)
{
    char want[128], line[512];
    FILE *f = fopen(DOCUMENT, "r");
    bool found = false;

    assert_non_null(f);
    snprintf(want, sizeof(want), "| %s | %s |\n", name, value);
    while (fgets(line, sizeof(line), f) != NULL)
        found |= strcmp(line, want) == 0;
    fclose(f);
    if (!found)
        fail_msg("%s has no row %s", DOCUMENT, want);
}

static void check_number(const char *name, uint64_t value)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    check_row(name, text);
}

static void test_stream_doc_parameters(void **state)
{
    ngtcp2_transport_params of[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        crypto_params(NULL, i == OPENER, &of[i]);
        check_number("initial_max_data", of[i].initial_max_data);
        check_number("initial_max_stream_data_bidi_local",
                     of[i].initial_max_stream_data_bidi_local);
        check_number("initial_max_stream_data_bidi_remote",
                     of[i].initial_max_stream_data_bidi_remote);
        check_number("max_udp_payload_size", of[i].max_udp_payload_size);
        check_number("active_connection_id_limit",
                     of[i].active_connection_id_limit);
    }
    assert_int_equal(of[OPENER].initial_max_streams_bidi, 0);
    assert_int_equal(of[ACCEPTOR].initial_max_streams_bidi, 64);
    check_row("initial_max_streams_bidi", "64 (acceptor), 0 (opener)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_doc_requests),
        cmocka_unit_test(test_stream_doc_answers),
        cmocka_unit_test(test_stream_doc_first_packet),
        cmocka_unit_test(test_stream_doc_first_packet_is_taken),
        cmocka_unit_test(test_stream_doc_parameters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
