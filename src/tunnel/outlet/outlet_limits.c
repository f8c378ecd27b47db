/* SPDX-License-Identifier: MIT */
#include "tunnel/outlet/outlet_limits.h"

#include "base/source.h"
#include "base/timestamp.h"

#define SOURCES  4096 /* whose rate of requests is remembered */
#define BURST    4    /* of a rate's, at once */
#define LITTLE   8    /* part of its own that a circuit has at most then */
#define SITE_MIX UINT64_C(0x9e3779b97f4a7c15)

/* `n` a minute, as many at once. */
static struct token_rate minutely(unsigned n)
{
    uint64_t interval = TIME_MIN / n;

    if (interval == 0)
        interval = 1;
    return (struct token_rate){.interval = interval,
                               .depth = interval * (n - 1)};
}

static unsigned part(unsigned n)
{
    return n < LITTLE ? 1 : n / LITTLE;
}

void outlet_limits_init(struct outlet_limits *l,
                        const struct outlet_config *config,
                        const struct random_source *random)
{
    const struct limiter_config c = {.rate = config->rate,
                                     .burst = BURST * config->rate,
                                     .source_rate = config->source_rate,
                                     .source_burst =
                                         BURST * config->source_rate,
                                     .max_sources = SOURCES};

    *l = (struct outlet_limits){
        .circuit_rate =
            token_rate_of(config->circuit_rate, config->circuit_burst),
        .address_rate = minutely(config->address_rate),
        .silent_rate = minutely(config->max_silent),
        .little_rate = minutely(config->max_silent),
        .site_rate = minutely(config->max_source_silent)};
    l->little_rate.depth =
        l->little_rate.interval * (part(config->max_silent) - 1);
    limiter_init(&l->requests, &c, random);
    random->fill(random->ctx, l->site_key, sizeof(l->site_key));
    random->fill(random->ctx, l->address_key, sizeof(l->address_key));
}

void outlet_limits_deinit(struct outlet_limits *l)
{
    limiter_deinit(&l->requests);
}

void outlet_share_init(struct outlet_share *s, const struct outlet_limits *l,
                       const struct endpoint *neighbour)
{
    *s = (struct outlet_share){
        .neighbour = *neighbour,
        .site = source_hash(neighbour, SOURCE_SITE, l->site_key)};
}

bool outlet_limits_request(struct outlet_limits *l, struct outlet_share *s,
                           uint64_t now)
{
    return token_bucket_take(&s->requests, &l->circuit_rate, now) &&
           limiter_allow(&l->requests, &s->neighbour, now);
}

static struct token_bucket *site_of(struct outlet_limits *l,
                                    const struct outlet_share *s)
{
    return &l->sites[s->site % OUTLET_SITES];
}

static struct token_bucket *address_of(struct outlet_limits *l,
                                       const struct outlet_share *s,
                                       const struct endpoint *to, unsigned row)
{
    uint64_t h = source_hash(to, SOURCE_HOST, l->address_key[row]);

    return &l->addresses[row][(h ^ s->site * SITE_MIX) % OUTLET_ADDRESSES];
}

/* One of its buckets has a token: the other may be full of somebody else's. */
static bool address_allows(struct outlet_limits *l,
                           const struct outlet_share *s,
                           const struct endpoint *to, uint64_t now)
{
    bool allowed = false;

    for (unsigned row = 0; row < OUTLET_ROWS; row++)
        allowed |=
            token_bucket_has(address_of(l, s, to, row), &l->address_rate, now);
    return allowed;
}

/* Whether there is a token or not: what is given back later was taken. */
static void charge(struct token_bucket *b, const struct token_rate *rate,
                   uint64_t now)
{
    b->full_at =
        time_after(b->full_at > now ? b->full_at : now, rate->interval);
}

bool outlet_limits_connect(struct outlet_limits *l, struct outlet_share *s,
                           const struct endpoint *to, uint64_t now)
{
    struct token_bucket *site = site_of(l, s);
    bool crowded = !token_bucket_has(site, &l->site_rate, now);

    if (!address_allows(l, s, to, now) ||
        !token_bucket_take(&s->silent,
                           crowded ? &l->little_rate : &l->silent_rate, now))
        return false;
    charge(site, &l->site_rate, now);
    for (unsigned row = 0; row < OUTLET_ROWS; row++)
        token_bucket_take(address_of(l, s, to, row), &l->address_rate, now);
    return true;
}

static void give_back(struct token_bucket *b, const struct token_rate *rate)
{
    b->full_at = b->full_at > rate->interval ? b->full_at - rate->interval : 0;
}

void outlet_limits_answered(struct outlet_limits *l, struct outlet_share *s)
{
    give_back(&s->silent, &l->silent_rate);
    give_back(site_of(l, s), &l->site_rate);
}
