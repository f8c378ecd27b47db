/* SPDX-License-Identifier: MIT */
#include "tunnel/circuit/lost_relays.h"

#include "base/timestamp.h"

#include <stddef.h>
#include <string.h>

static const struct lost_relay *find(const struct lost_relays *l,
                                     const uint8_t identity[32], uint64_t now)
{
    for (unsigned i = 0; i < LOST_MAX; i++)
        if (now < l->list[i].until &&
            memcmp(l->list[i].identity, identity, 32) == 0)
            return &l->list[i];
    return NULL;
}

void lost_relays_note(struct lost_relays *l, const uint8_t identity[32],
                      uint64_t now)
{
    if (lost_relays_has(l, identity, now))
        return; /* or whoever says so again and again kept it away */
    for (unsigned i = 0; i < LOST_MAX; i++) {
        struct lost_relay *relay = &l->list[i];

        if (now < relay->until)
            continue;
        memcpy(relay->identity, identity, sizeof(relay->identity));
        relay->until = time_after(now, LOST_LIFE);
        return;
    }
}

void lost_relays_forget(struct lost_relays *l, const uint8_t identity[32])
{
    for (unsigned i = 0; i < LOST_MAX; i++)
        if (memcmp(l->list[i].identity, identity, 32) == 0)
            l->list[i].until = 0;
}

bool lost_relays_has(const struct lost_relays *l, const uint8_t identity[32],
                     uint64_t now)
{
    return find(l, identity, now) != NULL;
}

bool lost_relays_since(const struct lost_relays *l, const uint8_t identity[32],
                       uint64_t then, uint64_t now)
{
    const struct lost_relay *relay = find(l, identity, now);

    return relay != NULL && relay->until >= time_after(then, LOST_LIFE);
}

/* The next one before `before`, in the order of the list where two are of one
 * time. */
static const struct lost_relay *last_before(const struct lost_relays *l,
                                            const struct lost_relay *before,
                                            uint64_t now)
{
    const struct lost_relay *last = NULL;

    for (unsigned i = 0; i < LOST_MAX; i++) {
        const struct lost_relay *relay = &l->list[i];
        bool earlier = before == NULL || relay->until < before->until ||
                       (relay->until == before->until && relay > before);

        if (now < relay->until && earlier &&
            (last == NULL || relay->until > last->until))
            last = relay;
    }
    return last;
}

unsigned lost_relays_list(const struct lost_relays *l, uint64_t now,
                          uint8_t out[LOST_MAX][32])
{
    const struct lost_relay *relay = NULL;
    unsigned count = 0;

    while ((relay = last_before(l, relay, now)) != NULL)
        memcpy(out[count++], relay->identity, 32);
    return count;
}
