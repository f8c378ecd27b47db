/* SPDX-License-Identifier: MIT */
#include "tunnel/traffic/circuit_choice.h"

#include "tunnel/traffic/claims.h"

#include <string.h>

/* ---- Those that are there ----------------------------------------------- */

static bool is_avoided(const struct circuit_wish *wish, const uint8_t exit[32])
{
    for (unsigned i = 0; i < wish->avoid_count; i++)
        if (memcmp(wish->avoid[i], exit, 32) == 0)
            return true;
    return false;
}

static bool serves(const struct chooser *c, const struct circuit_wish *wish,
                   uint32_t circuit)
{
    if (wish->protocol == MEMBER_TCP)
        return member_connects_to(c->member, circuit, wish->port);
    return wish->port == 0 || member_sends_to(c->member, circuit, wish->port);
}

static bool fits(const struct chooser *c, const struct circuit_wish *wish,
                 uint32_t circuit)
{
    uint8_t exit[32];

    return claims_allow(c->claims, circuit, wish->isolation) &&
           member_exit_of(c->member, circuit, exit) &&
           !is_avoided(wish, exit) && serves(c, wish, circuit);
}

unsigned choose_fitting(const struct chooser *c,
                        const struct circuit_wish *wish,
                        uint32_t ids[CHOICE_MAX])
{
    unsigned count = member_active(c->member, wish->hops, ids, CHOICE_MAX);
    unsigned fit = 0;

    for (unsigned i = 0; i < count && i < CHOICE_MAX; i++)
        if (fits(c, wish, ids[i]))
            ids[fit++] = ids[i];
    return fit;
}

uint32_t choose_one(const struct chooser *c, const uint32_t *ids,
                    unsigned count)
{
    return count == 0 ? 0 : ids[random_below(&c->random, count)];
}

/* ---- One more ----------------------------------------------------------- */

enum error choose_to_open(const struct chooser *c,
                          const struct circuit_wish *wish,
                          bool (*in_use)(const void *arg, uint32_t circuit),
                          const void *arg, uint64_t now, uint32_t *opening)
{
    struct member_wish exit = {.protocol = wish->protocol,
                               .port = wish->port,
                               .avoid = wish->avoid,
                               .avoid_count = wish->avoid_count};
    enum error e = member_open(c->member, wish->hops, &exit, now, opening);
    uint32_t spare = 0;

    if (e == ERR_FULL)
        spare = claims_spare(c->claims, wish->hops, wish->isolation, in_use,
                             arg, now);
    if (spare != 0)
        member_close(c->member, spare, now);
    if (e == OK)
        claims_take(c->claims, *opening, wish->hops, wish->isolation, now);
    return e;
}
