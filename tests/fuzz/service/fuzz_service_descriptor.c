/* SPDX-License-Identifier: MIT
 *
 * Descriptors of services, by the first byte: 0, an item as it is found, seq,
 * signature and value; else the text inside, as somebody who knows the address
 * and has the key can make it. What is taken is within the limits, and can be
 * sealed and opened again to the same.
 */
#include "fuzz.h"

#include "tunnel/record/service_descriptor.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define NETWORK "test"
#define PERIOD  20833

/* The service of docs/vectors/services.txt. */
static struct service_view view;
static struct blinded_key key;

static void make_keys(void)
{
    struct service_name name = {0};
    struct service_secret secret;
    uint8_t seed[32], factor[32];
    enum error e;

    memset(seed, 0x11, sizeof(seed));
    blind_expand(seed, &secret);
    memcpy(name.key, secret.key, sizeof(name.key));
    e = service_view_init(NETWORK, &name, PERIOD, true, &view);
    assert(e == OK);
    blind_factor(NETWORK, &name, PERIOD, factor);
    blind_secret(&secret, factor, &key);
}

static void check_limits(const struct service_descriptor *d)
{
    assert(d->intro_count <= SERVICE_INTROS_MAX);
    assert(d->lifetime >= 1 && d->lifetime <= SERVICE_LIFETIME_MAX);
    assert(!d->has_work || d->work_effort >= 1);
    for (size_t i = 0; i < d->intro_count; i++) {
        const struct relay_target *relay = &d->intros[i].relay;

        assert(relay->endpoint_count >= 1);
        assert(relay->endpoint_count <= RELAY_TARGET_ENDPOINTS_MAX);
        for (size_t j = 0; j < relay->endpoint_count; j++)
            assert(endpoint_is_usable(&relay->endpoints[j]));
        for (size_t j = 0; j < i; j++)
            assert(memcmp(relay->identity, d->intros[j].relay.identity, 32));
    }
}

static void check_again(struct service_descriptor *d)
{
    static const uint8_t nonce[SERVICE_NONCE_BYTES];
    uint8_t text[SERVICE_TEXT_BYTES], again[SERVICE_TEXT_BYTES];
    struct service_item items[SERVICE_REPLICAS];
    struct service_descriptor back;
    enum error e;

    d->period = PERIOD;
    service_text_write(d, text);
    e = service_descriptor_seal(&view, &key, d, 1, nonce, items);
    assert(e == OK);
    e = service_descriptor_open(&view, 1, &items[1], &back);
    assert(e == OK);
    service_text_write(&back, again);
    assert(memcmp(text, again, sizeof(text)) == 0);
}

static void check_text(const uint8_t *data, size_t size)
{
    uint8_t text[SERVICE_TEXT_BYTES] = {0};
    struct service_descriptor d, global;

    memcpy(text, data, size < sizeof(text) ? size : sizeof(text));
    if (service_text_read(text, true, &d) != OK) {
        assert(service_text_read(text, false, &global) != OK);
        return;
    }
    check_limits(&d);
    (void)service_descriptor_check_time(&d, 1800000000);
    if (service_text_read(text, false, &global) == OK)
        for (size_t i = 0; i < global.intro_count; i++)
            assert(endpoint_is_global(&global.intros[i].relay.endpoints[0]));
    check_again(&d);
}

static void check_item(const uint8_t *data, size_t size)
{
    struct service_item item;
    struct service_descriptor d;

    if (size < 72)
        return;
    item.seq = (int64_t)bytes_get_number(data, 8);
    memcpy(item.signature, data + 8, sizeof(item.signature));
    if (value_from_msgpack(bytes_of(data + 72, size - 72), &item.value) != OK)
        return;
    for (unsigned i = 0; i < SERVICE_REPLICAS; i++) {
        if (service_descriptor_open(&view, i, &item, &d) != OK)
            continue;
        assert(d.period == PERIOD);
        check_limits(&d);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (sodium_init() == 0)
        make_keys();
    if (size == 0)
        return 0;
    if (data[0] == 0)
        check_item(data + 1, size - 1);
    else
        check_text(data + 1, size - 1);
    return 0;
}
