/* SPDX-License-Identifier: MIT
 *
 * Whether what is known is all that this client will soon find. In its first
 * minutes it knows those only whom the first that it met have told it of; what
 * is for weeks, its guards, is not to be drawn from these.
 *
 * The view is complete when relays of SURVEY_NETWORKS networks are known that
 * answered or are from an earlier life, and
 *
 * - as many are known as are wanted, SURVEY_MIN have passed since the first
 * relay or the DHT answered, and SURVEY_LOOKUPS keys were looked up in the DHT;
 * or
 * - none was new for SURVEY_QUIET, in which so many keys were looked up. Half
 * as many then take twice as long, and so on: a few relays are easily made up,
 * and where there are no others it matters little which of them are guards.
 *
 * After SURVEY_MAX the view is taken as it is. It stays complete. Looked at
 * with each tick until it is.
 */
#include "tunnel/directory/directory_internal.h"

void survey_looked(struct directory *d)
{
    d->survey.lookups++;
    d->survey.quiet_lookups++;
}

static bool is_another_network(const struct directory *d,
                               const struct endpoint *const *seen,
                               unsigned count, const struct endpoint *ep)
{
    for (unsigned i = 0; i < count; i++)
        if (known_same_network(&d->known, seen[i], ep))
            return false;
    return true;
}

/* By the first address of each relay: where it answered, if it has. */
static bool has_networks(const struct directory *d)
{
    const struct endpoint *seen[SURVEY_NETWORKS];
    unsigned count = 0;

    for (unsigned i = 0; i < d->known.count && count < SURVEY_NETWORKS; i++) {
        const struct known_relay *relay = d->known.relays[i];

        if (relay->tried &&
            is_another_network(d, seen, count, &relay->d.addresses[0]))
            seen[count++] = &relay->d.addresses[0];
    }
    return count == SURVEY_NETWORKS;
}

/* How long it has to grow at least: the longer the fewer relays are known. */
static uint64_t least_age(const struct directory *d)
{
    uint64_t age = SURVEY_MIN * d->config.wanted_relays;

    if (d->usable >= d->config.wanted_relays)
        return SURVEY_MIN;
    return d->usable == 0 ? SURVEY_MAX : time_min(age / d->usable, SURVEY_MAX);
}

static bool is_complete(const struct directory *d, uint64_t now)
{
    const struct survey *s = &d->survey;
    uint64_t age = time_since(s->began, now);
    unsigned lookups = d->env.dht != NULL ? SURVEY_LOOKUPS : 0;

    if (age >= SURVEY_MAX)
        return true;
    if (age < least_age(d) || !has_networks(d))
        return false;
    if (d->usable >= d->config.wanted_relays)
        return s->lookups >= lookups;
    return s->quiet_lookups >= lookups &&
           time_since(d->news_at, now) >= SURVEY_QUIET;
}

/* The next time at which it may be, if nothing else happens. */
static uint64_t next_look(const struct directory *d, uint64_t now)
{
    uint64_t first = time_after(d->survey.began, least_age(d));
    uint64_t quiet = time_after(d->news_at, SURVEY_QUIET);

    if (now < first)
        return first;
    if (now < quiet)
        return quiet;
    return time_after(d->survey.began, SURVEY_MAX);
}

void survey_tick(struct directory *d, uint64_t now)
{
    struct survey *s = &d->survey;

    /* Who wants no relays does not look for them. */
    if (s->complete || d->config.wanted_relays == 0)
        return;
    if (d->news)
        s->quiet_lookups = 0;
    if (s->began == 0 && (s->lookups > 0 || d->stats.tells_in > 0))
        s->began = now;
    if (s->began == 0)
        return;
    s->complete = is_complete(d, now);
    if (!s->complete)
        directory_wake(d, next_look(d, now));
}

bool directory_is_complete(const struct directory *d)
{
    return d->survey.complete;
}
