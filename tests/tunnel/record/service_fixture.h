/* SPDX-License-Identifier: MIT
 *
 * A service with introduction points, to publish and to read.
 */
#ifndef WARREN_TESTS_SERVICE_FIXTURE_H
#define WARREN_TESTS_SERVICE_FIXTURE_H

#include "record_fixture.h"

#include "tunnel/record/service_descriptor.h"

#define FIXTURE_PERIOD 20833u /* 1800000000 lies in it */
#define FIXTURE_WALL   1800000000u

struct service_fixture {
    struct service_name name;
    struct service_view view;
    struct blinded_key key;
};

static inline struct service_fixture fixture_service(uint8_t byte,
                                                     uint32_t period)
{
    struct service_secret secret = fixture_secret(byte);
    struct service_fixture f = {.name = fixture_name(byte)};
    uint8_t factor[32];
    enum error e = service_view_init(NETWORK, &f.name, period, false, &f.view);

    assert(e == OK);
    blind_factor(NETWORK, &f.name, period, factor);
    blind_secret(&secret, factor, &f.key);
    return f;
}

static inline struct endpoint fixture_endpoint(const char *text)
{
    struct endpoint ep;
    enum error e = endpoint_parse(text, &ep);

    assert(e == OK);
    return ep;
}

/* One whose keys are `byte` repeated, and which has so many endpoints. */
static inline struct service_intro fixture_intro(uint8_t byte,
                                                 uint8_t endpoints)
{
    struct service_intro intro = {.relay = {.endpoint_count = endpoints}};

    memset(intro.relay.identity, byte, 32);
    memset(intro.relay.handshake_key, byte + 0x40, 32);
    memset(intro.auth_id, byte + 0x80, AUTH_ID_BYTES);
    memset(intro.service_key, byte + 0xc0, 32);
    intro.relay.endpoints[0] = fixture_endpoint("8.8.4.4:7881");
    intro.relay.endpoints[0].addr[3] = byte;
    if (endpoints > 1)
        intro.relay.endpoints[1] = fixture_endpoint("[2a00:1450::1]:7881");
    return intro;
}

static inline struct service_descriptor fixture_descriptor(uint32_t period,
                                                           uint8_t intros)
{
    struct service_descriptor d = {.period = period,
                                   .issued = FIXTURE_WALL,
                                   .lifetime = SERVICE_LIFETIME,
                                   .intro_count = intros};

    for (uint8_t i = 0; i < intros; i++)
        d.intros[i] = fixture_intro((uint8_t)(i + 1), 1);
    return d;
}

/* As large as it gets. */
static inline struct service_descriptor fixture_largest(void)
{
    struct service_descriptor d =
        fixture_descriptor(UINT32_MAX, SERVICE_INTROS_MAX);

    d.issued = UINT32_MAX;
    d.lifetime = SERVICE_LIFETIME_MAX;
    d.flags = UINT8_MAX;
    d.has_work = true;
    memset(d.work_seed, 0xff, sizeof(d.work_seed));
    d.work_effort = UINT32_MAX;
    d.work_expires = UINT32_MAX;
    for (uint8_t i = 0; i < SERVICE_INTROS_MAX; i++)
        d.intros[i] = fixture_intro((uint8_t)(i + 1), 2);
    return d;
}

#endif
