/* SPDX-License-Identifier: MIT
 *
 * A datagram between neighbours that is not a cell. All views lie inside of
 * it, and what is read can be written and reads as the same.
 */
#include "fuzz.h"

#include "tunnel/link/link_message.h"

#include <assert.h>
#include <string.h>

static int same(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static void check_view(const uint8_t *data, size_t size, const uint8_t *p,
                       size_t len)
{
    assert(p == NULL || (p >= data && p + len <= data + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t buf[LINK_MESSAGE_MAX];
    struct link_message m, again;
    size_t len;

    if (link_message_read(bytes_of(data, size), &m) != OK)
        return 0;
    check_view(data, size, m.noise, NOISE_OVERHEAD);
    check_view(data, size, m.mac1, LINK_MAC_BYTES);
    check_view(data, size, m.mac2, LINK_MAC_BYTES);
    check_view(data, size, m.sealed, LINK_SEALED_BYTES);
    check_view(data, size, m.cookie, LINK_COOKIE_BYTES);
    check_view(data, size, m.maced.p, m.maced.len);
    check_view(data, size, m.descriptor.p, m.descriptor.len);
    if ((m.kind == LINK_INIT || m.kind == LINK_ASK) &&
        m.version != TUNNEL_VERSION)
        return 0;
    len = link_message_write(&m, buf);
    assert(link_message_read(bytes_of(buf, len), &again) == OK);
    assert(m.kind == again.kind && m.version == again.version &&
           m.index == again.index && m.receiver == again.receiver);
    assert(same(m.nonce, again.nonce) && same(m.network, again.network) &&
           same(m.descriptor, again.descriptor));
    assert(m.noise == NULL ||
           memcmp(m.noise, again.noise, NOISE_OVERHEAD) == 0);
    assert(m.cookie == NULL ||
           memcmp(m.cookie, again.cookie, LINK_COOKIE_BYTES) == 0);
    return 0;
}
