/* SPDX-License-Identifier: MIT
 *
 * The reader of descriptors on arbitrary bytes. What it takes is within the
 * limits, and can be written, signed, and read again to the same.
 */
#include "fuzz.h"

#include "tunnel/directory/descriptor.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static void check_limits(const struct descriptor *d)
{
    assert(d->address_count >= 1);
    assert(d->address_count <= DESCRIPTOR_ADDRESSES_MAX);
    for (size_t i = 0; i < d->address_count; i++)
        assert(endpoint_is_usable(&d->addresses[i]));
    assert(d->exit_policy_len <= DESCRIPTOR_POLICY_MAX);
    assert(d->tcp_policy_len <= DESCRIPTOR_TCP_MAX);
    assert((d->roles & ~ROLES_ALL) == 0);
    assert(d->issued < d->expires);
    assert(d->expires - d->issued <= DESCRIPTOR_LIFETIME_MAX);
}

static void check_same(const struct descriptor *a, const struct descriptor *b)
{
    assert(a->issued == b->issued && a->expires == b->expires);
    assert(a->roles == b->roles && a->bandwidth == b->bandwidth);
    assert(memcmp(a->handshake_key, b->handshake_key, NOISE_KEY_BYTES) == 0);
    assert(a->has_family == b->has_family);
    assert(memcmp(a->family, b->family, sizeof(a->family)) == 0);
    assert(a->address_count == b->address_count);
    for (size_t i = 0; i < a->address_count; i++)
        assert(endpoint_equal(&a->addresses[i], &b->addresses[i]));
    assert(bytes_equal(descriptor_exit_policy(a), descriptor_exit_policy(b)));
    assert(bytes_equal(descriptor_tcp_policy(a), descriptor_tcp_policy(b)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[32] = {1};
    uint8_t secret[64], text[DESCRIPTOR_MAX];
    struct descriptor d, back;
    size_t len;

    if (descriptor_read(bytes_of(data, size), "test", &d) != OK)
        return 0;
    check_limits(&d);
    (void)descriptor_check_time(&d, 1800000000);
    (void)descriptor_verify(bytes_of(data, size), &d);
    crypto_sign_seed_keypair(d.identity, secret, seed);
    len = descriptor_write(&d, "test", secret, text);
    assert(descriptor_read(bytes_of(text, len), "test", &back) == OK);
    assert(descriptor_check_time(&back, d.issued) == OK);
    assert(descriptor_verify(bytes_of(text, len), &back) == OK);
    check_same(&d, &back);
    return 0;
}
