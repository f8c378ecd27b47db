/* SPDX-License-Identifier: MIT
 *
 * One text for one target: the endpoints have their order, and a relay has one
 * of each family at most.
 */
#include "tunnel/record/relay_target.h"

#include <assert.h>

void relay_target_write(struct mp_writer *w, const struct relay_target *t)
{
    assert(t->endpoint_count >= 1 &&
           t->endpoint_count <= RELAY_TARGET_ENDPOINTS_MAX);
    mp_write_array(w, 3);
    mp_write_bin(w, bytes_of(t->identity, sizeof(t->identity)));
    mp_write_bin(w, bytes_of(t->handshake_key, sizeof(t->handshake_key)));
    mp_write_array(w, t->endpoint_count);
    for (size_t i = 0; i < t->endpoint_count; i++)
        mp_write_endpoint(w, &t->endpoints[i]);
}

static void read_endpoint(struct mp_reader *r, bool testing,
                          struct endpoint *out)
{
    struct bytes compact = mp_read_bytes(r, 6, ENDPOINT_COMPACT_MAX);

    if (r->err != OK)
        return;
    if (endpoint_read_compact(compact, out) != OK)
        mp_fail(r, ERR_WRONG_LENGTH);
    else if (!endpoint_is_usable(out) || (!testing && !endpoint_is_global(out)))
        mp_fail(r, ERR_ADDRESS);
}

void relay_target_read(struct mp_reader *r, bool testing,
                       struct relay_target *out)
{
    struct relay_target t = {0};
    uint32_t count;

    if (mp_read_array(r, 3) != 3)
        mp_fail(r, ERR_MISSING);
    mp_read_fixed(r, t.identity, sizeof(t.identity));
    mp_read_fixed(r, t.handshake_key, sizeof(t.handshake_key));
    count = mp_read_array(r, RELAY_TARGET_ENDPOINTS_MAX);
    if (count == 0)
        mp_fail(r, ERR_MISSING);
    for (uint32_t i = 0; i < count && r->err == OK; i++)
        read_endpoint(r, testing, &t.endpoints[i]);
    if (count == 2 && (t.endpoints[0].family != FAMILY_IPV4 ||
                       t.endpoints[1].family != FAMILY_IPV6))
        mp_fail(r, ERR_UNSORTED);
    t.endpoint_count = (uint8_t)count;
    if (r->err == OK)
        *out = t;
}
