/* SPDX-License-Identifier: MIT
 *
 * What a service of somebody else has published, in a service_scene: found by
 * whoever looks for it, as an honest DHT gives it, or as a liar does.
 */
#ifndef WARREN_TESTS_SERVICE_PUBLISHED_H
#define WARREN_TESTS_SERVICE_PUBLISHED_H

#include "service_answerer.h"

#include "tunnel/record/blind.h"

#define PUBLISHED_FIRST 6 /* relay of the first introduction point */

struct published {
    uint32_t period;
    int64_t seq;
    uint32_t issued;
    uint16_t lifetime;
    uint8_t points, first;
    bool has_access;
    uint32_t effort; /* 0: none is asked for */
};

static const uint8_t published_seed[32] = {'o', 't', 'h', 'e', 'r'};
static const uint8_t published_access[32] = {'a', 'c', 'c', 'e', 's', 's'};

static inline struct published published_now(int64_t seq)
{
    return (struct published){.period = period_of(scene.wall),
                              .seq = seq,
                              .issued = (uint32_t)scene.wall,
                              .lifetime = SERVICE_LIFETIME,
                              .points = 3,
                              .first = PUBLISHED_FIRST};
}

static inline struct service_name published_name(bool has_access)
{
    struct service_name name = {.has_access = has_access};
    struct service_secret secret;

    blind_expand(published_seed, &secret);
    memcpy(name.key, secret.key, sizeof(name.key));
    if (has_access)
        memcpy(name.access, published_access, sizeof(name.access));
    return name;
}

static inline struct service_descriptor
published_descriptor(const struct published *p, const struct answerer *a)
{
    struct service_descriptor d = {.period = p->period,
                                   .issued = p->issued,
                                   .lifetime = p->lifetime,
                                   .has_work = p->effort > 0,
                                   .work_effort = p->effort,
                                   .work_expires = p->issued + 3600,
                                   .intro_count = p->points};

    for (unsigned i = 0; i < p->points; i++) {
        struct connect_goal goal = answerer_goal(a, p->first + i);

        d.intros[i].relay = goal.point;
        memcpy(d.intros[i].auth_id, goal.auth_id, sizeof(goal.auth_id));
        memcpy(d.intros[i].service_key, goal.key, sizeof(goal.key));
    }
    return d;
}

/* As somebody has put it. */
static inline struct scene_request published_item(const struct published *p,
                                                  const struct answerer *a)
{
    static const uint8_t nonce[SERVICE_NONCE_BYTES] = {1};
    struct service_name name = published_name(p->has_access);
    struct service_descriptor d = published_descriptor(p, a);
    struct service_item items[SERVICE_REPLICAS];
    struct scene_request r = {.kind = SCENE_PUT, .seq = p->seq};
    struct service_secret secret;
    struct service_view view;
    struct blinded_key key;
    uint8_t factor[32];
    enum error e =
        service_view_init(SCENE_NETWORK, &name, p->period, false, &view);

    assert(e == OK);
    blind_expand(published_seed, &secret);
    blind_factor(SCENE_NETWORK, &name, p->period, factor);
    blind_secret(&secret, factor, &key);
    e = service_descriptor_seal(&view, &key, &d, p->seq, nonce, items);
    assert(e == OK);
    memcpy(r.signature, items[0].signature, sizeof(r.signature));
    memcpy(r.value, items[0].value.mp + items[0].value.len - 996, 996);
    memcpy(r.key, key.key, sizeof(r.key));
    return r;
}

/* The lookup for it that is under way; NULL: none. */
static inline const struct scene_request *
published_lookup(const struct scene_request *item)
{
    const struct scene_request *r;

    for (unsigned i = 0; (r = scene_asked(SCENE_GET, i)) != NULL; i++)
        if (memcmp(r->key, item->key, sizeof(r->key)) == 0)
            return r;
    return NULL;
}

/* It is found: whether it was taken. */
static inline bool published_found(const struct published *p,
                                   const struct answerer *a)
{
    struct scene_request item = published_item(p, a);
    const struct scene_request *r = published_lookup(&item);

    assert(r != NULL);
    return scene_found(r->id, &item);
}

/* All lookups end so. */
static inline void published_ends(enum finder_end end)
{
    const struct scene_request *r;

    while ((r = scene_asked(SCENE_GET, 0)) != NULL)
        scene_done(r->id, end, 0);
}

#endif
