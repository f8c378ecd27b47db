/* SPDX-License-Identifier: MIT */
#include "node/rpc/relay_page.h"

#include "directory_data.h"
#include "fail_alloc.h"
#include "node/control/control_frame.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define RELAYS 10000

static struct host *host;
static uint8_t *frame;
static struct mp_token *tokens;

/* A page as it comes in an answer, and the frame that it comes in. */
static struct control_frame page(const uint8_t *after, unsigned max)
{
    struct mp_tape tape = {.tokens = tokens, .cap = CONTROL_FRAME_TOKENS};
    struct control_frame f;
    struct mp_writer w;
    size_t used;

    mp_writer_init(&w, frame, CONTROL_FRAME_MAX);
    control_write_response(&w, 1);
    assert_int_equal(relay_page_write(&w, host->d, after, max,
                                      (uint64_t)host->wall, host->now),
                     OK);
    assert_int_equal(w.err, OK);
    assert_int_equal(control_frame_read(&tape, mp_writer_bytes(&w), &used, &f),
                     OK);
    return f;
}

/* Reads a page: how many relays; `last` gets the last identity, and `more`
 * whether `next` says so. Identities grow from `last` on. */
static unsigned read_page(struct mp_reader r, uint8_t last[32], bool *more)
{
    uint32_t pairs = mp_read_map(&r, 3), count;

    mp_skip(&r);
    assert_int_equal(mp_read_uint(&r, UINT64_MAX), directory_count(host->d));
    mp_skip(&r);
    count = mp_read_array(&r, UINT32_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct mp_reader peer = r;
        struct bytes hex;
        uint8_t identity[32];

        mp_read_map(&peer, 12);
        assert_true(bytes_is_text(mp_read_bytes(&peer, 0, 16), "identity"));
        hex = mp_read_bytes(&peer, 64, 64);
        sodium_hex2bin(identity, 32, (const char *)hex.p, hex.len, NULL, NULL,
                       NULL);
        assert_true(memcmp(identity, last, 32) > 0);
        memcpy(last, identity, 32);
        mp_skip(&r);
    }
    *more = pairs == 3;
    return count;
}

static void test_relay_page_all_of_ten_thousand(void **state)
{
    static const uint8_t first[32];
    uint8_t last[32] = {0};
    unsigned count = 0, pages = 0;
    bool more = true;

    (void)state;
    host_add_many(host, 0, RELAYS, ROLE_RELAY);
    assert_int_equal(directory_count(host->d), RELAYS);
    while (more) {
        const uint8_t *after = pages++ == 0 ? NULL : last;

        count += read_page(page(after, RELAY_PAGE_MAX).value, last, &more);
    }
    assert_int_equal(count, RELAYS);
    assert_int_equal(pages, RELAYS / RELAY_PAGE_MAX);
    assert_memory_not_equal(last, first, 32);
}

/* The page that a request asks for is there although the relay that it names
 * has gone, and ends exactly where the relays end. */
static void test_relay_page_boundaries(void **state)
{
    uint8_t nothing[32] = {0}, end[32], last[32];
    bool more;

    (void)state;
    memset(end, 0xff, 32);
    memcpy(last, nothing, 32);
    assert_int_equal(read_page(page(NULL, 5).value, last, &more), 0);
    assert_false(more);
    host_add_many(host, 0, 6, ROLE_RELAY);
    assert_int_equal(read_page(page(nothing, 5).value, last, &more), 5);
    assert_true(more);
    assert_int_equal(read_page(page(last, 5).value, last, &more), 1);
    assert_false(more);
    memcpy(last, nothing, 32);
    assert_int_equal(read_page(page(NULL, 6).value, last, &more), 6);
    assert_false(more);
    assert_int_equal(read_page(page(end, 5).value, last, &more), 0);
    assert_false(more);
    last[31]--; /* no such relay */
    assert_int_equal(read_page(page(last, 5).value, last, &more), 1);
}

/* What the largest relays take still fits. */
static void test_relay_page_of_the_largest_fits(void **state)
{
    uint8_t last[32] = {0};
    bool more;

    (void)state;
    for (unsigned n = 0; n < RELAY_PAGE_MAX; n++) {
        struct descriptor d = test_descriptor(n);

        d.issued = (uint64_t)host->wall;
        d.expires = d.issued + DESCRIPTOR_LIFETIME_MAX;
        d.roles = ROLE_RELAY | ROLE_EXIT | ROLE_SPEED_TEST;
        d.address_count = DESCRIPTOR_ADDRESSES_MAX;
        for (unsigned i = 1; i < DESCRIPTOR_ADDRESSES_MAX; i++) {
            char text[ENDPOINT_TEXT_SIZE];

            snprintf(text, sizeof(text),
                     "[2a00:%x:5678:9abc:def0:1234:5678:%x]:6553%u", 0x1000 + n,
                     0x1000 + n, i);
            assert_int_equal(endpoint_parse(text, &d.addresses[i]), OK);
        }
        d.exit_policy_len = DESCRIPTOR_POLICY_MAX;
        memset(d.exit_policy, 'x', DESCRIPTOR_POLICY_MAX);
        d.tcp_policy_len = DESCRIPTOR_TCP_MAX;
        memset(d.tcp_policy, 'x', DESCRIPTOR_TCP_MAX);
        assert_int_equal(host_add(host, &d, n), OK);
    }
    assert_int_equal(read_page(page(NULL, RELAY_PAGE_MAX).value, last, &more),
                     RELAY_PAGE_MAX);
}

static void test_relay_page_without_memory(void **state)
{
    struct mp_writer w;

    (void)state;
    mp_writer_init(&w, frame, CONTROL_FRAME_MAX);
    fail_alloc_at(1);
    assert_int_equal(
        relay_page_write(&w, host->d, NULL, 5, (uint64_t)host->wall, host->now),
        ERR_NO_MEMORY);
    fail_alloc_end();
}

static int setup(void **state)
{
    struct directory_config c;

    (void)state;
    host = calloc(1, sizeof(*host));
    frame = malloc(CONTROL_FRAME_MAX);
    tokens = calloc(CONTROL_FRAME_TOKENS, sizeof(*tokens));
    host_init(host, 1);
    directory_free(host->d);
    c = host_config(host);
    c.max_relays = RELAYS;
    host_start(host, &c);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    host_deinit(host);
    free(host);
    free(frame);
    free(tokens);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_relay_page_all_of_ten_thousand),
        TEST(test_relay_page_boundaries),
        TEST(test_relay_page_of_the_largest_fits),
        TEST(test_relay_page_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
