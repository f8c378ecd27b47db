/* SPDX-License-Identifier: MIT
 *
 * A client of the proxy. The first byte of the input says in what pieces the
 * rest comes, the second how a request is answered. The end is the same in any
 * pieces; nothing behind a request is taken; a name has no byte that a name
 * may not have.
 */
#include "fuzz.h"

#include "node/socks/socks_handshake.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t key[SOCKS_KEY_BYTES] = {1};

static bool same(const struct socks_handshake *a,
                 const struct socks_handshake *b)
{
    const struct socks_request *q = &a->request, *r = &b->request;

    return a->state == b->state && q->protocol == r->protocol &&
           q->command == r->command && endpoint_equal(&q->to.ep, &r->to.ep) &&
           strcmp(q->to.name, r->to.name) == 0 &&
           memcmp(q->isolation, r->isolation, SOCKS_ISOLATION_BYTES) == 0 &&
           bytes_equal(socks_handshake_output(a), socks_handshake_output(b));
}

/* Bytes that are left. */
static size_t receive(struct socks_handshake *h, const uint8_t *data,
                      size_t size, size_t piece)
{
    size_t left = 0;

    socks_handshake_init(h, key);
    for (size_t at = 0; at < size; at += piece) {
        size_t len = piece > size - at ? size - at : piece;
        struct bytes in = bytes_of(data + at, len);

        socks_handshake_receive(h, &in);
        assert(in.len == 0 || h->state == SOCKS_ASKED);
        left += in.len;
    }
    return left;
}

static void check_request(const struct socks_request *r)
{
    const struct socks_address *to = &r->to;

    assert(r->protocol != SOCKS_UNTOLD);
    assert(strlen(to->name) == to->name_len);
    for (size_t i = 0; i < to->name_len; i++)
        assert((uint8_t)to->name[i] > ' ' && to->name[i] != 0x7f);
    if (r->command == SOCKS_CONNECT)
        assert(to->ep.port != 0);
    if (r->command == SOCKS_RESOLVE)
        assert(to->name_len > 0);
    if (r->command == SOCKS_REVERSE || r->command == SOCKS_ASSOCIATE)
        assert(to->name_len == 0 && r->protocol == SOCKS_V5);
}

static void answer(struct socks_handshake *h, uint8_t how)
{
    const struct endpoint at = {.addr = {192, 0, 2, 1},
                                .port = 80,
                                .family = how & 0x40 ? FAMILY_IPV6
                                                     : FAMILY_IPV4};

    if (how & 0x80)
        socks_handshake_refuse(h, reason_of(how & 0x1f));
    else if (h->request.command == SOCKS_REVERSE)
        socks_handshake_named(h, bytes_of("example.org", 1 + how % 11));
    else if (h->request.command == SOCKS_CONNECT && (how & 0x20))
        socks_handshake_done(h, NULL);
    else
        socks_handshake_done(h, &at);
    assert(h->state == SOCKS_OPEN || h->state == SOCKS_OVER);
    assert(socks_handshake_output(h).len > 0);
}

static void check_output(struct socks_handshake *h)
{
    struct bytes said = socks_handshake_output(h);

    assert(said.len <= SOCKS_OUT_MAX);
    if (said.len > 0 && h->request.protocol == SOCKS_V5)
        assert(said.p[0] == 5);
    if (said.len > 0 && h->request.protocol == SOCKS_HTTP)
        assert(said.len > 9 && memcmp(said.p, "HTTP/1.1 ", 9) == 0);
    socks_handshake_sent(h, said.len);
    assert(socks_handshake_output(h).len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct socks_handshake whole, pieces;
    size_t left;
    uint8_t how;

    if (size < 2)
        return 0;
    how = data[1];
    left = receive(&whole, data + 2, size - 2, size);
    assert(receive(&pieces, data + 2, size - 2, 1 + data[0] % 64) == left);
    assert(same(&whole, &pieces));
    if (whole.state == SOCKS_ASKED) {
        check_request(&whole.request);
        answer(&whole, how);
    }
    check_output(&whole);
    socks_handshake_deinit(&whole);
    return 0;
}
