/* SPDX-License-Identifier: MIT
 *
 * A conversation with the proxy up to where its outcome shows, not one byte
 * later: checked whole, cut in two at each place, byte by byte, and with bytes
 * behind it.
 */
#ifndef WARREN_TESTS_SOCKS_EXAMPLE_H
#define WARREN_TESTS_SOCKS_EXAMPLE_H

#include "node/socks/socks_handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Of a string literal, with zero bytes and all. */
#define BYTES(literal)                                        \
    {                                                         \
        (const uint8_t *)("" literal), sizeof("" literal) - 1 \
    }

struct socks_example {
    struct bytes sent;
    enum socks_state state; /* that it leads to */
    struct bytes said;      /* until then */
    /* In SOCKS_ASKED. */
    enum socks_protocol protocol;
    enum socks_command command;
    const char *to; /* "192.0.2.1:80", "[2001:db8::1]:80", "name:80" */
};

static const uint8_t socks_example_key[SOCKS_KEY_BYTES] = {1, 2, 3};

static inline void check_said(const struct socks_handshake *h,
                              struct bytes expected)
{
    struct bytes said = socks_handshake_output(h);

    assert_int_equal(said.len, expected.len);
    assert_memory_equal(said.p, expected.p, expected.len);
}

static inline void check_to(const struct socks_address *to,
                            const char *expected)
{
    char text[SOCKS_NAME_MAX + ENDPOINT_TEXT_SIZE];

    if (to->name_len == 0) {
        endpoint_print(&to->ep, text);
    } else {
        assert_int_equal(strlen(to->name), to->name_len);
        snprintf(text, sizeof(text), "%s:%u", to->name, to->ep.port);
    }
    assert_string_equal(text, expected);
}

/* In pieces: the first has `first` bytes, the others `next`. What is left of
 * all must be the last `tail` bytes. */
static inline void check_pieces(const struct socks_example *e,
                                struct bytes sent, size_t tail, size_t first,
                                size_t next)
{
    struct socks_handshake h;
    size_t at = 0, len = first, left = 0;

    socks_handshake_init(&h, socks_example_key);
    while (at < sent.len) {
        struct bytes piece;

        len = len > sent.len - at ? sent.len - at : len;
        piece = bytes_of(sent.p + at, len);
        socks_handshake_receive(&h, &piece);
        left += piece.len;
        at += len;
        len = next;
        if (at < sent.len - tail)
            assert_int_equal(h.state, SOCKS_READING);
    }
    assert_int_equal(h.state, e->state);
    assert_int_equal(left, tail);
    check_said(&h, e->said);
    if (e->state == SOCKS_ASKED) {
        assert_int_equal(h.request.protocol, e->protocol);
        assert_int_equal(h.request.command, e->command);
        check_to(&h.request.to, e->to);
    }
    socks_handshake_deinit(&h);
}

static inline void check_example(const struct socks_example *e)
{
    static const uint8_t behind[] = "\x05\x00GET /";
    uint8_t both[SOCKS_HTTP_HEAD_MAX + 1024];
    size_t len = e->sent.len;

    for (size_t cut = 0; cut < len; cut++)
        check_pieces(e, e->sent, 0, cut == 0 ? len : cut, len);
    check_pieces(e, e->sent, 0, 1, 1);
    if (e->state != SOCKS_ASKED)
        return;
    memcpy(both, e->sent.p, len);
    memcpy(both + len, behind, sizeof(behind));
    for (size_t cut = 1; cut <= len; cut++)
        check_pieces(e, bytes_of(both, len + sizeof(behind)), sizeof(behind),
                     cut, sizeof(both));
}

/* The handshake after it. */
static inline void have_example(struct socks_handshake *h, struct bytes sent)
{
    socks_handshake_init(h, socks_example_key);
    socks_handshake_receive(h, &sent);
    assert_int_equal(sent.len, 0);
}

/* The same, its output sent. */
static inline void have_asked(struct socks_handshake *h, struct bytes sent)
{
    have_example(h, sent);
    assert_int_equal(h->state, SOCKS_ASKED);
    socks_handshake_sent(h, socks_handshake_output(h).len);
}

#endif
